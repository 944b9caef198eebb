#pragma once

#include <algorithm>
#include <cstddef>

#include <rwkv/core/tensor.hpp>
#include <rwkv/kernels/format.hpp>
#include <rwkv/version.hpp>

namespace rwkv::inline RWKV_ABI::kernels {

/// How a product y = W x of M rows of weights, N tokens and K features (columns of weights) is cut into blocks that fit
/// the caches, in the letters of BLIS; include/rwkv/README.md has a picture. The loop nest of a gemm task:
///
///   for a slab of `k_slab` features             x: slab × block of tokens stays in the second-level cache
///     for `mc` rows of weights (a task)
///       for a block of `kc` features            weights: mc × kc, as floats, stay in the first-level cache
///         for a few tokens (NR)
///           for a few row groups (MR)           microkernel: MR × NR sums in registers, over kc features
///
/// MR and NR are the instruction set's: Simd::mr_groups (row groups) and Simd::nr (tokens).
struct Blocking {
    /// Rows of weights that a task of a gemm takes: whole row groups.
    static constexpr Index mc = 48;
    /// The largest `mc` of any kernel.
    static constexpr Index max_mc = 64;
    /// Features of a block of weights: whole scale blocks of every quantized format.
    static constexpr Index kc = 128;
    /// Features that a gemm takes at a time, for all rows: whole blocks.
    static constexpr Index k_slab = 768;
    /// Tokens of a panel of packed activations.
    static constexpr Index panel_tokens = 16;
    /// Tokens that a thread keeps from product to product, so that it finds in its second-level cache what it has
    /// computed (bench/NOTES.md).
    static constexpr Index nc = 128;
    /// From this number of tokens on a gemm, which converts or unpacks weights once for all tokens, beats a gemv, which
    /// uses them as they are read.
    static constexpr Index gemm_min_tokens = 12;
};

/// Panels that a number of tokens needs.
[[nodiscard]] constexpr Index token_panels(Index tokens) noexcept {
    return (tokens + Blocking::panel_tokens - 1) / Blocking::panel_tokens;
}

/// Tokens cut into blocks of whole panels. Each thread keeps a block; the weights are read once for each.
struct TokenBlocks {
    Index tokens, count;

    /// The first token of a block, or where the last block ends.
    [[nodiscard]] constexpr Index begin(Index block) const noexcept {
        constexpr Index panel = Blocking::panel_tokens;
        return block == count ? tokens : tokens * block / count / panel * panel;
    }
    /// At least the tokens of the longest block.
    [[nodiscard]] constexpr Index max_size() const noexcept {
        return (std::min)(tokens, token_panels(tokens / count + Blocking::panel_tokens) * Blocking::panel_tokens);
    }
};

/// Cuts tokens into at most `max_blocks` blocks of about `tokens_per_block` tokens. Several blocks are of at least half
/// that size.
[[nodiscard]] constexpr TokenBlocks split_tokens(Index tokens, Index max_blocks,
                                                 Index tokens_per_block = Blocking::nc) noexcept {
    return {tokens, std::clamp<Index>((tokens + tokens_per_block / 2) / tokens_per_block, 1, max_blocks)};
}

/// Floats of scratch that a thread needs: a block of weights (or what an integer kernel holds in its place: 16 bits a
/// weight and 64 more for every 32), and the results of a last row group that is not whole.
[[nodiscard]] constexpr Index scratch_floats(Index tokens) noexcept {
    return Blocking::max_mc * Blocking::k_slab * 9 / 16 + group_rows * tokens;
}

}  // namespace rwkv::inline RWKV_ABI::kernels
