#pragma once

#include <rwkv/kernels/kernel.hpp>

#ifdef RWKV_NEON_KERNELS

#include <algorithm>
#include <bit>
#include <cmath>
#include <cstdint>
#include <cstring>
#include <limits>
#include <type_traits>

#include <arm_neon.h>

// Every AArch64 processor has these instructions: no RWKV_TARGET_FLAGS.
#define RWKV_TARGET neon

namespace rwkv::inline RWKV_ABI::kernels::neon {

/// Vectors of four floats.
struct Simd {
    using V = float32x4_t;
    using Scalar = float;
    static constexpr int lanes = 4;
    static constexpr int mr_groups = 1, nr = 6;  // 24 sums, 4 of weights, 1 of a token: 29 of 32 registers
    static constexpr int gemv_tokens = 4;        // 16 sums

    static V zero() noexcept { return vdupq_n_f32(0); }
    static V load(const float* from) noexcept { return vld1q_f32(from); }
    static V load(const core::Float16* from) noexcept {
        return vcvt_f32_f16(vreinterpret_f16_u16(vld1_u16(reinterpret_cast<const std::uint16_t*>(from))));
    }
    static V load(const core::BFloat16* from) noexcept {
        return vreinterpretq_f32_u32(vshll_n_u16(vld1_u16(reinterpret_cast<const std::uint16_t*>(from)), 16));
    }
    static V set(const float* from) noexcept { return vld1q_dup_f32(from); }
    static V set(float value) noexcept { return vdupq_n_f32(value); }
    static void store(float* to, V v) noexcept { vst1q_f32(to, v); }
    static V add(V a, V b) noexcept { return vaddq_f32(a, b); }
    static V mul(V a, V b) noexcept { return vmulq_f32(a, b); }
    static V mul_add(V a, V b, V sum) noexcept { return vfmaq_f32(sum, a, b); }
    /// NaN where one of them is; likewise min.
    static V maximum(V a, V b) noexcept { return vmaxq_f32(a, b); }
    static V minimum(V a, V b) noexcept { return vminq_f32(a, b); }
    static V round(V a) noexcept { return vrndnq_f32(a); }
    /// value where x > limit, 0 elsewhere.
    static V if_greater_then_else_zero(V x, V limit, V value) noexcept {
        return vreinterpretq_f32_u32(vandq_u32(vcgtq_f32(x, limit), vreinterpretq_u32_f32(value)));
    }
    /// value where x < 0, otherwise elsewhere.
    static V if_negative_then_else(V x, V value, V otherwise) noexcept {
        return vbslq_f32(vcltzq_f32(x), value, otherwise);
    }
    /// a · 2^n for integers n from −252 to 254, with gradual underflow.
    static V ldexp(V a, V n) noexcept {
        const int32x4_t exponent = vcvtq_s32_f32(n), half = vshrq_n_s32(exponent, 1);
        return vmulq_f32(vmulq_f32(a, power_of_two(half)), power_of_two(vsubq_s32(exponent, half)));
    }
    static float reduce_sum(V v) noexcept { return vaddvq_f32(v); }
    /// A bit for each lane that is not 0.
    static unsigned nonzero_lanes(V v) noexcept {
        const uint32x4_t bits = {1, 2, 4, 8};
        return vaddvq_u32(vbicq_u32(bits, vceqzq_f32(v)));
    }
    static void prefetch_l1(const void* at) noexcept { __builtin_prefetch(at); }
    static void prefetch_l2(const void* at) noexcept { __builtin_prefetch(at, 0, 2); }
    static void transpose_8x8(const float* from, Index from_stride, float* to, Index to_stride) noexcept {
        for (Index r = 0; r < 8; r += 4)
            for (Index c = 0; c < 8; c += 4)
                transpose_4x4(from + r * from_stride + c, from_stride, to + c * to_stride + r, to_stride);
    }

