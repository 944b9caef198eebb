#pragma once

#include <rwkv/kernels/arch/input.hpp>
#include <rwkv/kernels/blocking.hpp>
#include <rwkv/kernels/isa.hpp>
#include <rwkv/kernels/weight_matrix.hpp>
#include <rwkv/version.hpp>

#ifdef RWKV_NEON_KERNELS

#include <algorithm>
#include <cstdint>
#include <cstring>
#include <limits>
#include <type_traits>

#include <arm_neon.h>
#include <Eigen/Core>

// Every AArch64 processor has these instructions: no target is to be chosen.

namespace rwkv::inline RWKV_ABI::kernels::neon {

/// Four floats, and what the kernels do with them.
struct Simd {
    using V = float32x4_t;
    using Scalar = float;
    static constexpr int width = 4;
    static constexpr int tile_groups = 1, tile_tokens = 6;  // 24 sums, 4 of weights, 1 broadcast: 29 of 32 registers
    static constexpr int few = 4;                           // 16 sums

    static V zero() noexcept { return vdupq_n_f32(0); }
    static V load(const float* from) noexcept { return vld1q_f32(from); }
    static V load(const Eigen::half* from) noexcept {
        return vcvt_f32_f16(vreinterpret_f16_u16(vld1_u16(reinterpret_cast<const std::uint16_t*>(from))));
    }
    static V load(const Eigen::bfloat16* from) noexcept {
        return vreinterpretq_f32_u32(vshll_n_u16(vld1_u16(reinterpret_cast<const std::uint16_t*>(from)), 16));
    }
    static V broadcast(const float* from) noexcept { return vld1q_dup_f32(from); }
    static V broadcast(float value) noexcept { return vdupq_n_f32(value); }
    static void store(float* to, V v) noexcept { vst1q_f32(to, v); }
    static V add(V a, V b) noexcept { return vaddq_f32(a, b); }
    static V multiply(V a, V b) noexcept { return vmulq_f32(a, b); }
    static V multiply_add(V a, V b, V sum) noexcept { return vfmaq_f32(sum, a, b); }
    /// Where b is NaN, so is the result; likewise min.
    static V max(V a, V b) noexcept { return vmaxq_f32(a, b); }
    static V min(V a, V b) noexcept { return vminq_f32(a, b); }
    static V nearest(V a) noexcept { return vrndnq_f32(a); }
    /// value where x > limit, 0 elsewhere.
    static V above(V x, V limit, V value) noexcept {
        return vreinterpretq_f32_u32(vandq_u32(vcgtq_f32(x, limit), vreinterpretq_u32_f32(value)));
    }
    /// value where x < 0, otherwise elsewhere.
    static V negative(V x, V value, V otherwise) noexcept { return vbslq_f32(vcltzq_f32(x), value, otherwise); }
    /// a · 2^n for whole n from −252 to 254, with gradual underflow.
    static V scale(V a, V n) noexcept {
        const int32x4_t exponent = vcvtq_s32_f32(n), half = vshrq_n_s32(exponent, 1);
        return vmulq_f32(vmulq_f32(a, power_of_two(half)), power_of_two(vsubq_s32(exponent, half)));
    }
    static float sum(V v) noexcept { return vaddvq_f32(v); }
    static void prefetch(const void* at) noexcept { __builtin_prefetch(at); }
    /// To the second-level cache only.
    static void prefetch_far(const void* at) noexcept { __builtin_prefetch(at, 0, 2); }
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

/// A step of a group, sixteen rows by four columns, and its product with a token's four 16-bit whole numbers: a
/// register of four sums for each row, one a column.
struct Codes {
    using Value = std::int16_t;    ///< what tokens are brought to
    static constexpr int few = 4;  ///< tokens that there are registers for

    struct Bytes {
        uint8x16_t v[4];
    };
    struct Step {
        int16x8_t v[8];  ///< two rows each
    };
    struct Sum {
        int32x4_t v[16];
    };

