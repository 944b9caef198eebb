#pragma once

#include <filesystem>
#include <type_traits>

#include <rwkv/checkpoint/load_options.hpp>
#include <rwkv/checkpoint/plan.hpp>
#include <rwkv/checkpoint/weight_reader.hpp>
#include <rwkv/model/weights.hpp>
#include <rwkv/version.hpp>

namespace rwkv::inline RWKV_ABI::checkpoint {

/// The format that a template over `Format` brings the matrices to: its own, or the one asked for.
template <class Format>
WeightFormat weight_format(WeightFormat asked) noexcept {
    if constexpr (std::is_same_v<Format, Mixed>)
        return asked;
    else
        return Format::format;
}

/// Gives the layer norms the epsilons they are computed with. The last is torch's default, whatever the
/// config says.
template <class Format>
void set_epsilons(Weights<Format>& weights, bool rescale) {
    const Config& config = weights.config;
    const Index every = rescale ? config.rescale_every : 0;
    weights.pre_ln.epsilon = config.layer_norm_epsilon;
    for (std::size_t b = 0; b < weights.blocks.size(); ++b)
        weights.blocks[b].ln1.epsilon = weights.blocks[b].ln2.epsilon =
            rescaled_epsilon(config.layer_norm_epsilon, static_cast<Index>(b), every);
    weights.ln_out.epsilon = rescaled_epsilon(1e-5, config.num_hidden_layers, every);
}

/// A head that shares the elements of the embeddings, which have been brought to its format.
template <class Format>
WeightMatrix<Format> shared_head(const WeightMatrix<Mixed>& embeddings) {
    if constexpr (std::is_same_v<Format, Mixed>) {
        return embeddings;
    } else {
        return embeddings.visit([]<class Own>(const WeightMatrix<Own>& own) {
            if constexpr (std::is_same_v<Own, Format>) return own;
            return WeightMatrix<Format>();
        });
    }
}

template <class Format>
Weights<Format> read_weights(const Preparation& model, const LoadOptions& options) {
    Weights<Format> weights;
    weights.config = model.config;
    weights.blocks.resize(static_cast<std::size_t>(model.config.num_hidden_layers));
    const bool tied = model.head == Head::tied;
    const WeightFormat format = weight_format<Format>(options.format);
    const ReadOptions how{format, options.threads, options.mapped, options.progress};
    const Index vocabulary = model.config.vocab_size, hidden = model.config.hidden_size;
    Read read(model.source, model.plan, how, tied);
    for_each_tensor(weights, read);
    if (model.head == Head::own) read.matrix("head.weight", weights.head.emplace(), vocabulary, hidden);
    if (tied && !head_is_shared(format)) read.matrix("embeddings.weight", weights.head.emplace(), vocabulary, hidden);
    read.finish();
    if (tied && !weights.head) weights.head = shared_head<Format>(weights.embeddings);
    set_epsilons(weights, options.rescale);
    return weights;
}

/// The weights of a model, as `load_weights` and `load_safetensors` promise.
template <class Format>
Weights<Format> load_weights(const std::filesystem::path& path, const LoadOptions& options, PytorchReader pytorch) {
    const Preparation model(path, weight_format<Format>(options.format), pytorch);
    return read_weights<Format>(model, options);
}

}  // namespace rwkv::inline RWKV_ABI::checkpoint
