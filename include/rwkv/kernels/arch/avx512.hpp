#pragma once

#include <rwkv/kernels/arch/avx2.hpp>

#ifdef RWKV_X86_KERNELS

#if defined(__clang__)
#pragma clang attribute push(__attribute__((target("avx2,fma,f16c,avx512f,avx512bw,avx512dq,avx512vl"))), \
                             apply_to = function)
#else
#pragma GCC push_options
#pragma GCC target("avx2,fma,f16c,avx512f,avx512bw,avx512dq,avx512vl")
#endif

namespace rwkv::kernels::avx512 {

/// Sixteen floats, and what the kernels do with them.
struct Simd {
    using V = __m512;
    static constexpr int width = 16;
    static constexpr int tile_rows = 8, tile_panels = 3;  // 24 sums, 3 loads, 1 broadcast: 28 of 32 registers
    // Masks that mask nothing: gcc 12 warns of the undefined operand in the forms without one.
    static constexpr __mmask16 all = 0xffff;

    static V zero() noexcept { return _mm512_setzero_ps(); }
    static V load(const float* from) noexcept { return _mm512_loadu_ps(from); }
    static V load(const Eigen::half* from) noexcept {
        return _mm512_maskz_cvtph_ps(all, _mm256_loadu_si256(reinterpret_cast<const __m256i*>(from)));
    }
    static V load(const Eigen::bfloat16* from) noexcept {
        const __m256i halves = _mm256_loadu_si256(reinterpret_cast<const __m256i*>(from));
        return _mm512_castsi512_ps(_mm512_maskz_slli_epi32(all, _mm512_maskz_cvtepu16_epi32(all, halves), 16));
    }
    static V broadcast(const float* from) noexcept { return _mm512_set1_ps(*from); }
    static void store(float* to, V v) noexcept { _mm512_storeu_ps(to, v); }
    static V add(V a, V b) noexcept { return _mm512_add_ps(a, b); }
    static V multiply_add(V a, V b, V sum) noexcept { return _mm512_fmadd_ps(a, b, sum); }
    static float sum(V v) noexcept {
        return avx2::Simd::sum(
            _mm256_add_ps(_mm512_maskz_extractf32x8_ps(0xff, v, 0), _mm512_maskz_extractf32x8_ps(0xff, v, 1)));
    }
    template <class T>
    static void prefetch(const T* at) noexcept {
        avx2::Simd::prefetch(at);
    }
    static void transpose_8x8(const float* from, Index from_stride, float* to, Index to_stride) noexcept {
        avx2::Simd::transpose_8x8(from, from_stride, to, to_stride);
    }
};

#include <rwkv/kernels/arch/generic.inl>

}  // namespace rwkv::kernels::avx512

#if defined(__clang__)
#pragma clang attribute pop
#else
#pragma GCC pop_options
#endif

#endif
