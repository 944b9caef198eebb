#pragma once

#include <rwkv/kernels/simd/avx512.hpp>

#ifdef RWKV_X86_KERNELS

#define RWKV_TARGET avx512_vnni
#define RWKV_TARGET_FLAGS "avx2,fma,f16c,avx512f,avx512bw,avx512dq,avx512vl,avx512vnni"
#include <rwkv/kernels/simd/begin_target.inl>

namespace rwkv::inline RWKV_ABI::kernels::avx512_vnni {

using avx512::for_token_runs;
using avx512::Prefetcher;
using avx512::read_ahead;
using avx512::Simd;
using avx512::vectors_per_group;
using V = Simd::V;

/// Dot products of a column step, sixteen rows by four columns of 8-bit values, with four 8-bit activations of a token.
struct IntDot {
    using Value = std::int8_t;  ///< a quantized activation
    static constexpr float max_value = 127;
    static constexpr int max_tokens = 8;  ///< that there are registers for

    using Quantized = __m512i;
    using Prepared = __m512i;
    using Sum = __m512i;

    static Sum start(std::int32_t bias) noexcept { return _mm512_set1_epi32(bias); }
    static Quantized load(const std::uint8_t* bytes) noexcept { return _mm512_loadu_si512(bytes); }
    static Quantized lower_nibbles(Quantized pairs) noexcept { return look_up(pairs); }
    static Quantized upper_nibbles(Quantized pairs) noexcept {
        return look_up(_mm512_maskz_srli_epi16(all_halves, pairs, 4));
    }
    static Prepared prepare(Quantized bytes) noexcept { return bytes; }
    static void accumulate(Sum& sum, Prepared step, const std::int8_t* token) noexcept {
        sum = _mm512_dpbusd_epi32(sum, step, broadcast_four(token));
    }
    static __m512 to_float(Sum sum, int = 0) noexcept { return _mm512_maskz_cvtepi32_ps(Simd::all, sum); }
    /// Writes n activations · factor, rounded, and returns their sum; n is a multiple of 16.
    static std::int32_t quantize(const float* x, Index count, float factor, std::int8_t* token) noexcept {
        __m512i sums = _mm512_setzero_si512();
        for (Index i = 0; i < count; i += 16) {
            const __m512i whole =
                _mm512_maskz_cvtps_epi32(Simd::all, _mm512_mul_ps(_mm512_loadu_ps(x + i), _mm512_set1_ps(factor)));
            _mm_storeu_si128(reinterpret_cast<__m128i*>(token + i), _mm512_maskz_cvtsepi32_epi8(Simd::all, whole));
            sums = _mm512_add_epi32(sums, whole);
        }
        return avx2::IntDot::reduce_sum(_mm256_add_epi32(_mm512_maskz_extracti32x8_epi32(0xff, sums, 0),
                                                         _mm512_maskz_extracti32x8_epi32(0xff, sums, 1)));
    }
    static constexpr int column_tokens = 4;  ///< of a product with column-major weights
    static constexpr int column_groups = 8;  ///< row groups that such a product may take together
    /// A bit for each of 32 or 64 activations that is not 0.
    static std::uint64_t find_nonzero(const std::int8_t* token, Index count) noexcept {
        const __mmask64 there = ~std::uint64_t(0) >> (64 - count);
        const __m512i values = _mm512_maskz_loadu_epi8(there, token);
        return _mm512_test_epi8_mask(values, values);
    }
    /// The column whose activation lies at a place of a token.
    static constexpr Index column_at(Index place) noexcept { return place; }
    /// The bytes of 64 rows of four columns, in the order of their activations, as column steps of four row groups
    /// (column_place in format.hpp).
    static void interleave(const std::uint8_t* c0, const std::uint8_t* c1, const std::uint8_t* c2,
                           const std::uint8_t* c3, Quantized (&steps)[4]) noexcept {
        const __m512i a = load(c0), b = load(c1), c = load(c2), d = load(c3);
        const __m512i ab = _mm512_maskz_unpacklo_epi8(all_bytes, a, b),
                      cd = _mm512_maskz_unpacklo_epi8(all_bytes, c, d),
                      ab_high = _mm512_maskz_unpackhi_epi8(all_bytes, a, b),
                      cd_high = _mm512_maskz_unpackhi_epi8(all_bytes, c, d);
        steps[0] = _mm512_maskz_unpacklo_epi16(all_halves, ab, cd);
        steps[1] = _mm512_maskz_unpackhi_epi16(all_halves, ab, cd);
        steps[2] = _mm512_maskz_unpacklo_epi16(all_halves, ab_high, cd_high);
        steps[3] = _mm512_maskz_unpackhi_epi16(all_halves, ab_high, cd_high);
    }
    static float max_magnitude(const float* x, Index count) noexcept { return avx2::IntDot::max_magnitude(x, count); }
    static __m512i broadcast_four(const std::int8_t* token) noexcept {
        std::int32_t bits;
        std::memcpy(&bits, token, sizeof bits);
        return _mm512_set1_epi32(bits);
    }

  private:
    static constexpr __mmask32 all_halves = 0xffffffff;
    static constexpr __mmask64 all_bytes = 0xffffffffffffffff;

    static __m512i look_up(__m512i nibbles) noexcept {
        const __m512i table = _mm512_maskz_broadcast_i32x4(
            Simd::all, _mm_loadu_si128(reinterpret_cast<const __m128i*>(Q4::shifted_codebook.data())));
        return _mm512_maskz_shuffle_epi8(all_bytes, table, _mm512_and_si512(nibbles, _mm512_set1_epi8(15)));
    }
};

}  // namespace rwkv::inline RWKV_ABI::kernels::avx512_vnni

#include <rwkv/kernels/simd/end_target.inl>

#ifndef RWKV_AVX512_VNNI_WITHOUT_BODIES

#include <rwkv/kernels/simd/quantized_gemv.inl>

#include <rwkv/kernels/simd/column_gemv.inl>

#include <rwkv/kernels/simd/byte_gemm.inl>

#include <rwkv/kernels/simd/integer_kernels.inl>

#undef RWKV_TARGET
#undef RWKV_TARGET_FLAGS

namespace rwkv::inline RWKV_ABI::kernels::avx512_vnni {

/// AVX-512 with dot products of bytes (VNNI): quantized weights are multiplied with activations in bytes, for any
/// number of tokens.
struct Description : avx512::Description {
    static constexpr std::string_view name = "avx512_vnni";
    static constexpr unsigned bit = 4, features = avx512::Description::features | cpu_avx512_vnni;

    template <DenseFormat Format>
    static constexpr KernelList kernels() {
        return avx512::Description::kernels<Format>();
    }
    template <QuantizedFormat Format>
    static constexpr KernelList kernels() {
        return integer_kernels<Format>(byte_gemm<Format>);
    }
};

}  // namespace rwkv::inline RWKV_ABI::kernels::avx512_vnni

#endif

#endif