  private:
    static V power_of_two(int32x4_t n) noexcept {
        return vreinterpretq_f32_s32(vshlq_n_s32(vaddq_s32(n, vdupq_n_s32(127)), 23));
    }
    static void transpose_4x4(const float* from, Index from_stride, float* to, Index to_stride) noexcept {
        const V a = load(from), b = load(from + from_stride), c = load(from + 2 * from_stride),
                d = load(from + 3 * from_stride);
        const V ac_low = vzip1q_f32(a, c), ac_high = vzip2q_f32(a, c), bd_low = vzip1q_f32(b, d),
                bd_high = vzip2q_f32(b, d);
        store(to, vzip1q_f32(ac_low, bd_low));
        store(to + to_stride, vzip2q_f32(ac_low, bd_low));
        store(to + 2 * to_stride, vzip1q_f32(ac_high, bd_high));
        store(to + 3 * to_stride, vzip2q_f32(ac_high, bd_high));
    }
};

/// Dot products of a column step, sixteen rows by four columns of 8-bit values, with four 16-bit activations of a
/// token: a register of four sums, one for each column, for each row.
struct IntDot {
    using Value = std::int16_t;  ///< a quantized activation
    static constexpr float max_value = 32767;
    static constexpr int max_tokens = 4;  ///< that there are registers for

    /// A column step, a byte a value.
    struct Quantized {
        uint8x16_t v[4];
    };
    /// A column step as `accumulate` wants it, two rows a register.
    struct Prepared {
        int16x8_t v[8];
    };
    struct Sum {
        int32x4_t v[16];
    };

