#pragma once

#include <rwkv/kernels/simd/neon.hpp>

#ifdef RWKV_NEON_KERNELS

#define RWKV_TARGET neon_dotprod
#ifdef __clang__
#define RWKV_TARGET_FLAGS "dotprod"
#elif !defined(__ARM_FEATURE_DOTPROD)  // else the whole file has it, perhaps of a later architecture
#define RWKV_TARGET_FLAGS "arch=armv8.2-a+dotprod"
#endif
#include <rwkv/kernels/simd/begin_target.inl>

namespace rwkv::inline RWKV_ABI::kernels::neon_dotprod {

using neon::for_token_runs;
using neon::read_ahead;
using neon::Simd;
using neon::vectors_per_group;
using V = Simd::V;

/// Dot products of a column step, sixteen rows by four columns of 8-bit values, with four 8-bit activations of a token:
/// a register of sums for each four rows.
struct IntDot {
    using Value = std::int8_t;  ///< a quantized activation
    /// The largest; as on x86-64, so that the results are the same.
    static constexpr float max_value = 127;
    static constexpr int max_tokens = 4, gemm_tokens = 4;  ///< that there are registers for

    using Quantized = neon::IntDot::Quantized;
    /// A column step as `accumulate` wants it: signed.
    struct Prepared {
        int8x16_t v[4];
    };
    struct Sum {
        int32x4_t v[4];
    };

