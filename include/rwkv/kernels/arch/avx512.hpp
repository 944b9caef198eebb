#pragma once

#include <rwkv/kernels/arch/avx2.hpp>
#include <rwkv/version.hpp>

#ifdef RWKV_X86_KERNELS

#include <rwkv/kernels/arch/avx512_begin.inl>

namespace rwkv::inline RWKV_ABI::kernels::avx512 {

/// Sixteen floats, and what the kernels do with them.
struct Simd {
    using V = __m512;
    using Scalar = float;
    static constexpr int width = 16;
    static constexpr int tile_groups = 3, tile_tokens = 8;  // 24 sums, 3 of weights, 1 broadcast: 28 of 32 registers
    static constexpr int few = 8;                           // 8 sums
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
    static V broadcast(float value) noexcept { return _mm512_set1_ps(value); }
    static void store(float* to, V v) noexcept { _mm512_storeu_ps(to, v); }
    static V add(V a, V b) noexcept { return _mm512_add_ps(a, b); }
    static V multiply(V a, V b) noexcept { return _mm512_mul_ps(a, b); }
    static V multiply_add(V a, V b, V sum) noexcept { return _mm512_fmadd_ps(a, b, sum); }
    /// Where b is NaN, so is the result; likewise min.
    static V max(V a, V b) noexcept { return _mm512_maskz_max_ps(all, a, b); }
    static V min(V a, V b) noexcept { return _mm512_maskz_min_ps(all, a, b); }
    static V nearest(V a) noexcept { return _mm512_maskz_roundscale_ps(all, a, 0); }
    /// value where x > limit, 0 elsewhere.
    static V above(V x, V limit, V value) noexcept {
        return _mm512_maskz_mov_ps(_mm512_cmp_ps_mask(x, limit, _CMP_GT_OQ), value);
    }
    /// value where x < 0, otherwise elsewhere.
    static V negative(V x, V value, V otherwise) noexcept {
        return _mm512_mask_mov_ps(otherwise, _mm512_cmp_ps_mask(x, zero(), _CMP_LT_OQ), value);
    }
    /// a · 2^n for whole n, with gradual underflow.
    static V scale(V a, V n) noexcept { return _mm512_maskz_scalef_ps(all, a, n); }
    static float sum(V v) noexcept { return avx2::Simd::sum(_mm256_add_ps(half(v, 0), half(v, 1))); }
    static void prefetch(const void* at) noexcept { avx2::Simd::prefetch(at); }
    static void prefetch_far(const void* at) noexcept { avx2::Simd::prefetch_far(at); }
    static void transpose_8x8(const float* from, Index from_stride, float* to, Index to_stride) noexcept {
        avx2::Simd::transpose_8x8(from, from_stride, to, to_stride);
    }

  private:
    static __m256 half(V v, int i) noexcept {
        return i == 0 ? _mm512_maskz_extractf32x8_ps(0xff, v, 0) : _mm512_maskz_extractf32x8_ps(0xff, v, 1);
    }
};

using avx2::Codes;

using V = Simd::V;

#include <rwkv/kernels/arch/exponential.inl>

#include <rwkv/kernels/arch/blocks.inl>

#include <rwkv/kernels/arch/dense.inl>

#include <rwkv/kernels/arch/quantized_widen.inl>

#include <rwkv/kernels/arch/many.inl>

#include <rwkv/kernels/arch/fit.inl>

}  // namespace rwkv::inline RWKV_ABI::kernels::avx512

#include <rwkv/kernels/arch/end.inl>

#endif
