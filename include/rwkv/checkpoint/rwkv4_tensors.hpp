#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include <rwkv/core/config.hpp>
#include <rwkv/core/tensor.hpp>
#include <rwkv/version.hpp>

namespace rwkv::inline RWKV_ABI::checkpoint {

/// What a tensor of an RWKV-4 model is for.
enum class TensorRole : std::uint8_t {
    embeddings,
    pre_ln_weight,
    pre_ln_bias,
    ln1_weight,
    ln1_bias,
    ln2_weight,
    ln2_bias,
    attention_time_decay,
    attention_time_first,
    attention_time_mix_key,
    attention_time_mix_value,
    attention_time_mix_receptance,
    attention_key,
    attention_value,
    attention_receptance,
    attention_output,
    feed_forward_time_mix_key,
    feed_forward_time_mix_receptance,
    feed_forward_key,
    feed_forward_receptance,
    feed_forward_value,
    ln_out_weight,
    ln_out_bias,
    head,
};

/// How a tensor is stored and used.
enum class TensorKind : std::uint8_t {
    vector,           ///< [size]
    mix,              ///< a vector, stored as [1, 1, size]
    matrix,           ///< [outputs, inputs] of a linear map
    embedding_table,  ///< a matrix of which single rows are read
};

/// Which part of the model has the tensor.
enum class TensorPlace : std::uint8_t { before_blocks, first_block, every_block, after_blocks };

/// A size of a model, as a member of its config; null: 1, the rows of a vector.
using TensorSize = Index Config::*;

/// A tensor of an RWKV-4 model. Within a block, names follow "blocks.N.".
struct Rwkv4Tensor {
    TensorRole role;
    TensorPlace place;
    TensorKind kind;
    TensorSize rows;
    TensorSize cols;
    std::string_view name;          ///< Hugging Face's, without its prefix "rwkv."
    std::string_view blinkdl_name;  ///< BlinkDL's, in the files of RWKV-LM

    /// The name in full, in block number `block` if it is a block's.
    std::string canonical_name(std::size_t block = 0) const {
        const bool in_block = place == TensorPlace::first_block || place == TensorPlace::every_block;
        return in_block ? "blocks." + std::to_string(block) + "." + std::string(name) : std::string(name);
    }
};

/// All tensors of RWKV-4, in the order in which they are read and written: the only place that knows their names and
/// shapes.
inline constexpr auto rwkv4_tensors = [] {
    using enum TensorRole;
    using enum TensorPlace;
    using enum TensorKind;
    constexpr TensorSize one = nullptr, V = &Config::vocab_size, H = &Config::hidden_size,
                         A = &Config::attention_hidden_size, F = &Config::intermediate_size;
    return std::array<Rwkv4Tensor, 24>{{
        {embeddings, before_blocks, embedding_table, V, H, "embeddings.weight", "emb.weight"},
        {pre_ln_weight, first_block, vector, one, H, "pre_ln.weight", "ln0.weight"},
        {pre_ln_bias, first_block, vector, one, H, "pre_ln.bias", "ln0.bias"},
        {ln1_weight, every_block, vector, one, H, "ln1.weight", "ln1.weight"},
        {ln1_bias, every_block, vector, one, H, "ln1.bias", "ln1.bias"},
        {ln2_weight, every_block, vector, one, H, "ln2.weight", "ln2.weight"},
        {ln2_bias, every_block, vector, one, H, "ln2.bias", "ln2.bias"},
        {attention_time_decay, every_block, vector, one, A, "attention.time_decay", "att.time_decay"},
        {attention_time_first, every_block, vector, one, A, "attention.time_first", "att.time_first"},
        {attention_time_mix_key, every_block, mix, one, H, "attention.time_mix_key", "att.time_mix_k"},
        {attention_time_mix_value, every_block, mix, one, H, "attention.time_mix_value", "att.time_mix_v"},
        {attention_time_mix_receptance, every_block, mix, one, H, "attention.time_mix_receptance", "att.time_mix_r"},
        {attention_key, every_block, matrix, A, H, "attention.key.weight", "att.key.weight"},
        {attention_value, every_block, matrix, A, H, "attention.value.weight", "att.value.weight"},
        {attention_receptance, every_block, matrix, A, H, "attention.receptance.weight", "att.receptance.weight"},
        {attention_output, every_block, matrix, H, A, "attention.output.weight", "att.output.weight"},
        {feed_forward_time_mix_key, every_block, mix, one, H, "feed_forward.time_mix_key", "ffn.time_mix_k"},
        {feed_forward_time_mix_receptance, every_block, mix, one, H, "feed_forward.time_mix_receptance",
         "ffn.time_mix_r"},
        {feed_forward_key, every_block, matrix, F, H, "feed_forward.key.weight", "ffn.key.weight"},
        {feed_forward_receptance, every_block, matrix, H, H, "feed_forward.receptance.weight", "ffn.receptance.weight"},
        {feed_forward_value, every_block, matrix, H, F, "feed_forward.value.weight", "ffn.value.weight"},
        {ln_out_weight, after_blocks, vector, one, H, "ln_out.weight", "ln_out.weight"},
        {ln_out_bias, after_blocks, vector, one, H, "ln_out.bias", "ln_out.bias"},
        {head, after_blocks, matrix, V, H, "head.weight", "head.weight"},
    }};
}();

/// The row of the table with that role.
constexpr const Rwkv4Tensor& rwkv4_tensor(TensorRole role) noexcept {
    return rwkv4_tensors[static_cast<std::size_t>(role)];
}
static_assert(
    [] {
        for (std::size_t i = 0; i < rwkv4_tensors.size(); ++i)
            if (rwkv4_tensors[i].role != static_cast<TensorRole>(i)) return false;
        return true;
    }(),
    "rwkv4_tensors is in the order of TensorRole");

}  // namespace rwkv::inline RWKV_ABI::checkpoint
