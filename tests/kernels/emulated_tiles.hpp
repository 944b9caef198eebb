#pragma once

#if defined(__x86_64__) && defined(__GNUC__)

#include <bit>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <cstring>

#include <immintrin.h>

// The instructions of AMX in plain C++, in place of the compiler's intrinsics: so that the kernels for tiles are tested
// on processors that have AVX-512 with VNNI but no tiles. Include it before the kernels, in every file of the program.

namespace rwkv::test::tiles {

struct Config {
    std::uint8_t palette, start_row, reserved[14];
    std::uint16_t row_bytes[16];
    std::uint8_t rows[16];
};

struct Tile {
    std::byte row[16][64];
};

inline thread_local Config config{};
inline thread_local Tile tile[8];

inline void load_config(const void* from) noexcept {
    std::memcpy(&config, from, sizeof config);
    for (Tile& one : tile) one = {};
}
inline void release() noexcept {
    config = {};
}
inline void load(int to, const void* from, std::ptrdiff_t stride) noexcept {
    tile[to] = {};
    for (int r = 0; r < config.rows[to]; ++r)
        std::memcpy(tile[to].row[r], static_cast<const std::byte*>(from) + r * stride, config.row_bytes[to]);
}
inline void store(int from, void* to, std::ptrdiff_t stride) noexcept {
    for (int r = 0; r < config.rows[from]; ++r)
        std::memcpy(static_cast<std::byte*>(to) + r * stride, tile[from].row[r], config.row_bytes[from]);
}
inline void zero(int to) noexcept {
    tile[to] = {};
}

template <class T>
T element(int of, int row, int col) noexcept {
    T value;
    std::memcpy(&value, tile[of].row[row] + static_cast<std::size_t>(col) * sizeof(T), sizeof(T));
    return value;
}
template <class T>
void set_element(int of, int row, int col, T value) noexcept {
    std::memcpy(tile[of].row[row] + static_cast<std::size_t>(col) * sizeof(T), &value, sizeof(T));
}

/// sum [m][n] += Σ over k and i of a [m][4 k + i] · b [k][4 n + i], of signed bytes.
inline void dot_bytes(int sum, int a, int b) noexcept {
    for (int m = 0; m < config.rows[sum]; ++m)
        for (int n = 0; n < config.row_bytes[sum] / 4; ++n) {
            auto total = element<std::int32_t>(sum, m, n);
            for (int k = 0; k < config.row_bytes[a] / 4; ++k)
                for (int i = 0; i < 4; ++i)
                    total += element<std::int8_t>(a, m, 4 * k + i) * element<std::int8_t>(b, k, 4 * n + i);
            set_element(sum, m, n, total);
        }
}

/// A BF16 number as tiles read it: subnormal ones are 0.
inline float bf16(int of, int row, int col) noexcept {
    const auto bits = element<std::uint16_t>(of, row, col);
    return (bits & 0x7f80U) == 0 ? 0.0f : std::bit_cast<float>(static_cast<std::uint32_t>(bits) << 16U);
}

/// sum [m][n] += Σ over k and i of a [m][2 k + i] · b [k][2 n + i], of BF16 numbers: first the even columns and the odd
/// ones, each by themselves.
inline void dot_bf16(int sum, int a, int b) noexcept {
    for (int m = 0; m < config.rows[sum]; ++m)
        for (int n = 0; n < config.row_bytes[sum] / 4; ++n) {
            float parts[2] = {0, 0};
            for (int k = 0; k < config.row_bytes[a] / 4; ++k)
                for (int i = 0; i < 2; ++i) parts[i] = std::fma(bf16(a, m, 2 * k + i), bf16(b, k, 2 * n + i), parts[i]);
            set_element(sum, m, n, element<float>(sum, m, n) + (parts[0] + parts[1]));
        }
}

}  // namespace rwkv::test::tiles

#define RWKV_EMULATED_TILES
#undef _tile_loadconfig
#undef _tile_release
#undef _tile_loadd
#undef _tile_stored
#undef _tile_zero
#undef _tile_dpbssd
#undef _tile_dpbf16ps
#define _tile_loadconfig(from) rwkv::test::tiles::load_config(from)
#define _tile_release() rwkv::test::tiles::release()
#define _tile_loadd(to, from, stride) rwkv::test::tiles::load(to, from, stride)
#define _tile_stored(from, to, stride) rwkv::test::tiles::store(from, to, stride)
#define _tile_zero(to) rwkv::test::tiles::zero(to)
#define _tile_dpbssd(sum, a, b) rwkv::test::tiles::dot_bytes(sum, a, b)
#define _tile_dpbf16ps(sum, a, b) rwkv::test::tiles::dot_bf16(sum, a, b)

#endif
