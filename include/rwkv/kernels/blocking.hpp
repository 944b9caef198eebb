#pragma once

#include <algorithm>
#include <cstddef>

#include <rwkv/core/tensor.hpp>
#include <rwkv/kernels/format.hpp>
#include <rwkv/version.hpp>

namespace rwkv::inline RWKV_ABI::kernels {

// How a product is cut up.

/// Tokens brought to whole numbers, or to BF16 pieces, together.
inline constexpr Index panel = 16;

/// Rows of weights a thread takes at a time where there are many tokens: whole groups.
inline constexpr Index block_rows = 48;

/// The most that any kernel takes at a time.
inline constexpr Index most_rows = 64;

/// Weights of a row taken at a time, so that those of all these rows stay in the first-level cache while the tokens
/// pass by: whole blocks of every quantized format.
inline constexpr Index block_depth = 128;

/// Features that a product with many tokens takes at a time, all its rows, so that those of a chunk of tokens stay in
/// the second-level cache: whole depths.
inline constexpr Index slab = 768;

/// With fewer tokens than this, weights are used as they are read; with more they are widened or unpacked first, for
/// all.
inline constexpr Index fewest_many_tokens = 12;

/// Tokens rounded up to whole panels.
constexpr Index padded(Index tokens) noexcept {
    return (tokens + panel - 1) / panel * panel;
}

/// How tokens are cut into parts, of which each thread keeps one from product to product, so that it finds in its
/// second-level cache what it has computed. The weights are read once for each part.
struct Parts {
    Index tokens, count;

    /// The first token of a part, or where the last ends: whole panels from the first.
    constexpr Index begin(Index part) const noexcept {
        return part == count ? tokens : tokens * part / count / panel * panel;
    }
    /// Tokens of the longest part, or some more where there are several.
    constexpr Index longest() const noexcept { return std::min(tokens, padded(tokens / count + panel)); }
};

/// Tokens of a part that do best (see bench/NOTES.md).
inline constexpr Index best_part = 128;

/// At most `most` parts, of about `best` tokens where that is enough of them; none but the only one is of few tokens.
constexpr Parts parts_of(Index tokens, Index most, Index best = best_part) noexcept {
    return {tokens, std::clamp<Index>((tokens + best / 2) / best, 1, most)};
}

/// Bytes that a panel of so many features takes at most, the last block padded: 16-bit numbers, and a scale and a bias
/// for each block of at least 32; or three 16-bit numbers.
constexpr std::size_t panel_bytes(Index features, bool in_pieces) noexcept {
    return static_cast<std::size_t>((features + 63) / 64 * 64) * panel * (in_pieces ? 24 : 9) / 4;
}

/// Floats that a thread needs for so many tokens: a block of weights (or what the kernels of bytes hold in its place),
/// and results of a last group that is not whole.
constexpr Index block_floats(Index tokens) noexcept {
    return most_rows * slab / 2 + group_rows * tokens;
}

}  // namespace rwkv::inline RWKV_ABI::kernels
