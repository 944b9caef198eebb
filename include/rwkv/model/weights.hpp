#pragma once

#include <cmath>
#include <memory>
#include <optional>
#include <vector>

#include <rwkv/core/aligned_buffer.hpp>
#include <rwkv/core/config.hpp>
#include <rwkv/kernels/weight_matrix.hpp>
#include <rwkv/model/rank_group.hpp>
#include <rwkv/version.hpp>

namespace rwkv::inline RWKV_ABI::model {

// The weights of a model: written once by the loader, then only read, by any number of threads. Vectors are floats,
// whatever the file holds, since all of them together are smaller than one matrix. `Matrix` is the type of the weight
// matrices: WeightMatrix, whose format is known at run time, or another one in tests. If several machines share a
// model, each matrix has the rows of its rank. H is hidden_size, A attention_hidden_size, I intermediate_size, V
// vocab_size.

/// A layer norm over H features, with the epsilon it is computed with (see `rescaled_epsilon`).
struct LayerNormWeights {
    core::Array<float> weight;  ///< [H]
    core::Array<float> bias;    ///< [H]
    double epsilon = 1e-5;      ///< added to the variance
};

/// Time mixing: how a block looks back further than one token. Named "attention" in the files.
template <class Matrix>
struct AttentionWeights {
    core::Array<float> decay;                ///< [A] w = −exp(time_decay): each token multiplies what is past by e^w
    core::Array<float> time_first;           ///< [A] u, added to the current token's key, in its own average only
    core::Array<float> time_mix_key;         ///< [H] share of the current token in what `key` sees
    core::Array<float> time_mix_value;       ///< [H] in what `value` sees
    core::Array<float> time_mix_receptance;  ///< [H] in what `receptance` sees
    Matrix key;                              ///< [A, H]
    Matrix value;                            ///< [A, H]
    Matrix receptance;                       ///< [A, H]
    Matrix output;                           ///< [H, A]
};

/// Channel mixing: a gated two-layer network. Named "feed_forward" in the files.
template <class Matrix>
struct FeedForwardWeights {
    core::Array<float> time_mix_key;         ///< [H] share of the current token in what `key` sees
    core::Array<float> time_mix_receptance;  ///< [H] in what `receptance` sees
    Matrix key;                              ///< [I, H]
    Matrix receptance;                       ///< [H, H]
    Matrix value;                            ///< [H, I]
};

/// One block: both mixings, each with the layer norm before it.
template <class Matrix>
struct BlockWeights {
    LayerNormWeights ln1;                     ///< before time mixing
    LayerNormWeights ln2;                     ///< before channel mixing
    AttentionWeights<Matrix> attention;       ///< time mixing
    FeedForwardWeights<Matrix> feed_forward;  ///< channel mixing
};

/// A whole model. The embeddings keep the format of the file, since single rows are all that is read of them. A tied
/// head shares them, in the format asked for; one that is quantized while loading is a copy of its own.
template <class Matrix>
struct BasicWeights {
    Config config;                             ///< its sizes
    Matrix embeddings;                         ///< [V, H]
    LayerNormWeights pre_ln;                   ///< before block 0
    std::vector<BlockWeights<Matrix>> blocks;  ///< L of them, in the order of computation
    LayerNormWeights ln_out;                   ///< after the last block
    std::optional<Matrix> head;             ///< [V, H]; a base model saved without it has hidden states, but no logits
    std::shared_ptr<RankGroup> ranks = {};  ///< who has the other rows of the matrices; null: there are none
};

/// The weights that the library computes with.
using Weights = BasicWeights<kernels::WeightMatrix>;

/// The epsilon that stands in for Hugging Face's `rescale_every` = r, which keeps the residual stream x within the
/// range of 16-bit floats: it halves x after every r-th block and, to match, divides attention.output and
/// feed_forward.value of block b by 2^n, n = ⌊b / r⌋, once they are loaded. So x and all that is added to it are
/// smaller by 2^n; what reads x is always a layer norm, and one of x / 2^n with ε equals, bit for bit, one of x with ε
/// · 4^n. Here neither weights nor x are touched, and only epsilon grows. For ln_out, `block` is L and ε 1e-5, torch's
/// default, as Hugging Face gives it none; pre_ln comes before all blocks. The loader sets them.
[[nodiscard]] inline double rescaled_epsilon(double epsilon, Index block, Index rescale_every) noexcept {
    if (rescale_every == 0) return epsilon;
    return std::ldexp(epsilon, static_cast<int>(2 * (block / rescale_every)));
}

}  // namespace rwkv::inline RWKV_ABI::model