    /// The bias is not needed: `prepare` makes the values signed.
    static Sum start(std::int32_t) noexcept {
        Sum sum;
#pragma GCC unroll 4
        for (int32x4_t& rows : sum.v) rows = vdupq_n_s32(0);
        return sum;
    }
    static Quantized load(const std::uint8_t* bytes) noexcept {
        return neon::IntDot::load(bytes);
    }
    static Quantized lower_nibbles(const Quantized& pairs) noexcept {
        return neon::IntDot::lower_nibbles(pairs);
    }
    static Quantized upper_nibbles(const Quantized& pairs) noexcept {
        return neon::IntDot::upper_nibbles(pairs);
    }
    static Prepared prepare(const Quantized& bytes) noexcept {
        Prepared step;
#pragma GCC unroll 4
        for (int i = 0; i < 4; ++i) step.v[i] = vreinterpretq_s8_u8(veorq_u8(bytes.v[i], vdupq_n_u8(128)));
        return step;
    }
    /// Signed, where a gemm reads them again.
    static void store(const Prepared& step, std::byte* to, Index) noexcept {
#pragma GCC unroll 4
        for (int i = 0; i < 4; ++i) vst1q_s8(reinterpret_cast<std::int8_t*>(to) + 16 * i, step.v[i]);
    }
    static void accumulate(Sum& sum, const Prepared& step, const std::int8_t* token) noexcept {
        const int8x16_t x = broadcast(token);
#pragma GCC unroll 4
        for (int i = 0; i < 4; ++i) sum.v[i] = multiply_add(step.v[i], x, sum.v[i]);
    }
    static constexpr int registers = 4;  ///< of a column step
    static constexpr bool multiplies_stored_bytes = false, has_matrix_products = false;
    static Prepared load_step(const std::byte* from) noexcept {
        const auto* const at = reinterpret_cast<const std::int8_t*>(from);
        return {{vld1q_s8(at), vld1q_s8(at + 16), vld1q_s8(at + 32), vld1q_s8(at + 48)}};
    }
    /// Four activations in every place of the register.
    static int8x16_t broadcast(const std::int8_t* activations) noexcept {
        std::int32_t four;
        std::memcpy(&four, activations, sizeof four);
        return vreinterpretq_s8_s32(vdupq_n_s32(four));
    }
    /// For four rows: weights · activations + sum. Not by the intrinsic, vdotq_s32, which clang 14 has only where the
    /// whole file is compiled for this instruction set.
    static int32x4_t multiply_add(int8x16_t weights, int8x16_t activations, int32x4_t sum) noexcept {
        __asm__("sdot %0.4s, %1.16b, %2.16b" : "+w"(sum) : "w"(weights), "w"(activations));
        return sum;
    }
    /// The sums of four rows.
    static float32x4_t to_float(const Sum& sum, int part) noexcept {
        return vcvtq_f32_s32(sum.v[part]);
    }
    /// Writes n activations · factor, rounded, and returns their sum; n is a multiple of 16.
    static std::int32_t quantize(const float* x, Index count, float factor, std::int8_t* token) noexcept {
        int32x4_t sum = vdupq_n_s32(0);
        for (Index i = 0; i < count; i += 8) {
            const int32x4_t a = vcvtnq_s32_f32(vmulq_n_f32(vld1q_f32(x + i), factor)),
                            b = vcvtnq_s32_f32(vmulq_n_f32(vld1q_f32(x + i + 4), factor));
            vst1_s8(token + i, vqmovn_s16(vcombine_s16(vqmovn_s32(a), vqmovn_s32(b))));
            sum = vaddq_s32(sum, vaddq_s32(a, b));
        }
        return vaddvq_s32(sum);
    }
    static constexpr int column_tokens = 2;  ///< of a product with column-major weights
    static constexpr int column_groups = 4;  ///< row groups that such a product may take together
    /// A bit for each of 32 or 64 activations that is not 0.
    static std::uint64_t find_nonzero(const std::int8_t* token, Index count) noexcept {
        const uint8x16_t bits = {1, 2, 4, 8, 16, 32, 64, 128, 1, 2, 4, 8, 16, 32, 64, 128};
        std::uint64_t found = 0;
        for (Index i = 0; i < count; i += 16) {
            const uint8x16_t nonzero = vbicq_u8(bits, vceqzq_s8(vld1q_s8(token + i)));
            found |= std::uint64_t(vaddv_u8(vget_low_u8(nonzero))) << i;
            found |= std::uint64_t(vaddv_u8(vget_high_u8(nonzero))) << (i + 8);
        }
        return found;
    }
    /// The column whose activation lies at a place of a token.
    static constexpr Index column_at(Index place) noexcept {
        return place;
    }
    static void interleave(const std::uint8_t* c0, const std::uint8_t* c1, const std::uint8_t* c2,
                           const std::uint8_t* c3, Quantized (&steps)[4]) noexcept {
        neon::IntDot::interleave(c0, c1, c2, c3, steps);
    }
    static float max_magnitude(const float* x, Index count) noexcept {
        return neon::IntDot::max_magnitude(x, count);
    }
};

}  // namespace rwkv::inline RWKV_ABI::kernels::neon_dotprod

#include <rwkv/kernels/simd/end_target.inl>

#ifndef RWKV_NEON_DOTPROD_WITHOUT_BODIES

#include <rwkv/kernels/simd/quantized_gemv.inl>

#include <rwkv/kernels/simd/column_gemv.inl>

#include <rwkv/kernels/simd/integer_gemm.inl>

#include <rwkv/kernels/simd/integer_kernels.inl>

#undef RWKV_TARGET
#undef RWKV_TARGET_FLAGS

namespace rwkv::inline RWKV_ABI::kernels::neon_dotprod {

/// AArch64 with dot products of bytes (ARMv8.2 dotprod): quantized weights are multiplied with activations in bytes,
/// for any number of tokens.
struct Description : neon::Description {
    static constexpr std::string_view name = "neon_dotprod";
    static constexpr unsigned bit = 64, features = neon::Description::features | cpu_dotprod;

    template <DenseFormat Format>
    static constexpr KernelList kernels() {
        return neon::Description::kernels<Format>();
    }
    template <QuantizedFormat Format>
    static constexpr KernelList kernels() {
        return integer_kernels<Format>(integer_gemm<Format>);
    }
};

}  // namespace rwkv::inline RWKV_ABI::kernels::neon_dotprod

#endif

#endif
