#pragma once

#include <rwkv/kernels/kernel.hpp>

#ifdef RWKV_X86_KERNELS

#include <algorithm>
#include <array>
#include <bit>
#include <cmath>
#include <cstdint>
#include <cstring>
#include <limits>
#include <new>
#include <type_traits>

#include <immintrin.h>

#define RWKV_TARGET avx2
#define RWKV_TARGET_FLAGS "avx2,fma,f16c"
#include <rwkv/kernels/simd/begin_target.inl>

namespace rwkv::inline RWKV_ABI::kernels::avx2 {

/// Vectors of eight floats.
struct Simd {
    using V = __m256;
    using Scalar = float;
    static constexpr int lanes = 8;
    static constexpr int mr_groups = 1, nr = 6;  // 12 sums, 2 of weights, 1 of a token: 15 of 16 registers
    static constexpr int gemv_tokens = 4;        // 8 sums

    static V zero() noexcept { return _mm256_setzero_ps(); }
    static V load(const float* from) noexcept { return _mm256_loadu_ps(from); }
    static V load(const core::Float16* from) noexcept {
        return _mm256_cvtph_ps(_mm_loadu_si128(reinterpret_cast<const __m128i*>(from)));
    }
    static V load(const core::BFloat16* from) noexcept {
        const __m128i halves = _mm_loadu_si128(reinterpret_cast<const __m128i*>(from));
        return _mm256_castsi256_ps(_mm256_slli_epi32(_mm256_cvtepu16_epi32(halves), 16));
    }
    static V set(const float* from) noexcept { return _mm256_broadcast_ss(from); }
    static V set(float value) noexcept { return _mm256_set1_ps(value); }
    static void store(float* to, V v) noexcept { _mm256_storeu_ps(to, v); }
    static V add(V a, V b) noexcept { return _mm256_add_ps(a, b); }
    static V mul(V a, V b) noexcept { return _mm256_mul_ps(a, b); }
    static V mul_add(V a, V b, V sum) noexcept { return _mm256_fmadd_ps(a, b, sum); }
    /// b where one of them is NaN; likewise min.
    static V maximum(V a, V b) noexcept { return _mm256_max_ps(a, b); }
    static V minimum(V a, V b) noexcept { return _mm256_min_ps(a, b); }
    static V round(V a) noexcept { return _mm256_round_ps(a, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC); }
    /// value where x > limit, 0 elsewhere.
    static V if_greater_then_else_zero(V x, V limit, V value) noexcept {
        return _mm256_and_ps(_mm256_cmp_ps(x, limit, _CMP_GT_OQ), value);
    }
    /// value where x < 0, otherwise elsewhere.
    static V if_negative_then_else(V x, V value, V otherwise) noexcept {
        return _mm256_blendv_ps(otherwise, value, _mm256_cmp_ps(x, zero(), _CMP_LT_OQ));
    }
    /// a · 2^n for integers n from −252 to 254, with gradual underflow.
    static V ldexp(V a, V n) noexcept {
        const __m256i exponent = _mm256_cvtps_epi32(n), half = _mm256_srai_epi32(exponent, 1);
        return a * power_of_two(half) * power_of_two(_mm256_sub_epi32(exponent, half));
    }
    static float reduce_sum(V v) noexcept {
        const __m128 four = _mm_add_ps(_mm256_castps256_ps128(v), _mm256_extractf128_ps(v, 1));
        const __m128 two = _mm_add_ps(four, _mm_movehl_ps(four, four));
        return _mm_cvtss_f32(_mm_add_ss(two, _mm_movehdup_ps(two)));
    }
    /// A bit for each lane that is not 0.
    static unsigned nonzero_lanes(V v) noexcept {
        return static_cast<unsigned>(_mm256_movemask_ps(_mm256_cmp_ps(v, zero(), _CMP_NEQ_UQ)));
    }
    static void prefetch_l1(const void* at) noexcept { _mm_prefetch(static_cast<const char*>(at), _MM_HINT_T0); }
    static void prefetch_l2(const void* at) noexcept { _mm_prefetch(static_cast<const char*>(at), _MM_HINT_T1); }
    static void transpose_8x8(const float* from, Index from_stride, float* to, Index to_stride) noexcept {
        V r[8], s[8];
#pragma GCC unroll 8
        for (int i = 0; i < 8; ++i) r[i] = load(from + i * from_stride);
#pragma GCC unroll 8
        for (int i = 0; i < 8; i += 2) {
            s[i] = _mm256_unpacklo_ps(r[i], r[i + 1]);
            s[i + 1] = _mm256_unpackhi_ps(r[i], r[i + 1]);
        }
#pragma GCC unroll 8
        for (int i = 0; i < 8; i += 4) {
            r[i] = _mm256_shuffle_ps(s[i], s[i + 2], 0x44);
            r[i + 1] = _mm256_shuffle_ps(s[i], s[i + 2], 0xee);
            r[i + 2] = _mm256_shuffle_ps(s[i + 1], s[i + 3], 0x44);
            r[i + 3] = _mm256_shuffle_ps(s[i + 1], s[i + 3], 0xee);
        }
#pragma GCC unroll 8
        for (int i = 0; i < 4; ++i) {
            store(to + i * to_stride, _mm256_permute2f128_ps(r[i], r[i + 4], 0x20));
            store(to + (i + 4) * to_stride, _mm256_permute2f128_ps(r[i], r[i + 4], 0x31));
        }
    }

