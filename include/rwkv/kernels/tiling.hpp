#pragma once

#include <rwkv/tensor.hpp>

namespace rwkv::kernels {

// How a product with many tokens is cut up. Tokens go in panels of `panel` columns, packed feature by feature, so
// that the inner loop loads neighbouring tokens and broadcasts weights, which stay row-major as the file has them.

/// Tokens side by side in a packed panel: one AVX-512 register, two of AVX2, four of NEON.
inline constexpr Index panel = 16;

/// Rows of weights a thread takes at a time: a multiple of the rows of every inner tile.
inline constexpr Index block_rows = 48;

/// Weights of a row taken at a time, so that a slice of the packed activations stays in the first-level cache.
inline constexpr Index block_depth = 192;

/// With fewer tokens than this, dot products straight from the activations are faster than packing them.
inline constexpr Index fewest_packed_tokens = 12;

/// Tokens rounded up to whole panels.
constexpr Index padded(Index tokens) noexcept {
    return (tokens + panel - 1) / panel * panel;
}

}  // namespace rwkv::kernels
