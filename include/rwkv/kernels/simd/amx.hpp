#pragma once

#include <rwkv/kernels/simd/avx512_vnni.hpp>

#ifdef RWKV_X86_KERNELS

#include <atomic>

#define RWKV_TARGET amx
#define RWKV_TARGET_FLAGS "avx2,fma,f16c,avx512f,avx512bw,avx512dq,avx512vl,avx512vnni,amx-tile,amx-int8,amx-bf16"
#include <rwkv/kernels/simd/begin_target.inl>

namespace rwkv::inline RWKV_ABI::kernels::amx {

using avx512::for_token_runs;
using avx512::prefetch_columns;
using avx512::prefetch_next_block;
using avx512::Prefetcher;
using avx512::Simd;
using avx512_vnni::IntDot;
using avx512_vnni::next_blocks;
using avx512_vnni::unpack_columns;
using avx512_vnni::unpack_scales;
using avx512_vnni::unpack_values;
using V = Simd::V;

// Blocked products on tiles, registers of 16 rows of 64 bytes:
//
//   sums [16 tokens][16 rows of weights]  +=  tokens [16][columns]  ×  weights [columns / n][16 rows][n]
//
// where n columns make four bytes. A pass multiplies up to two panels of tokens with two row groups of weights:
//
//   sum i, j (tile 2 i + j)  +=  tokens i (tile 4 + i)  ×  weights j (tile 6 + j)
//
// The functions below name the tiles; their numbers are literals, because gcc's intrinsics paste them into assembly.

/// Loads the tokens of panel Row, one row of a tile a token, `stride` bytes apart.
template <int Row>
inline void load_tokens(const void* from, Index stride) noexcept {
    if constexpr (Row == 0) _tile_loadd(4, from, stride);
    if constexpr (Row == 1) _tile_loadd(5, from, stride);
}

/// Loads the weights of row group Column.
template <int Column>
inline void load_weights(const void* from) noexcept {
    if constexpr (Column == 0) _tile_loadd(6, from, 64);
    if constexpr (Column == 1) _tile_loadd(7, from, 64);
}

template <int Row, int Column>
inline void zero_sum() noexcept {
    if constexpr (Row == 0 && Column == 0) _tile_zero(0);
    if constexpr (Row == 0 && Column == 1) _tile_zero(1);
    if constexpr (Row == 1 && Column == 0) _tile_zero(2);
    if constexpr (Row == 1 && Column == 1) _tile_zero(3);
}

/// Loads sums, one row of a tile a token, `stride` bytes apart.
template <int Row, int Column>
inline void load_sum(const void* from, Index stride) noexcept {
    if constexpr (Row == 0 && Column == 0) _tile_loadd(0, from, stride);
    if constexpr (Row == 0 && Column == 1) _tile_loadd(1, from, stride);
    if constexpr (Row == 1 && Column == 0) _tile_loadd(2, from, stride);
    if constexpr (Row == 1 && Column == 1) _tile_loadd(3, from, stride);
}

template <int Row, int Column>
inline void store_sum(void* to, Index stride) noexcept {
    if constexpr (Row == 0 && Column == 0) _tile_stored(0, to, stride);
    if constexpr (Row == 0 && Column == 1) _tile_stored(1, to, stride);
    if constexpr (Row == 1 && Column == 0) _tile_stored(2, to, stride);
    if constexpr (Row == 1 && Column == 1) _tile_stored(3, to, stride);
}

/// sum Row, Column += tokens Row × weights Column, of signed bytes.
template <int Row, int Column>
inline void add_byte_products() noexcept {
    if constexpr (Row == 0 && Column == 0) _tile_dpbssd(0, 4, 6);
    if constexpr (Row == 0 && Column == 1) _tile_dpbssd(1, 4, 7);
    if constexpr (Row == 1 && Column == 0) _tile_dpbssd(2, 5, 6);
    if constexpr (Row == 1 && Column == 1) _tile_dpbssd(3, 5, 7);
}

/// sum Row, Column += tokens Row × weights Column, of BF16 numbers.
template <int Row, int Column>
inline void add_bf16_products() noexcept {
    if constexpr (Row == 0 && Column == 0) _tile_dpbf16ps(0, 4, 6);
    if constexpr (Row == 0 && Column == 1) _tile_dpbf16ps(1, 4, 7);
    if constexpr (Row == 1 && Column == 0) _tile_dpbf16ps(2, 5, 6);
    if constexpr (Row == 1 && Column == 1) _tile_dpbf16ps(3, 5, 7);
}

/// Rows of weights that a thread takes at a time.
inline constexpr Index rows_per_task = Blocking::max_mc;

/// A tile in memory: 16 rows of a cache line.
inline constexpr Index tile_bytes = 1024;

/// The shape of the tiles in the processor's own format: rows of tokens have `columns_bytes` bytes.
struct alignas(64) TileConfig {
    std::uint8_t palette = 1, start_row = 0, reserved[14]{};
    std::uint16_t row_bytes[16]{64, 64, 64, 64, 64, 64, 64, 64};
    std::uint8_t rows[16]{16, 16, 16, 16, 16, 16, 16, 16};