  private:
    static V power_of_two(__m256i n) noexcept {
        return _mm256_castsi256_ps(_mm256_slli_epi32(_mm256_add_epi32(n, _mm256_set1_epi32(127)), 23));
    }
};

/// Dot products of a column step, sixteen rows by four columns of 8-bit values, with four 8-bit activations of a token,
/// all widened to 16 bits. The activations lie in the order 0 2 1 3: bytes 0 and 2 of each row make one register of
/// 16-bit values, 1 and 3 the other.
struct IntDot {
    using Value = std::int16_t;  ///< a quantized activation
    /// The largest; as with dot products of bytes, so that the results are the same.
    static constexpr float max_value = 127;
    static constexpr int max_tokens = 4;  ///< that there are registers for

    /// A column step, a byte a value.
    struct Quantized {
        __m256i v[2];
    };
    /// A column step as `accumulate` wants it: columns 0 and 2, then 1 and 3, as pairs of 16-bit values of eight rows.
    struct Prepared {
        __m256i v[2][2];
    };
    struct Sum {
        __m256i v[2];
    };

    static Sum start(std::int32_t bias) noexcept { return {{_mm256_set1_epi32(bias), _mm256_set1_epi32(bias)}}; }
    static Quantized load(const std::uint8_t* bytes) noexcept {
        const auto* const at = reinterpret_cast<const __m256i*>(bytes);
        return {{_mm256_loadu_si256(at), _mm256_loadu_si256(at + 1)}};
    }
    static Quantized lower_nibbles(const Quantized& pairs) noexcept {
        Quantized step;
#pragma GCC unroll 2
        for (int i = 0; i < 2; ++i) step.v[i] = look_up(pairs.v[i]);
        return step;
    }
    static Quantized upper_nibbles(const Quantized& pairs) noexcept {
        Quantized step;
#pragma GCC unroll 2
        for (int i = 0; i < 2; ++i) step.v[i] = look_up(_mm256_srli_epi16(pairs.v[i], 4));
        return step;
    }
    static Prepared prepare(const Quantized& bytes) noexcept {
        Prepared step;
#pragma GCC unroll 2
        for (int i = 0; i < 2; ++i) {
            step.v[0][i] = _mm256_and_si256(bytes.v[i], _mm256_set1_epi16(255));
            step.v[1][i] = _mm256_srli_epi16(bytes.v[i], 8);
        }
        return step;
    }
    static void accumulate(Sum& sum, const Prepared& step, const std::int16_t* token) noexcept {
        const __m256i x02 = broadcast(token), x13 = broadcast(token + 2);
#pragma GCC unroll 2
        for (int i = 0; i < 2; ++i) {
            sum.v[i] = _mm256_add_epi32(sum.v[i], _mm256_madd_epi16(step.v[0][i], x02));
            sum.v[i] = _mm256_add_epi32(sum.v[i], _mm256_madd_epi16(step.v[1][i], x13));
        }
    }
    /// The sums of eight rows.
    static __m256 to_float(const Sum& sum, int part) noexcept {
        return _mm256_cvtepi32_ps(sum.v[part]);
    }
    /// Writes n activations · factor, rounded, in the order of `accumulate`, and returns their sum; n is a multiple
    /// of 16.
    static std::int32_t quantize(const float* x, Index count, float factor, std::int16_t* token) noexcept {
        const __m256 scale = _mm256_set1_ps(factor);
        const __m256i order = _mm256_setr_epi8(0, 1, 4, 5, 2, 3, 6, 7, 8, 9, 12, 13, 10, 11, 14, 15, 0, 1, 4, 5, 2, 3,
                                               6, 7, 8, 9, 12, 13, 10, 11, 14, 15);
        __m256i eight = _mm256_setzero_si256();
        for (Index i = 0; i < count; i += 16) {
            const __m256i a = _mm256_cvtps_epi32(_mm256_mul_ps(_mm256_loadu_ps(x + i), scale)),
                          b = _mm256_cvtps_epi32(_mm256_mul_ps(_mm256_loadu_ps(x + i + 8), scale));
            const __m256i halves = _mm256_permute4x64_epi64(_mm256_packs_epi32(a, b), 0xd8);
            _mm256_storeu_si256(reinterpret_cast<__m256i*>(token + i), _mm256_shuffle_epi8(halves, order));
            eight = _mm256_add_epi32(eight, _mm256_add_epi32(a, b));
        }
        return reduce_sum(eight);
    }
    /// Sixteen small numbers as bytes.
    static __m128i to_bytes(__m256i first, __m256i last) noexcept {
        const __m256i halves = _mm256_permute4x64_epi64(_mm256_packs_epi32(first, last), 0xd8);
        return _mm_packs_epi16(_mm256_castsi256_si128(halves), _mm256_extracti128_si256(halves, 1));
    }
    static std::int32_t reduce_sum(__m256i eight) noexcept {
        const __m128i four = _mm_add_epi32(_mm256_castsi256_si128(eight), _mm256_extracti128_si256(eight, 1));
        const __m128i two = _mm_add_epi32(four, _mm_shuffle_epi32(four, 0x4e));
        return _mm_cvtsi128_si32(_mm_add_epi32(two, _mm_shuffle_epi32(two, 0xb1)));
    }
    static constexpr int column_tokens = 2;  ///< of a product with column-major weights
    static constexpr int column_groups = 4;  ///< row groups that such a product may take together
    /// A bit for each of 32 or 64 activations that is not 0.
    static std::uint64_t find_nonzero(const std::int16_t* token, Index count) noexcept {
        std::uint64_t zeros = 0;
        for (Index i = 0; i < count; i += 32) {
            const auto* const at = reinterpret_cast<const __m256i*>(token + i);
            const __m256i a = _mm256_cmpeq_epi16(_mm256_loadu_si256(at), _mm256_setzero_si256()),
                          b = _mm256_cmpeq_epi16(_mm256_loadu_si256(at + 1), _mm256_setzero_si256());
            const __m256i bytes = _mm256_permute4x64_epi64(_mm256_packs_epi16(a, b), 0xd8);
            zeros |= std::uint64_t(static_cast<std::uint32_t>(_mm256_movemask_epi8(bytes))) << i;
        }
        return ~zeros & (count == 64 ? ~std::uint64_t(0) : (std::uint64_t(1) << count) - 1);
    }
    /// The column whose activation lies at a place of a token.
    static constexpr Index column_at(Index place) noexcept {
        return place / 4 * 4 + place % 2 * 2 + place % 4 / 2;
    }
    /// The bytes of 64 rows of four columns, in the order of their activations, as column steps of four row groups
    /// (column_place in format.hpp).
    static void interleave(const std::uint8_t* c0, const std::uint8_t* c1, const std::uint8_t* c2,
                           const std::uint8_t* c3, Quantized (&steps)[4]) noexcept {
#pragma GCC unroll 2
        for (int i = 0; i < 2; ++i) {
            const auto rows = [&](const std::uint8_t* column) {
                return _mm256_loadu_si256(reinterpret_cast<const __m256i*>(column) + i);
            };
            const __m256i a = rows(c0), b = rows(c1), c = rows(c2), d = rows(c3);
            const __m256i ac = _mm256_unpacklo_epi8(a, c), bd = _mm256_unpacklo_epi8(b, d);
            const __m256i ac_high = _mm256_unpackhi_epi8(a, c), bd_high = _mm256_unpackhi_epi8(b, d);
            steps[0].v[i] = _mm256_unpacklo_epi16(ac, bd);
            steps[1].v[i] = _mm256_unpackhi_epi16(ac, bd);
            steps[2].v[i] = _mm256_unpacklo_epi16(ac_high, bd_high);
            steps[3].v[i] = _mm256_unpackhi_epi16(ac_high, bd_high);
        }
    }
    /// The largest magnitude of n activations; NaN if there is one.
    static float max_magnitude(const float* x, Index count) noexcept {
        // Compared as integers, among which NaNs are the largest.
        __m256i largest = _mm256_setzero_si256();
        for (Index i = 0; i < count; i += 8)
            largest = _mm256_max_epu32(
                largest, _mm256_and_si256(_mm256_set1_epi32(0x7fffffff), _mm256_castps_si256(_mm256_loadu_ps(x + i))));
        const __m128i four = _mm_max_epu32(_mm256_castsi256_si128(largest), _mm256_extracti128_si256(largest, 1));
        const __m128i two = _mm_max_epu32(four, _mm_shuffle_epi32(four, 0x4e));
        return _mm_cvtss_f32(_mm_castsi128_ps(_mm_max_epu32(two, _mm_shuffle_epi32(two, 0xb1))));
    }
    /// A column step as floats: out[c][r] = scales[r] · (value − 128).
    static void dequantize(const Quantized& step, const float* scales, float* out) noexcept {
#pragma GCC unroll 2
        for (int i = 0; i < 2; ++i) {
            const __m256 scale = _mm256_loadu_ps(scales + 8 * i);
#pragma GCC unroll 4
            for (int c = 0; c < 4; ++c) {
                const __m256i values = _mm256_and_si256(_mm256_srli_epi32(step.v[i], 8 * c), _mm256_set1_epi32(255));
                const __m256i whole = _mm256_sub_epi32(values, _mm256_set1_epi32(128));
                _mm256_storeu_ps(out + c * group_rows + 8 * i, _mm256_mul_ps(_mm256_cvtepi32_ps(whole), scale));
            }
        }
    }

