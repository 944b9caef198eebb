#pragma once

#include <cstddef>
#include <variant>

#include <rwkv/checkpoint/tensor_specs.hpp>
#include <rwkv/core/aligned_buffer.hpp>
#include <rwkv/core/config.hpp>
#include <rwkv/core/tensor.hpp>
#include <rwkv/kernels/weight_matrix.hpp>
#include <rwkv/model/weights.hpp>
#include <rwkv/version.hpp>

namespace rwkv::inline RWKV_ABI::checkpoint {

/// Where a tensor is held in memory.
using WeightMember = std::variant<core::Array<float>*, kernels::WeightMatrix*>;

/// The member of the weights that holds the tensor. `weights.blocks` must have the tensor's block; a missing head is
/// added.
inline WeightMember weight_member(model::Weights& weights, const TensorSpec& spec) {
    const auto block = [&]() -> model::BlockWeights<kernels::WeightMatrix>& { return weights.blocks[spec.block]; };
    switch (spec.role) {
        case TensorRole::embeddings:
            return &weights.embeddings;
        case TensorRole::pre_ln_weight:
            return &weights.pre_ln.weight;
        case TensorRole::pre_ln_bias:
            return &weights.pre_ln.bias;
        case TensorRole::ln1_weight:
            return &block().ln1.weight;
        case TensorRole::ln1_bias:
            return &block().ln1.bias;
        case TensorRole::ln2_weight:
            return &block().ln2.weight;
        case TensorRole::ln2_bias:
            return &block().ln2.bias;
        case TensorRole::attention_time_decay:
            return &block().attention.decay;
        case TensorRole::attention_time_first:
            return &block().attention.time_first;
        case TensorRole::attention_time_mix_key:
            return &block().attention.time_mix_key;
        case TensorRole::attention_time_mix_value:
            return &block().attention.time_mix_value;
        case TensorRole::attention_time_mix_receptance:
            return &block().attention.time_mix_receptance;
        case TensorRole::attention_key:
            return &block().attention.key;
        case TensorRole::attention_value:
            return &block().attention.value;
        case TensorRole::attention_receptance:
            return &block().attention.receptance;
        case TensorRole::attention_output:
            return &block().attention.output;
        case TensorRole::feed_forward_time_mix_key:
            return &block().feed_forward.time_mix_key;
        case TensorRole::feed_forward_time_mix_receptance:
            return &block().feed_forward.time_mix_receptance;
        case TensorRole::feed_forward_key:
            return &block().feed_forward.key;
        case TensorRole::feed_forward_receptance:
            return &block().feed_forward.receptance;
        case TensorRole::feed_forward_value:
            return &block().feed_forward.value;
        case TensorRole::ln_out_weight:
            return &weights.ln_out.weight;
        case TensorRole::ln_out_bias:
            return &weights.ln_out.bias;
        case TensorRole::head:
            break;
    }
    if (!weights.head) weights.head.emplace();
    return &*weights.head;
}

/// Sets the epsilons of all layer norms (see rescaled_epsilon). That of ln_out is torch's default, whatever the config
/// says.
inline void set_epsilons(model::Weights& weights, bool rescale) {
    const Config& config = weights.config;
    const Index every = rescale ? config.rescale_every : 0;
    weights.pre_ln.epsilon = config.layer_norm_epsilon;
    for (std::size_t b = 0; b < weights.blocks.size(); ++b)
        weights.blocks[b].ln1.epsilon = weights.blocks[b].ln2.epsilon =
            model::rescaled_epsilon(config.layer_norm_epsilon, static_cast<Index>(b), every);
    weights.ln_out.epsilon = model::rescaled_epsilon(1e-5, config.num_hidden_layers, every);
}

}  // namespace rwkv::inline RWKV_ABI::checkpoint
