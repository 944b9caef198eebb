#pragma once

#include <rwkv/kernels/simd/avx2.hpp>

#ifdef RWKV_X86_KERNELS

#define RWKV_TARGET avx_vnni
#ifdef RWKV_EMULATED_AVX_VNNI
#define RWKV_TARGET_FLAGS "avx2,fma,f16c"
#else
#define RWKV_TARGET_FLAGS "avx2,fma,f16c,avxvnni"
#endif
#include <rwkv/kernels/simd/begin_target.inl>

namespace rwkv::inline RWKV_ABI::kernels::avx_vnni {

using avx2::for_token_runs;
using avx2::read_ahead;
using avx2::Simd;
using avx2::vectors_per_group;
using V = Simd::V;

/// Dot products of a column step, sixteen rows by four columns of 8-bit values, with four 8-bit activations of a token.
struct IntDot : avx2::IntDot {
    using Value = std::int8_t;             ///< a quantized activation
    static constexpr int gemm_tokens = 6;  ///< that there are registers for

    using Prepared = Quantized;

    static Prepared prepare(const Quantized& bytes) noexcept { return bytes; }
    static constexpr bool multiplies_stored_bytes = true, has_matrix_products = false;
    static void store(const Prepared& step, std::byte* to, Index) noexcept {
        auto* const at = reinterpret_cast<__m256i*>(to);
        _mm256_storeu_si256(at, step.v[0]);
        _mm256_storeu_si256(at + 1, step.v[1]);
    }
    static constexpr int registers = 2;  ///< of a column step
    static Prepared load_step(const std::byte* from) noexcept {
        return load(reinterpret_cast<const std::uint8_t*>(from));
    }
    static void accumulate(Sum& sum, const Prepared& step, const std::int8_t* token) noexcept {
        const __m256i four = broadcast(token);
#pragma GCC unroll 2
        for (int i = 0; i < 2; ++i) sum.v[i] = multiply_add(step.v[i], four, sum.v[i]);
    }
    /// For eight rows: weights · activations + sum.
    static __m256i multiply_add(__m256i weights, __m256i activations, __m256i sum) noexcept {
        return _mm256_dpbusd_avx_epi32(sum, weights, activations);
    }
    /// Writes n activations · factor, rounded, and returns their sum; n is a multiple of 16.
    static std::int32_t quantize(const float* x, Index count, float factor, std::int8_t* token) noexcept {
        const __m256 scale = _mm256_set1_ps(factor);
        __m256i eight = _mm256_setzero_si256();
        for (Index i = 0; i < count; i += 16) {
            const __m256i a = _mm256_cvtps_epi32(_mm256_mul_ps(_mm256_loadu_ps(x + i), scale)),
                          b = _mm256_cvtps_epi32(_mm256_mul_ps(_mm256_loadu_ps(x + i + 8), scale));
            _mm_storeu_si128(reinterpret_cast<__m128i*>(token + i), to_bytes(a, b));
            eight = _mm256_add_epi32(eight, _mm256_add_epi32(a, b));
        }
        return reduce_sum(eight);
    }
    /// A bit for each of 32 or 64 activations that is not 0.
    static std::uint64_t find_nonzero(const std::int8_t* token, Index count) noexcept {
        std::uint64_t found = 0;
        for (Index i = 0; i < count; i += 32) {
            const __m256i bytes = _mm256_loadu_si256(reinterpret_cast<const __m256i*>(token + i));
            const __m256i zeros = _mm256_cmpeq_epi8(bytes, _mm256_setzero_si256());
            found |= std::uint64_t(~static_cast<std::uint32_t>(_mm256_movemask_epi8(zeros))) << i;
        }
        return found;
    }
    /// The column whose activation lies at a place of a token.
    static constexpr Index column_at(Index place) noexcept {
        return place;
    }
    /// The bytes of 64 rows of four columns as column steps of four row groups (column_place in format.hpp).
    static void interleave(const std::uint8_t* c0, const std::uint8_t* c1, const std::uint8_t* c2,
                           const std::uint8_t* c3, Quantized (&steps)[4]) noexcept {
        avx2::IntDot::interleave(c0, c2, c1, c3, steps);  // which takes them in another order
    }
};

}  // namespace rwkv::inline RWKV_ABI::kernels::avx_vnni

#include <rwkv/kernels/simd/end_target.inl>

#ifndef RWKV_AVX_VNNI_WITHOUT_BODIES

#include <rwkv/kernels/simd/quantized_gemv.inl>

#include <rwkv/kernels/simd/column_gemv.inl>

#include <rwkv/kernels/simd/integer_gemm.inl>

#include <rwkv/kernels/simd/integer_kernels.inl>

#undef RWKV_TARGET
#undef RWKV_TARGET_FLAGS

namespace rwkv::inline RWKV_ABI::kernels::avx_vnni {

/// AVX2 with dot products of bytes, as processors have them that have no AVX-512.
struct Description : avx2::Description {
    static constexpr std::string_view name = "avx_vnni";
    static constexpr unsigned bit = 32, features = avx2::Description::features | cpu_avx_vnni;

    template <DenseFormat Format>
    static constexpr KernelList kernels() {
        return avx2::Description::kernels<Format>();
    }
    template <QuantizedFormat Format>
    static constexpr KernelList kernels() {
        return integer_kernels<Format>(integer_gemm<Format>);
    }
};

}  // namespace rwkv::inline RWKV_ABI::kernels::avx_vnni

#endif

#endif
