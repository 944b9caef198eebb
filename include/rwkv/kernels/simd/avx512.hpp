#pragma once

#include <rwkv/kernels/simd/avx2.hpp>

#ifdef RWKV_X86_KERNELS

#define RWKV_TARGET avx512
#define RWKV_TARGET_FLAGS "avx2,fma,f16c,avx512f,avx512bw,avx512dq,avx512vl"
#include <rwkv/kernels/simd/begin_target.inl>

namespace rwkv::inline RWKV_ABI::kernels::avx512 {

/// Vectors of sixteen floats.
struct Simd {
    using V = __m512;
    using Scalar = float;
    static constexpr int lanes = 16;
    static constexpr int mr_groups = 3, nr = 8;  // 24 sums, 3 of weights, 1 of a token: 28 of 32 registers
    static constexpr int gemv_tokens = 8;        // 8 sums
    // A mask of all lanes: gcc 12 warns of the undefined operand in the intrinsics without one.
    static constexpr __mmask16 all = 0xffff;

    static V zero() noexcept { return _mm512_setzero_ps(); }
    static V load(const float* from) noexcept { return _mm512_loadu_ps(from); }
    static V load(const core::Float16* from) noexcept {
        return _mm512_maskz_cvtph_ps(all, _mm256_loadu_si256(reinterpret_cast<const __m256i*>(from)));
    }
    static V load(const core::BFloat16* from) noexcept {
        const __m256i halves = _mm256_loadu_si256(reinterpret_cast<const __m256i*>(from));
        return _mm512_castsi512_ps(_mm512_maskz_slli_epi32(all, _mm512_maskz_cvtepu16_epi32(all, halves), 16));
    }
    static V set(const float* from) noexcept { return _mm512_set1_ps(*from); }
    static V set(float value) noexcept { return _mm512_set1_ps(value); }
    static void store(float* to, V v) noexcept { _mm512_storeu_ps(to, v); }
    static V add(V a, V b) noexcept { return _mm512_add_ps(a, b); }
    static V mul(V a, V b) noexcept { return _mm512_mul_ps(a, b); }
    static V mul_add(V a, V b, V sum) noexcept { return _mm512_fmadd_ps(a, b, sum); }
    /// b where one of them is NaN; likewise min.
    static V maximum(V a, V b) noexcept { return _mm512_maskz_max_ps(all, a, b); }
    static V minimum(V a, V b) noexcept { return _mm512_maskz_min_ps(all, a, b); }
    static V round(V a) noexcept { return _mm512_maskz_roundscale_ps(all, a, 0); }
    /// value where x > limit, 0 elsewhere.
    static V if_greater_then_else_zero(V x, V limit, V value) noexcept {
        return _mm512_maskz_mov_ps(_mm512_cmp_ps_mask(x, limit, _CMP_GT_OQ), value);
    }
    /// value where x < 0, otherwise elsewhere.
    static V if_negative_then_else(V x, V value, V otherwise) noexcept {
        return _mm512_mask_mov_ps(otherwise, _mm512_cmp_ps_mask(x, zero(), _CMP_LT_OQ), value);
    }
    /// a · 2^n for integers n, with gradual underflow.
    static V ldexp(V a, V n) noexcept { return _mm512_maskz_scalef_ps(all, a, n); }
    static float reduce_sum(V v) noexcept { return avx2::Simd::reduce_sum(_mm256_add_ps(half(v, 0), half(v, 1))); }
    /// A bit for each lane that is not 0.
    static unsigned nonzero_lanes(V v) noexcept { return _mm512_cmp_ps_mask(v, zero(), _CMP_NEQ_UQ); }
    static void prefetch_l1(const void* at) noexcept { avx2::Simd::prefetch_l1(at); }
    static void prefetch_l2(const void* at) noexcept { avx2::Simd::prefetch_l2(at); }
    static void transpose_8x8(const float* from, Index from_stride, float* to, Index to_stride) noexcept {
        avx2::Simd::transpose_8x8(from, from_stride, to, to_stride);
    }

  private:
    static __m256 half(V v, int i) noexcept {
        return i == 0 ? _mm512_maskz_extractf32x8_ps(0xff, v, 0) : _mm512_maskz_extractf32x8_ps(0xff, v, 1);
    }
};

/// Without dot products of bytes quantized weights are multiplied as AVX2 does.
using avx2::IntDot;

}  // namespace rwkv::inline RWKV_ABI::kernels::avx512

#include <rwkv/kernels/simd/end_target.inl>

#include <rwkv/kernels/simd/bodies.inl>

#undef RWKV_TARGET
#undef RWKV_TARGET_FLAGS

namespace rwkv::inline RWKV_ABI::kernels::avx512 {

/// AVX-512 F, BW, DQ and VL.
struct Description : Bodies {
    static constexpr std::string_view name = "avx512";
    static constexpr unsigned bit = 2, features = avx2::Description::features | cpu_avx512;

    template <DenseFormat Format>
    static constexpr KernelList kernels() {
        return Bodies::kernels<Format>();
    }
    template <QuantizedFormat Format>
    static constexpr KernelList kernels() {
        return avx2::Description::kernels<Format>();
    }
};

}  // namespace rwkv::inline RWKV_ABI::kernels::avx512

#endif
