#pragma once

#include <rwkv/kernels/isa.hpp>

#ifdef RWKV_X86_KERNELS

#include <algorithm>
#include <cstring>
#include <type_traits>

#include <immintrin.h>
#include <Eigen/Core>

#include <rwkv/kernels/tiling.hpp>

#if defined(__clang__)
#pragma clang attribute push(__attribute__((target("avx2,fma,f16c"))), apply_to = function)
#else
#pragma GCC push_options
#pragma GCC target("avx2,fma,f16c")
#endif

namespace rwkv::kernels::avx2 {

/// Eight floats, and what the kernels do with them.
struct Simd {
    using V = __m256;
    static constexpr int width = 8;
    static constexpr int tile_rows = 6, tile_panels = 1;  // 12 sums, 2 loads, 1 broadcast: 15 of 16 registers

    static V zero() noexcept { return _mm256_setzero_ps(); }
    static V load(const float* from) noexcept { return _mm256_loadu_ps(from); }
    static V load(const Eigen::half* from) noexcept {
        return _mm256_cvtph_ps(_mm_loadu_si128(reinterpret_cast<const __m128i*>(from)));
    }
    static V load(const Eigen::bfloat16* from) noexcept {
        const __m128i halves = _mm_loadu_si128(reinterpret_cast<const __m128i*>(from));
        return _mm256_castsi256_ps(_mm256_slli_epi32(_mm256_cvtepu16_epi32(halves), 16));
    }
    static V broadcast(const float* from) noexcept { return _mm256_broadcast_ss(from); }
    static void store(float* to, V v) noexcept { _mm256_storeu_ps(to, v); }
    static V add(V a, V b) noexcept { return _mm256_add_ps(a, b); }
    static V multiply_add(V a, V b, V sum) noexcept { return _mm256_fmadd_ps(a, b, sum); }
    static float sum(V v) noexcept {
        const __m128 four = _mm_add_ps(_mm256_castps256_ps128(v), _mm256_extractf128_ps(v, 1));
        const __m128 two = _mm_add_ps(four, _mm_movehl_ps(four, four));
        return _mm_cvtss_f32(_mm_add_ss(two, _mm_movehdup_ps(two)));
    }
    template <class T>
    static void prefetch(const T* at) noexcept {
        _mm_prefetch(reinterpret_cast<const char*>(at) + 2048, _MM_HINT_T0);
    }
    static void transpose_8x8(const float* from, Index from_stride, float* to, Index to_stride) noexcept {
        V r[8], s[8];
        for (int i = 0; i < 8; ++i) r[i] = load(from + i * from_stride);
        for (int i = 0; i < 8; i += 2) {
            s[i] = _mm256_unpacklo_ps(r[i], r[i + 1]);
            s[i + 1] = _mm256_unpackhi_ps(r[i], r[i + 1]);
        }
        for (int i = 0; i < 8; i += 4) {
            r[i] = _mm256_shuffle_ps(s[i], s[i + 2], 0x44);
            r[i + 1] = _mm256_shuffle_ps(s[i], s[i + 2], 0xee);
            r[i + 2] = _mm256_shuffle_ps(s[i + 1], s[i + 3], 0x44);
            r[i + 3] = _mm256_shuffle_ps(s[i + 1], s[i + 3], 0xee);
        }
        for (int i = 0; i < 4; ++i) {
            store(to + i * to_stride, _mm256_permute2f128_ps(r[i], r[i + 4], 0x20));
            store(to + (i + 4) * to_stride, _mm256_permute2f128_ps(r[i], r[i + 4], 0x31));
        }
    }
};

#include <rwkv/kernels/arch/generic.inl>

}  // namespace rwkv::kernels::avx2

#if defined(__clang__)
#pragma clang attribute pop
#else
#pragma GCC pop_options
#endif

#endif
