#pragma once

#include <rwkv/kernels/arch/avx512.hpp>
#include <rwkv/version.hpp>

#ifdef RWKV_X86_KERNELS

#include <rwkv/kernels/arch/avx512_vnni_begin.inl>

namespace rwkv::inline RWKV_ABI::kernels::avx512_vnni {

using avx512::over_some;
using avx512::parts;
using avx512::read_ahead;
using avx512::Simd;
using V = Simd::V;

/// A step of a group, sixteen rows by four columns, and its product with a token in bytes.
struct Codes {
    using Value = std::int8_t;     ///< what tokens are brought to
    static constexpr int few = 8;  ///< tokens that there are registers for

    using Bytes = __m512i;
    using Step = __m512i;
    using Sum = __m512i;

    static Sum begin(std::int32_t bias) noexcept { return _mm512_set1_epi32(bias); }
    static Bytes load(const std::uint8_t* codes) noexcept { return _mm512_loadu_si512(codes); }
    static Bytes low(Bytes pairs) noexcept { return look_up(pairs); }
    static Bytes high(Bytes pairs) noexcept { return look_up(_mm512_maskz_srli_epi16(all_halves, pairs, 4)); }
    static Step prepare(Bytes bytes) noexcept { return bytes; }
    static void add(Sum& sum, Step step, const std::int8_t* token) noexcept {
        sum = _mm512_dpbusd_epi32(sum, step, four(token));
    }
    static __m512 total(Sum sum, int = 0) noexcept { return _mm512_maskz_cvtepi32_ps(Simd::all, sum); }
    /// Writes 16 · n numbers · factor, rounded, and returns their sum.
    static std::int32_t write(const float* x, Index count, float factor, std::int8_t* token) noexcept {
        __m512i sums = _mm512_setzero_si512();
        for (Index i = 0; i < count; i += 16) {
            const __m512i whole =
                _mm512_maskz_cvtps_epi32(Simd::all, _mm512_mul_ps(_mm512_loadu_ps(x + i), _mm512_set1_ps(factor)));
            _mm_storeu_si128(reinterpret_cast<__m128i*>(token + i), _mm512_maskz_cvtsepi32_epi8(Simd::all, whole));
            sums = _mm512_add_epi32(sums, whole);
        }
        return avx2::Codes::sum(_mm256_add_epi32(_mm512_maskz_extracti32x8_epi32(0xff, sums, 0),
                                                 _mm512_maskz_extracti32x8_epi32(0xff, sums, 1)));
    }
    static float largest_magnitude(const float* x, Index count) noexcept {
        return avx2::Codes::largest_magnitude(x, count);
    }
    static __m512i four(const std::int8_t* token) noexcept {
        std::int32_t bits;
        std::memcpy(&bits, token, sizeof bits);
        return _mm512_set1_epi32(bits);
    }

  private:
    static constexpr __mmask32 all_halves = 0xffffffff;
    static constexpr __mmask64 all_bytes = 0xffffffffffffffff;

    static __m512i look_up(__m512i nibbles) noexcept {
        const __m512i table = _mm512_maskz_broadcast_i32x4(
            Simd::all, _mm_loadu_si128(reinterpret_cast<const __m128i*>(Q4::shifted_table.data())));
        return _mm512_maskz_shuffle_epi8(all_bytes, table, _mm512_and_si512(nibbles, _mm512_set1_epi8(15)));
    }
};

#include <rwkv/kernels/arch/quantized.inl>

#include <rwkv/kernels/arch/quantized_many.inl>

}  // namespace rwkv::inline RWKV_ABI::kernels::avx512_vnni

#include <rwkv/kernels/arch/end.inl>

#endif
