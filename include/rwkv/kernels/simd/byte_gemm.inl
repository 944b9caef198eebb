// Blocked products of quantized weights with quantized activations, both bytes, by VNNI.
#ifndef RWKV_TARGET
#define RWKV_AVX512_VNNI_WITHOUT_BODIES
#include <rwkv/kernels/simd/avx512_vnni.hpp>
#endif
#include <rwkv/kernels/simd/begin_target.inl>

namespace rwkv::inline RWKV_ABI::kernels::RWKV_TARGET {

// The weights of the rows of a task and of some scale blocks, unpacked: a byte a value, scales as floats.
struct UnpackedWeights {
    const std::uint8_t* quantized;  ///< [row group][column step][16 rows][4 columns]
    Index group_stride;
    const float* scales;  ///< [scale block][row group][16 rows], Blocking::max_mc from one scale block to the next
};

// Scales of row groups × scale blocks as floats, [scale block][row group][16 rows], `stride` floats from one scale
// block to the next.
template <QuantizedFormat Format>
inline void unpack_scales(const WeightView<Format>& weights, Index first_group, Index groups, Index block, Index blocks,
                          Index stride, float* to) noexcept {
    for (Index g = 0; g < groups; ++g)
        for (Index b = 0; b < blocks; ++b)
            Simd::store(to + b * stride + g * group_rows, Simd::load(weights.scales(first_group + g, block + b)));
}

// Quantized values of row groups × scale blocks, a byte each, with the bits of `flipped` inverted:
// [row group][scale block][column step][16 rows][4 columns].
template <QuantizedFormat Format>
inline void unpack_values(const WeightView<Format>& weights, Index first_group, Index groups, Index block, Index blocks,
                          __m512i flipped, std::uint8_t* to) noexcept {
    const auto put = [&](__m512i values) {
        _mm512_storeu_si512(to, _mm512_xor_si512(values, flipped));
        to += 64;
    };
    for (Index g = first_group; g < first_group + groups; ++g) {
        const std::uint8_t* from = weights.quantized(g) + block * weights.block_bytes;
        for (const std::uint8_t* const end = from + blocks * weights.block_bytes; from < end; from += 64) {
            const __m512i bytes = IntDot::load(from);
            if constexpr (Format::bits == 8) {
                put(bytes);
            } else {
                put(IntDot::lower_nibbles(bytes));
                put(IntDot::upper_nibbles(bytes));
            }
        }
    }
}

// The same of column-major weights, four row groups of them, and the rows and scale block to be unpacked next.
template <QuantizedFormat Format>
inline void unpack_columns(const WeightView<Format>& weights, Index row, Index block, Index blocks, Index next_row,
                           Index next_block, __m512i flipped, std::uint8_t* to) noexcept {
    const Index group_stride = blocks * Format::block_cols * group_rows;
    for_each_column_step(weights, row, block, blocks, next_row, next_block, [&](int g, Index step, __m512i bytes) {
        _mm512_storeu_si512(to + g * group_stride + step * 64, _mm512_xor_si512(bytes, flipped));
    });
}

// The microkernel: y (+)= W x for `Groups` row groups and `Tokens` tokens, a register of sums for each pair of them:
// integers within a scale block, floats over the blocks. `last_mask` selects the rows of the last row group.
template <int Groups, int Tokens, Index BlockCols>
inline void byte_microkernel(const UnpackedWeights& weights, Index blocks, const std::int8_t* x, Index x_stride,
                             const ActivationScale* scales, Index scale_stride, float* y, Index y_stride, bool first,
                             __mmask16 last_mask) noexcept {
    V sums[Groups][Tokens];
    const auto mask = [&](int g) { return g == Groups - 1 ? last_mask : Simd::all; };
#pragma GCC unroll 4
    for (int g = 0; g < Groups; ++g)
#pragma GCC unroll 4
        for (int t = 0; t < Tokens; ++t)
            sums[g][t] = first ? Simd::zero() : _mm512_maskz_loadu_ps(mask(g), y + t * y_stride + g * group_rows);
    const std::uint8_t* quantized = weights.quantized;
    const float* row_scales = weights.scales;
    for (Index b = 0; b < blocks; ++b, ++scales, row_scales += Blocking::max_mc) {
        __m512i products[Groups][Tokens];
#pragma GCC unroll 4
        for (int t = 0; t < Tokens; ++t) {
            const __m512i bias = _mm512_set1_epi32(scales[t * scale_stride].bias);
#pragma GCC unroll 4
            for (int g = 0; g < Groups; ++g) products[g][t] = bias;
        }
#pragma GCC unroll 2
        for (Index s = 0; s < BlockCols / step_cols; ++s, quantized += 64, x += step_cols) {
            __m512i w[Groups];
#pragma GCC unroll 4
            for (int g = 0; g < Groups; ++g) w[g] = IntDot::load(quantized + g * weights.group_stride);
#pragma GCC unroll 4
            for (int t = 0; t < Tokens; ++t) {
                const __m512i four = IntDot::broadcast_four(x + t * x_stride);
#pragma GCC unroll 4
                for (int g = 0; g < Groups; ++g) products[g][t] = _mm512_dpbusd_epi32(products[g][t], w[g], four);
            }
        }
#pragma GCC unroll 4
        for (int t = 0; t < Tokens; ++t) {
            const V scale = Simd::set(scales[t * scale_stride].scale);
#pragma GCC unroll 4
            for (int g = 0; g < Groups; ++g)
                sums[g][t] = Simd::mul_add(IntDot::to_float(products[g][t]),
                                           Simd::mul(scale, Simd::load(row_scales + g * group_rows)), sums[g][t]);
        }
    }
#pragma GCC unroll 4
    for (int g = 0; g < Groups; ++g)
#pragma GCC unroll 4
        for (int t = 0; t < Tokens; ++t) _mm512_mask_storeu_ps(y + t * y_stride + g * group_rows, mask(g), sums[g][t]);
}

// y (+)= W x for up to four unpacked row groups and some scale blocks from `block` on.
template <QuantizedFormat Format>
inline void multiply_unpacked(const UnpackedWeights& weights, Index groups, Index block, Index blocks, Index cols,
                              const Activations& x, Index tokens, float* y, Index y_stride,
                              __mmask16 last_mask) noexcept {
    constexpr Index panel_tokens = Blocking::panel_tokens, block_cols = Format::block_cols;
    Index t = 0;
    while (t < tokens) {
        const QuantizedPanel<std::int8_t> panel(x.panels + t / panel_tokens * x.panel_bytes, cols, block_cols);
        const auto multiply = [&]<int Groups, int Tokens>(std::integral_constant<int, Groups>,
                                                          std::integral_constant<int, Tokens>, Index g) {
            byte_microkernel<Groups, Tokens, block_cols>(
                {weights.quantized + g * weights.group_stride, weights.group_stride, weights.scales + g * group_rows},
                blocks, panel.values(t % panel_tokens) + block * block_cols, panel.blocks() * block_cols,
                panel.scales(t % panel_tokens) + block, panel.blocks(), y + t * y_stride + g * group_rows, y_stride,
                block == 0, g + Groups == groups ? last_mask : Simd::all);
        };
        const auto multiply_groups = [&]<int Tokens>(std::integral_constant<int, Tokens> some) {
            if (groups >= 3) multiply(std::integral_constant<int, 3>{}, some, 0);
            if (groups == 2) multiply(std::integral_constant<int, 2>{}, some, 0);
            if (groups == 4 || groups == 1) multiply(std::integral_constant<int, 1>{}, some, groups - 1);
            t += Tokens;
        };
        if (tokens - t >= 4)
            multiply_groups(std::integral_constant<int, 4>{});
        else
            multiply_groups(std::integral_constant<int, 1>{});
    }
}

// Rows [begin, end), whole row groups and, unless weights are column-major, at most Blocking::mc rows, of y = W x for
// tokens packed by quantize_activations. `scratch` holds scratch_floats(tokens) floats.
template <QuantizedFormat Format>
void byte_gemm(const WeightMatrix& matrix, Index begin, Index end, const Activations& x, Index tokens, float* y,
               Index y_stride, float* scratch) noexcept {
    constexpr Index block_cols = Format::block_cols, depth = 512, depth_blocks = depth / block_cols;
    constexpr Index max_rows = Blocking::max_mc;
    static_assert(depth_blocks * max_rows * sizeof(float) + max_rows * depth <= scratch_floats(0) * sizeof(float));
    const WeightView<Format> weights(matrix);
    const bool by_columns = weights.layout() == Layout::column_major;
    auto* const values = reinterpret_cast<std::uint8_t*>(scratch + depth_blocks * max_rows);
    for (Index b = 0; b < weights.blocks(); b += depth_blocks) {
        const Index blocks = (std::min)(depth_blocks, weights.blocks() - b), steps = blocks * block_cols / step_cols;
        for (Index r = begin, next; r < end; r = next) {
            next = by_columns ? (std::min)(r + rows_of_steps, end) : end;
            const Index groups = row_groups(next - r), first_group = r / group_rows;
            const auto last_mask = static_cast<__mmask16>(0xffff >> (groups * group_rows - (next - r)));
            unpack_scales(weights, first_group, groups, b, blocks, max_rows, scratch);
            UnpackedWeights unpacked{values, steps * 64, scratch};
            if (by_columns) {
                const bool last = next == end;
                unpack_columns(weights, r, b, blocks, last ? begin : next, last ? b + depth_blocks : b,
                               _mm512_setzero_si512(), values);
            } else if constexpr (Format::bits == 4) {
                unpack_values(weights, first_group, groups, b, blocks, _mm512_setzero_si512(), values);
            } else {
                unpacked.quantized = weights.quantized(first_group) + b * weights.block_bytes;
                unpacked.group_stride = weights.group_bytes(weights.cols());
            }
            multiply_unpacked<Format>(unpacked, groups, b, blocks, weights.cols(), x, tokens, y + r, y_stride,
                                      last_mask);
        }
    }
}

}  // namespace rwkv::inline RWKV_ABI::kernels::RWKV_TARGET

#include <rwkv/kernels/simd/end_target.inl>
