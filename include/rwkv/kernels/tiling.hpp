#pragma once

#include <cstddef>

#include <rwkv/tensor.hpp>

namespace rwkv::kernels {

// How a product with many tokens is cut up. Tokens go in panels: of floats packed feature by feature, so that the inner
// loop loads neighbouring tokens and broadcasts weights, which stay row-major as the file has them; or of whole numbers
// token by token, which are broadcast to the sixteen rows of a group of quantized weights.

/// Tokens side by side in a panel: one AVX-512 register, two of AVX2, four of NEON.
inline constexpr Index panel = 16;

/// Rows of weights a thread takes at a time: a multiple of the rows of every inner tile, and whole groups.
inline constexpr Index block_rows = 48;

/// Weights of a row taken at a time, so that a slice of the packed activations stays in the first-level cache: whole
/// blocks of every quantized format.
inline constexpr Index block_depth = 128;

/// With fewer tokens than this, dot products straight from the activations are faster than packing them.
inline constexpr Index fewest_packed_tokens = 12;

/// Tokens rounded up to whole panels.
constexpr Index padded(Index tokens) noexcept {
    return (tokens + panel - 1) / panel * panel;
}

/// Bytes that a panel of so many features takes at most, however it is held: floats, or 16-bit numbers and a scale and
/// a bias for each block, the last block padded.
constexpr std::size_t panel_bytes(Index features) noexcept {
    return static_cast<std::size_t>(features + 64) * panel * sizeof(float);
}

}  // namespace rwkv::kernels
