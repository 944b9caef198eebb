#pragma once

#include <rwkv/kernels/simd/neon_dotprod.hpp>

#ifdef RWKV_NEON_KERNELS

#define RWKV_TARGET neon_i8mm
#ifdef __clang__
#define RWKV_TARGET_FLAGS "dotprod,i8mm"
#elif defined(__ARM_FEATURE_DOTPROD)
#define RWKV_TARGET_FLAGS "+i8mm"
#else
#define RWKV_TARGET_FLAGS "arch=armv8.2-a+dotprod+i8mm"
#endif
#include <rwkv/kernels/simd/begin_target.inl>

namespace rwkv::inline RWKV_ABI::kernels::neon_i8mm {

using neon::for_token_runs;
using neon::read_ahead;
using neon::Simd;
using neon::vectors_per_group;
using V = Simd::V;

/// As with dot products; a gemm multiplies eight columns of two rows and of two tokens at a time.
struct IntDot : neon_dotprod::IntDot {
    /// Two column steps together are [8 pairs of rows][2 rows][8 columns]: done with the second.
    static void store(const Prepared& step, std::byte* to, Index number) noexcept {
        if (number % 2 == 0) return neon_dotprod::IntDot::store(step, to, number);
        auto* const at = reinterpret_cast<std::int32_t*>(to - 64);
        const int32x4_t first[4] = {vld1q_s32(at), vld1q_s32(at + 4), vld1q_s32(at + 8), vld1q_s32(at + 12)};
#pragma GCC unroll 4
        for (int i = 0; i < 4; ++i) {
            const int32x4_t second = vreinterpretq_s32_s8(step.v[i]);
            vst1q_s32(at + 8 * i, vzip1q_s32(first[i], second));
            vst1q_s32(at + 8 * i + 4, vzip2q_s32(first[i], second));
        }
    }
    static constexpr bool has_matrix_products = true;
    /// Sets `sums`, which are zero, to the products of a scale block of stored weights.
    template <int Tokens>
    static void multiply_block(const std::byte* weights, Index block_cols, const std::int8_t* x, Index x_stride,
                               Sum* sums) noexcept {
        constexpr int pairs = (Tokens + 1) / 2;
        int32x4_t products[pairs][8];  // of two tokens with two rows: [token][row]
#pragma GCC unroll 2
        for (int p = 0; p < pairs; ++p)
#pragma GCC unroll 8
            for (int i = 0; i < 8; ++i) products[p][i] = vdupq_n_s32(0);
        const auto* w = reinterpret_cast<const std::int8_t*>(weights);
        for (Index c = 0; c < block_cols; c += 8, x += 8, w += 128) {
            int8x16_t tokens[pairs];
#pragma GCC unroll 2
            for (int p = 0; p < pairs; ++p)  // a last token without another is taken twice
                tokens[p] = vcombine_s8(vld1_s8(x + 2 * p * x_stride),
                                        vld1_s8(x + (std::min)(2 * p + 1, Tokens - 1) * x_stride));
#pragma GCC unroll 8
            for (int i = 0; i < 8; ++i) {
                const int8x16_t rows = vld1q_s8(w + 16 * i);
#pragma GCC unroll 2
                for (int p = 0; p < pairs; ++p) multiply(products[p][i], tokens[p], rows);
            }
        }
#pragma GCC unroll 4
        for (int t = 0; t < Tokens; ++t)
#pragma GCC unroll 4
            for (int i = 0; i < 4; ++i) {
                const int64x2_t a = vreinterpretq_s64_s32(products[t / 2][2 * i]),
                                b = vreinterpretq_s64_s32(products[t / 2][2 * i + 1]);
                sums[t].v[i] = vreinterpretq_s32_s64(t % 2 == 0 ? vzip1q_s64(a, b) : vzip2q_s64(a, b));
            }
    }

  private:
    /// sums[2 i + j] += Σ a[8 i + k] · b[8 j + k]. Not by the intrinsic, vmmlaq_s32, which clang 14 has only where the
    /// whole file is compiled for this instruction set.
    static void multiply(int32x4_t& sums, int8x16_t a, int8x16_t b) noexcept {
        __asm__("smmla %0.4s, %1.16b, %2.16b" : "+w"(sums) : "w"(a), "w"(b));
    }
};

}  // namespace rwkv::inline RWKV_ABI::kernels::neon_i8mm

#include <rwkv/kernels/simd/end_target.inl>

#ifndef RWKV_NEON_I8MM_WITHOUT_BODIES

#include <rwkv/kernels/simd/column_gemv.inl>

#include <rwkv/kernels/simd/integer_gemm.inl>

#undef RWKV_TARGET
#undef RWKV_TARGET_FLAGS

namespace rwkv::inline RWKV_ABI::kernels::neon_i8mm {

/// AArch64 with matrix products of bytes (ARMv8.6 i8mm) for many tokens with quantized weights.
struct Description : neon_dotprod::Description {
    static constexpr std::string_view name = "neon_i8mm";
    static constexpr unsigned bit = 128, features = neon_dotprod::Description::features | cpu_i8mm;

    template <DenseFormat Format>
    static constexpr KernelList kernels() {
        return neon_dotprod::Description::kernels<Format>();
    }
    template <QuantizedFormat Format>
    static constexpr KernelList kernels() {
        KernelList list = neon_dotprod::Description::kernels<Format>();
        list[1].multiply_rows = list[2].multiply_rows = integer_gemm<Format>;
        return list;
    }
};

}  // namespace rwkv::inline RWKV_ABI::kernels::neon_i8mm

#endif

#endif