    /// Nothing is to be taken off: the codes are signed here.
    static Sum begin(std::int32_t) noexcept {
        Sum sum;
        for (int32x4_t& row : sum.v) row = vdupq_n_s32(0);
        return sum;
    }
    static Bytes load(const std::uint8_t* codes) noexcept {
        return {{vld1q_u8(codes), vld1q_u8(codes + 16), vld1q_u8(codes + 32), vld1q_u8(codes + 48)}};
    }
    static Bytes low(const Bytes& pairs) noexcept {
        Bytes step;
        for (int i = 0; i < 4; ++i) step.v[i] = look_up(vandq_u8(pairs.v[i], vdupq_n_u8(15)));
        return step;
    }
    static Bytes high(const Bytes& pairs) noexcept {
        Bytes step;
        for (int i = 0; i < 4; ++i) step.v[i] = look_up(vshrq_n_u8(pairs.v[i], 4));
        return step;
    }
    static Step prepare(const Bytes& bytes) noexcept {
        Step step;
        for (int i = 0; i < 4; ++i) {
            const int8x16_t codes = vreinterpretq_s8_u8(veorq_u8(bytes.v[i], vdupq_n_u8(128)));
            step.v[2 * i] = vmovl_s8(vget_low_s8(codes));
            step.v[2 * i + 1] = vmovl_high_s8(codes);
        }
        return step;
    }
    static void add(Sum& sum, const Step& step, const std::int16_t* token) noexcept {
        const int16x4_t x = vld1_s16(token);
        for (int i = 0; i < 8; ++i) {
            sum.v[2 * i] = vmlal_s16(sum.v[2 * i], vget_low_s16(step.v[i]), x);
            sum.v[2 * i + 1] = vmlal_s16(sum.v[2 * i + 1], vget_high_s16(step.v[i]), x);
        }
    }
    /// The sums of four rows.
    static float32x4_t total(const Sum& sum, int part) noexcept {
        const int32x4_t* const rows = sum.v + 4 * part;
        return vcvtq_f32_s32(vpaddq_s32(vpaddq_s32(rows[0], rows[1]), vpaddq_s32(rows[2], rows[3])));
    }
    /// Writes 16 · n numbers · factor, rounded, as `add` wants them, and returns their sum.
    static std::int32_t write(const float* x, Index count, float factor, std::int16_t* token) noexcept {
        int32x4_t sum = vdupq_n_s32(0);
        for (Index i = 0; i < count; i += 4) {
            const int32x4_t whole = vcvtnq_s32_f32(vmulq_n_f32(vld1q_f32(x + i), factor));
            vst1_s16(token + i, vqmovn_s32(whole));
            sum = vaddq_s32(sum, whole);
        }
        return vaddvq_s32(sum);
    }
    /// The largest of the magnitudes of 16 · n numbers; NaN if there is one.
    static float largest_magnitude(const float* x, Index count) noexcept {
        uint32x4_t largest = vdupq_n_u32(0);  // as whole numbers, of which a NaN's are the largest
        for (Index i = 0; i < count; i += 4)
            largest = vmaxq_u32(largest, vreinterpretq_u32_f32(vabsq_f32(vld1q_f32(x + i))));
        return vgetq_lane_f32(vreinterpretq_f32_u32(vdupq_n_u32(vmaxvq_u32(largest))), 0);
    }
    /// A step as floats: out[c][r] = scales[r] · (code − 128).
    static void widen(const Bytes& step, const float* scales, float* out) noexcept {
        for (int i = 0; i < 4; ++i) {
            const float32x4_t scale = vld1q_f32(scales + 4 * i);
            uint32x4_t codes = vreinterpretq_u32_u8(step.v[i]);  // of four rows, four columns in a lane
            for (int c = 0; c < 4; ++c, codes = vshrq_n_u32(codes, 8)) {
                const int32x4_t whole =
                    vsubq_s32(vreinterpretq_s32_u32(vandq_u32(codes, vdupq_n_u32(255))), vdupq_n_s32(128));
                vst1q_f32(out + c * group_rows + 4 * i, vmulq_f32(vcvtq_f32_s32(whole), scale));
            }
        }
    }

  private:
    static uint8x16_t look_up(uint8x16_t nibbles) noexcept {
        return vqtbl1q_u8(vld1q_u8(Q4::shifted_table.data()), nibbles);
    }
};

using V = Simd::V;

#include <rwkv/kernels/arch/exponential.inl>

#include <rwkv/kernels/arch/blocks.inl>

#include <rwkv/kernels/arch/dense.inl>

#include <rwkv/kernels/arch/quantized_widen.inl>

#include <rwkv/kernels/arch/many.inl>

#include <rwkv/kernels/arch/fit.inl>

#include <rwkv/kernels/arch/quantized.inl>

}  // namespace rwkv::inline RWKV_ABI::kernels::neon

#endif
