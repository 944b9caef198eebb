#pragma once

#include <string>

#include <rwkv/model/weights.hpp>
#include <rwkv/version.hpp>

namespace rwkv::inline RWKV_ABI {

/// Walks a model's tensors in reading order: the one place where the members of `Weights` meet Hugging Face's names
/// (here without the `rwkv.` prefix) and their shapes. Calls visit.vector(name, Vector<float>&, Shape),
/// visit.matrix(name, WeightMatrix<Format>&, rows, cols) and visit.embeddings(name, WeightMatrix<Mixed>&, rows, cols).
/// `weights.config` must be set and `weights.blocks` have its layers.
/// The head is the caller's: whether there is one, tied or not, is not a matter of shape.
template <class Format, class Visitor>
void for_each_tensor(Weights<Format>& weights, Visitor&& visit) {
    const Config& config = weights.config;
    const Index H = config.hidden_size, A = config.attention_hidden_size, I = config.intermediate_size;
    const auto vector = [&](const std::string& name, Vector<float>& member, Index size) {
        visit.vector(name, member, Shape{static_cast<std::uint64_t>(size)});
    };
    const auto mix = [&](const std::string& name, Vector<float>& member) {
        visit.vector(name, member, Shape{1, 1, static_cast<std::uint64_t>(H)});
    };
    const auto layer_norm = [&](const std::string& name, LayerNormWeights& member) {
        vector(name + ".weight", member.weight, H);
        vector(name + ".bias", member.bias, H);
    };

    visit.embeddings("embeddings.weight", weights.embeddings, config.vocab_size, H);
    layer_norm("blocks.0.pre_ln", weights.pre_ln);
    for (std::size_t i = 0; i < weights.blocks.size(); ++i) {
        const std::string block = "blocks." + std::to_string(i);
        layer_norm(block + ".ln1", weights.blocks[i].ln1);
        layer_norm(block + ".ln2", weights.blocks[i].ln2);

        AttentionWeights<Format>& attention = weights.blocks[i].attention;
        // Files hold time_decay; whoever reads it makes it w = −exp(time_decay).
        vector(block + ".attention.time_decay", attention.decay, A);
        vector(block + ".attention.time_first", attention.time_first, A);
        mix(block + ".attention.time_mix_key", attention.time_mix_key);
        mix(block + ".attention.time_mix_value", attention.time_mix_value);
        mix(block + ".attention.time_mix_receptance", attention.time_mix_receptance);
        visit.matrix(block + ".attention.key.weight", attention.key, A, H);
        visit.matrix(block + ".attention.value.weight", attention.value, A, H);
        visit.matrix(block + ".attention.receptance.weight", attention.receptance, A, H);
        visit.matrix(block + ".attention.output.weight", attention.output, H, A);

        FeedForwardWeights<Format>& feed_forward = weights.blocks[i].feed_forward;
        mix(block + ".feed_forward.time_mix_key", feed_forward.time_mix_key);
        mix(block + ".feed_forward.time_mix_receptance", feed_forward.time_mix_receptance);
        visit.matrix(block + ".feed_forward.key.weight", feed_forward.key, I, H);
        visit.matrix(block + ".feed_forward.receptance.weight", feed_forward.receptance, H, H);
        visit.matrix(block + ".feed_forward.value.weight", feed_forward.value, H, I);
    }
    layer_norm("ln_out", weights.ln_out);
}

}  // namespace rwkv::inline RWKV_ABI
