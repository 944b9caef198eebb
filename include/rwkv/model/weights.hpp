#pragma once

#include <cmath>
#include <cstddef>
#include <optional>
#include <string>
#include <vector>

#include <rwkv/core/config.hpp>
#include <rwkv/kernels/activations.hpp>
#include <rwkv/kernels/weight_matrix.hpp>
#include <rwkv/version.hpp>

namespace rwkv::inline RWKV_ABI {

// What a model has learned, and nothing else: filled once by the loader, then only read, by any number of threads.
// Matrices keep their weight format; vectors are floats, whatever the file holds, since all of them together are
// smaller than one matrix. `Format` says how the elements of a matrix lie in memory (kernels/format.hpp); Mixed: those
// of each matrix in a way of its own, found at run time. H hidden_size, A attention_hidden_size, I intermediate_size, V
// vocab_size.

/// A layer norm over H features, with the epsilon it is computed with (see `rescaled_epsilon`).
struct LayerNormWeights {
    Vector<float> weight;   ///< [H]
    Vector<float> bias;     ///< [H]
    double epsilon = 1e-5;  ///< added to the variance
};

/// Time mixing: how a block looks back further than one token. Named "attention" in the files.
template <class Format>
struct AttentionWeights {
    Vector<float> decay;                ///< [A] w = −exp(time_decay): each token multiplies what is past by e^w
    Vector<float> time_first;           ///< [A] u, added to the current token's key, in its own average only
    Vector<float> time_mix_key;         ///< [H] share of the current token in what `key` sees
    Vector<float> time_mix_value;       ///< [H] in what `value` sees
    Vector<float> time_mix_receptance;  ///< [H] in what `receptance` sees
    WeightMatrix<Format> key;           ///< [A, H]
    WeightMatrix<Format> value;         ///< [A, H]
    WeightMatrix<Format> receptance;    ///< [A, H]
    WeightMatrix<Format> output;        ///< [H, A]
};

/// Channel mixing: a gated two-layer network. Named "feed_forward" in the files.
template <class Format>
struct FeedForwardWeights {
    Vector<float> time_mix_key;         ///< [H] share of the current token in what `key` sees
    Vector<float> time_mix_receptance;  ///< [H] in what `receptance` sees
    WeightMatrix<Format> key;           ///< [I, H]
    WeightMatrix<Format> receptance;    ///< [H, H]
    WeightMatrix<Format> value;         ///< [H, I]
};

/// One block: both mixings, each with the layer norm before it.
template <class Format>
struct BlockWeights {
    LayerNormWeights ln1;                     ///< before time mixing
    LayerNormWeights ln2;                     ///< before channel mixing
    AttentionWeights<Format> attention;       ///< time mixing
    FeedForwardWeights<Format> feed_forward;  ///< channel mixing
};

/// A whole model. The embeddings keep the format of the file, since single rows are all that is read of them. A tied
/// head shares them, in the format asked for, if any; one that is quantized while loading is a copy of its own.
template <class Format>
struct Weights {
    Config config;                             ///< its sizes
    WeightMatrix<Mixed> embeddings;            ///< [V, H]
    LayerNormWeights pre_ln;                   ///< before block 0
    std::vector<BlockWeights<Format>> blocks;  ///< L of them, the first at the bottom
    LayerNormWeights ln_out;                   ///< after the last block
    /// [V, H]. Absent from a base model saved alone: then there are hidden states, but no logits.
    std::optional<WeightMatrix<Format>> head;
};

/// The epsilon that stands in for Hugging Face's `rescale_every` = r, which keeps the residual stream x within the
/// range of 16-bit floats: it halves x after every r-th block and, to match, divides attention.output and
/// feed_forward.value of block b by 2^n, n = ⌊b / r⌋, once they are loaded. So x and all that is added to it are
/// smaller by 2^n; what reads x is always a layer norm, and one of x / 2^n with ε equals, bit for bit, one of x with ε
/// · 4^n. Here neither weights nor x are touched, and only epsilon grows. For ln_out, `block` is L and ε 1e-5, torch's
/// default, as Hugging Face gives it none; pre_ln comes before all blocks. The loader sets them.
inline double rescaled_epsilon(double epsilon, Index block, Index rescale_every) noexcept {
    if (rescale_every == 0) return epsilon;
    return std::ldexp(epsilon, static_cast<int>(2 * (block / rescale_every)));
}

}  // namespace rwkv::inline RWKV_ABI