    /// Four bytes of activations in every place of the register.
    static __m256i broadcast(const void* activations) noexcept {
        std::int32_t bits;
        std::memcpy(&bits, activations, sizeof bits);
        return _mm256_set1_epi32(bits);
    }

  private:
    static __m256i look_up(__m256i nibbles) noexcept {
        const __m256i table =
            _mm256_broadcastsi128_si256(_mm_loadu_si128(reinterpret_cast<const __m128i*>(Q4::shifted_codebook.data())));
        return _mm256_shuffle_epi8(table, _mm256_and_si256(nibbles, _mm256_set1_epi8(15)));
    }
};

}  // namespace rwkv::inline RWKV_ABI::kernels::avx2

#include <rwkv/kernels/simd/end_target.inl>

#ifndef RWKV_AVX2_WITHOUT_BODIES

#include <rwkv/kernels/simd/bodies.inl>

#include <rwkv/kernels/simd/integer_kernels.inl>

#include <rwkv/kernels/simd/pair_gemm.inl>

#include <rwkv/kernels/simd/signed_gemv.inl>

#undef RWKV_TARGET
#undef RWKV_TARGET_FLAGS

namespace rwkv::inline RWKV_ABI::kernels::avx2 {

/// AVX2, FMA and F16C.
struct Description : Bodies {
    static constexpr std::string_view name = "avx2";
    static constexpr unsigned bit = 1, features = cpu_avx2 | cpu_fma | cpu_f16c;

    template <DenseFormat Format>
    static constexpr KernelList kernels() {
        return Bodies::kernels<Format>();
    }
    template <QuantizedFormat Format>
    static constexpr KernelList kernels() {
        KernelList list = integer_kernels<Format>(pair_gemm<Format>);
        list[1].pack = list[2].pack = quantize_pairs<Format>;
        if constexpr (Format::bits == 4) {
            // Unpacking pays from fewer tokens on; a single token has a kernel of its own.
            list[2].min_tokens = 6;
            list[1] = list[0];
            list[1].min_tokens = 2;
            list[0].multiply_rows = signed_gemv<Format>;
            list[0].pack = quantize_with_signs<Format>;
        }
        return list;
    }
};

}  // namespace rwkv::inline RWKV_ABI::kernels::avx2

#endif

#endif
