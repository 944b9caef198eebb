#pragma once

#include <cmath>
#include <cstddef>
#include <optional>
#include <string>
#include <vector>

#include <rwkv/config.hpp>
#include <rwkv/kernels/activations.hpp>
#include <rwkv/kernels/weight_matrix.hpp>

namespace rwkv {

// What a model has learned, and nothing else: filled once by the loader, then only read, by any number of threads.
// Matrices keep their weight format; vectors are floats, whatever the file holds, since all of them together are
// smaller than one matrix. H hidden_size, A attention_hidden_size, I intermediate_size, V vocab_size.

/// A layer norm over H features, with the epsilon it is computed with (see `rescaled_epsilon`).
struct LayerNormWeights {
    Vector<float> weight;   ///< [H]
    Vector<float> bias;     ///< [H]
    double epsilon = 1e-5;  ///< added to the variance
};

/// Time mixing: how a block looks back. Named "attention" in the files.
template <class Format>
struct AttentionWeights {
    Vector<float> decay;                ///< [A] w = −exp(time_decay), added per step
    Vector<float> time_first;           ///< [A] u, the current token's bonus
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

/// A whole model. The embeddings keep the format of the file; a tied head shares their elements.
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

/// The epsilon that stands in for Hugging Face's `rescale_every`, which halves the activations after every r-th block
/// and divides the output matrices of block b by 2^(b / r). A layer norm of x / 2^n with ε equals, bit for bit, one of
/// x with ε · 4^n; so the weights stay as they are and only epsilon grows.
inline double rescaled_epsilon(double epsilon, Index block, Index rescale_every) noexcept {
    if (rescale_every == 0) return epsilon;
    return std::ldexp(epsilon, static_cast<int>(2 * (block / rescale_every)));
}

}  // namespace rwkv