    /// The bias is not needed: `prepare` makes the values signed.
    static Sum start(std::int32_t) noexcept {
        Sum sum;
#pragma GCC unroll 16
        for (int32x4_t& row : sum.v) row = vdupq_n_s32(0);
        return sum;
    }
    static Quantized load(const std::uint8_t* bytes) noexcept {
        return {{vld1q_u8(bytes), vld1q_u8(bytes + 16), vld1q_u8(bytes + 32), vld1q_u8(bytes + 48)}};
    }
    static Quantized lower_nibbles(const Quantized& pairs) noexcept {
        Quantized step;
#pragma GCC unroll 4
        for (int i = 0; i < 4; ++i) step.v[i] = look_up(vandq_u8(pairs.v[i], vdupq_n_u8(15)));
        return step;
    }
    static Quantized upper_nibbles(const Quantized& pairs) noexcept {
        Quantized step;
#pragma GCC unroll 4
        for (int i = 0; i < 4; ++i) step.v[i] = look_up(vshrq_n_u8(pairs.v[i], 4));
        return step;
    }
    static Prepared prepare(const Quantized& bytes) noexcept {
        Prepared step;
#pragma GCC unroll 4
        for (int i = 0; i < 4; ++i) {
            const int8x16_t values = vreinterpretq_s8_u8(veorq_u8(bytes.v[i], vdupq_n_u8(128)));
            step.v[2 * i] = vmovl_s8(vget_low_s8(values));
            step.v[2 * i + 1] = vmovl_high_s8(values);
        }
        return step;
    }
    static void accumulate(Sum& sum, const Prepared& step, const std::int16_t* token) noexcept {
        const int16x4_t x = vld1_s16(token);
#pragma GCC unroll 8
        for (int i = 0; i < 8; ++i) {
            sum.v[2 * i] = vmlal_s16(sum.v[2 * i], vget_low_s16(step.v[i]), x);
            sum.v[2 * i + 1] = vmlal_s16(sum.v[2 * i + 1], vget_high_s16(step.v[i]), x);
        }
    }
    /// The sums of four rows.
    static float32x4_t to_float(const Sum& sum, int part) noexcept {
        const int32x4_t* const rows = sum.v + 4 * part;
        return vcvtq_f32_s32(vpaddq_s32(vpaddq_s32(rows[0], rows[1]), vpaddq_s32(rows[2], rows[3])));
    }
    /// Writes n activations · factor, rounded, and returns their sum; n is a multiple of 16.
    static std::int32_t quantize(const float* x, Index count, float factor, std::int16_t* token) noexcept {
        int32x4_t sum = vdupq_n_s32(0);
        for (Index i = 0; i < count; i += 4) {
            const int32x4_t whole = vcvtnq_s32_f32(vmulq_n_f32(vld1q_f32(x + i), factor));
            vst1_s16(token + i, vqmovn_s32(whole));
            sum = vaddq_s32(sum, whole);
        }
        return vaddvq_s32(sum);
    }
    static constexpr int column_tokens = 2;  ///< of a product with column-major weights
    static constexpr int column_groups = 4;  ///< row groups that such a product may take together
    /// A bit for each of 32 or 64 activations that is not 0.
    static std::uint64_t find_nonzero(const std::int16_t* token, Index count) noexcept {
        const uint16x8_t bits = {1, 2, 4, 8, 16, 32, 64, 128};
        std::uint64_t found = 0;
        for (Index i = 0; i < count; i += 8)
            found |= std::uint64_t(vaddvq_u16(vbicq_u16(bits, vceqzq_s16(vld1q_s16(token + i))))) << i;
        return found;
    }
    /// The column whose activation lies at a place of a token.
    static constexpr Index column_at(Index place) noexcept { return place; }
    /// The bytes of 64 rows of four columns, in the order of their activations, as column steps of four row groups
    /// (column_place in format.hpp).
    static void interleave(const std::uint8_t* c0, const std::uint8_t* c1, const std::uint8_t* c2,
                           const std::uint8_t* c3, Quantized (&steps)[4]) noexcept {
#pragma GCC unroll 4
        for (int i = 0; i < 4; ++i) {
            const uint8x16_t a = vld1q_u8(c0 + 16 * i), b = vld1q_u8(c1 + 16 * i), c = vld1q_u8(c2 + 16 * i),
                             d = vld1q_u8(c3 + 16 * i);
            const uint16x8_t ab = vreinterpretq_u16_u8(vzip1q_u8(a, b)), cd = vreinterpretq_u16_u8(vzip1q_u8(c, d)),
                             ab_high = vreinterpretq_u16_u8(vzip2q_u8(a, b)),
                             cd_high = vreinterpretq_u16_u8(vzip2q_u8(c, d));
            steps[0].v[i] = vreinterpretq_u8_u16(vzip1q_u16(ab, cd));
            steps[1].v[i] = vreinterpretq_u8_u16(vzip2q_u16(ab, cd));
            steps[2].v[i] = vreinterpretq_u8_u16(vzip1q_u16(ab_high, cd_high));
            steps[3].v[i] = vreinterpretq_u8_u16(vzip2q_u16(ab_high, cd_high));
        }
    }
    /// The largest magnitude of n activations; NaN if there is one.
    static float max_magnitude(const float* x, Index count) noexcept {
        uint32x4_t largest = vdupq_n_u32(0);  // compared as integers, among which NaNs are the largest
        for (Index i = 0; i < count; i += 4)
            largest = vmaxq_u32(largest, vreinterpretq_u32_f32(vabsq_f32(vld1q_f32(x + i))));
        return vgetq_lane_f32(vreinterpretq_f32_u32(vdupq_n_u32(vmaxvq_u32(largest))), 0);
    }
    /// A column step as floats: out[c][r] = scales[r] · (value − 128).
    static void dequantize(const Quantized& step, const float* scales, float* out) noexcept {
#pragma GCC unroll 4
        for (int i = 0; i < 4; ++i) {
            const float32x4_t scale = vld1q_f32(scales + 4 * i);
            uint32x4_t values = vreinterpretq_u32_u8(step.v[i]);  // of four rows, four columns in a lane
#pragma GCC unroll 4
            for (int c = 0; c < 4; ++c, values = vshrq_n_u32(values, 8)) {
                const int32x4_t whole =
                    vsubq_s32(vreinterpretq_s32_u32(vandq_u32(values, vdupq_n_u32(255))), vdupq_n_s32(128));
                vst1q_f32(out + c * group_rows + 4 * i, vmulq_f32(vcvtq_f32_s32(whole), scale));
            }
        }
    }

  private:
    static uint8x16_t look_up(uint8x16_t nibbles) noexcept {
        return vqtbl1q_u8(vld1q_u8(Q4::shifted_codebook.data()), nibbles);
    }
};

}  // namespace rwkv::inline RWKV_ABI::kernels::neon

#ifndef RWKV_NEON_WITHOUT_BODIES

#include <rwkv/kernels/simd/bodies.inl>

#undef RWKV_TARGET

namespace rwkv::inline RWKV_ABI::kernels::neon {

/// AArch64.
struct Description : Bodies {
    static constexpr std::string_view name = "neon";
    static constexpr unsigned bit = 16, features = cpu_neon;
};

}  // namespace rwkv::inline RWKV_ABI::kernels::neon

#endif

#endif