    constexpr explicit TileConfig(Index columns_bytes) {
        row_bytes[4] = row_bytes[5] = static_cast<std::uint16_t>(columns_bytes);
        rows[6] = rows[7] = static_cast<std::uint8_t>(columns_bytes / 4);
    }
};

/// Configures the tiles and releases them in the end: without tiles a thread's registers are faster to save.
template <Index ColumnsBytes>
class ConfiguredTiles {
  public:
    ConfiguredTiles() noexcept {
        static constexpr TileConfig config(ColumnsBytes);
        _tile_loadconfig(&config);
    }
    ~ConfiguredTiles() { _tile_release(); }
    ConfiguredTiles(const ConfiguredTiles&) = delete;
    ConfiguredTiles& operator=(const ConfiguredTiles&) = delete;
};

/// Has the compiler write to memory what tiles are loaded from: gcc's intrinsics do not say that they read memory.
inline void compiler_fence() noexcept {
    std::atomic_signal_fence(std::memory_order_seq_cst);
}

/// Calls use(first, std::integral_constant<int, Count>) for pairs of panels; the last may be single.
template <class Use>
inline void for_panel_pairs(Index panels, Use&& use) noexcept {
    Index p = 0;
    for (; p + 2 <= panels; p += 2) use(p, std::integral_constant<int, 2>{});
    if (p < panels) use(p, std::integral_constant<int, 1>{});
}

}  // namespace rwkv::inline RWKV_ABI::kernels::amx

#include <rwkv/kernels/simd/end_target.inl>

#ifndef RWKV_AMX_WITHOUT_BODIES

#include <rwkv/kernels/simd/amx_byte_gemm.inl>

#include <rwkv/kernels/simd/amx_float_gemm.inl>

#undef RWKV_TARGET
#undef RWKV_TARGET_FLAGS

namespace rwkv::inline RWKV_ABI::kernels::amx {

/// Tiles of bytes and of BF16 (AMX) for many tokens, AVX-512 with VNNI for few.
struct Description : avx512_vnni::Description {
    static constexpr std::string_view name = "amx";
    static constexpr unsigned bit = 8, features = avx512_vnni::Description::features | cpu_amx;

    template <DenseFormat Format>
    static constexpr KernelList kernels() {
        KernelList list = avx512_vnni::Description::kernels<Format>();
        list[2] = {.min_tokens = float_gemm_min_tokens<Format>,
                   .multiply_rows = float_gemm<Format>,
                   .rows_per_task = rows_per_task,
                   .in_slabs = true,
                   .pack = split_panel,
                   .packed_bits = 16 * token_pieces};
        return list;
    }
    template <QuantizedFormat Format>
    static constexpr KernelList kernels() {
        KernelList list = avx512_vnni::Description::kernels<Format>();
        list[2] = {.min_tokens = byte_gemm_min_tokens<Format>,
                   .multiply_rows = byte_gemm<Format>,
                   .rows_per_task = rows_per_task,
                   .pack = avx512_vnni::quantize_activations<Format>,
                   .packed_bits = avx512_vnni::quantized_bits};
        return list;
    }
};

}  // namespace rwkv::inline RWKV_ABI::kernels::amx

#endif

#endif
