#pragma once

#include <rwkv/kernels/arch/avx512_vnni.hpp>
#include <rwkv/version.hpp>

#ifdef RWKV_X86_KERNELS

#include <atomic>

#include <rwkv/kernels/arch/amx_begin.inl>

namespace rwkv::inline RWKV_ABI::kernels::amx {

using avx512::after;
using avx512::Ahead;
using avx512::over_some;
using avx512::Simd;
using avx512_vnni::Codes;
using avx512_vnni::unpack;
using avx512_vnni::widen_scales;
using V = Simd::V;

// Products with many tokens on tiles, registers of 16 rows of 64 bytes:
//
//   sums [16 tokens][16 rows of weights]  +=  tokens [16][columns]  ×  weights [columns / n][16 rows][n]
//
// where n columns make four bytes. Tiles 0 to 3 are the sums of two panels of tokens by two groups of weights, 4 and 5
// the tokens', 6 and 7 the weights'. Their numbers are part of the instructions, so they are written out.

/// Rows of weights that a thread takes at a time.
inline constexpr Index turn_rows = most_rows;

/// A tile in memory: 16 rows of a cache line.
inline constexpr Index tile_bytes = 1024;

/// The shape of the tiles, as the processor wants it told: tokens of so many bytes, so many rows of weights.
struct alignas(64) TileShape {
    std::uint8_t palette = 1, start_row = 0, reserved[14]{};
    std::uint16_t row_bytes[16]{64, 64, 64, 64, 64, 64, 64, 64};
    std::uint8_t rows[16]{16, 16, 16, 16, 16, 16, 16, 16};

    constexpr explicit TileShape(Index columns_bytes) {
        row_bytes[4] = row_bytes[5] = static_cast<std::uint16_t>(columns_bytes);
        rows[6] = rows[7] = static_cast<std::uint8_t>(columns_bytes / 4);
    }
};

/// Tiles of that shape, as long as it lives; without, a thread's registers are smaller to save and to restore.
template <Index ColumnsBytes>
class Tiles {
  public:
    Tiles() noexcept {
        static constexpr TileShape shape(ColumnsBytes);
        _tile_loadconfig(&shape);
    }
    ~Tiles() { _tile_release(); }
    Tiles(const Tiles&) = delete;
    Tiles& operator=(const Tiles&) = delete;
};

/// What was written before is in memory for tiles to be loaded from: gcc's intrinsics do not say that they read any.
inline void written() noexcept {
    std::atomic_signal_fence(std::memory_order_seq_cst);
}

/// Calls use(first, std::integral_constant<int, Count>) for so many panels by twos, the last perhaps alone.
template <class Use>
inline void by_twos(Index panels, Use&& use) noexcept {
    Index p = 0;
    for (; p + 2 <= panels; p += 2) use(p, std::integral_constant<int, 2>{});
    if (p < panels) use(p, std::integral_constant<int, 1>{});
}

#include <rwkv/kernels/arch/amx_bytes.inl>

#include <rwkv/kernels/arch/amx_dense.inl>

}  // namespace rwkv::inline RWKV_ABI::kernels::amx

#include <rwkv/kernels/arch/end.inl>

#endif
