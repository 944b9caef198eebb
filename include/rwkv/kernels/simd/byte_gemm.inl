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

// Prefetches the weights that are read after rows [begin, end) × `blocks` scale blocks from `block` on. Scales come
// before the values of a row group.
template <QuantizedFormat Format>
inline Prefetcher next_blocks(const WeightView<Format>& weights, Index begin, Index end, Index block,
                              Index blocks) noexcept {
    const Index next = block + blocks, stride = weights.group_bytes(weights.cols());
    if (next < weights.blocks())
        return {weights.quantized(begin / group_rows) + next * weights.block_bytes, stride, row_groups(end - begin),
                (std::min)(blocks, weights.blocks() - next) * weights.block_bytes};
    const Index next_end = (std::min)(end + (end - begin), weights.rows());
    if (end >= next_end) return {};
    return {weights.scales(end / group_rows), stride, row_groups(next_end - end),
            weights.scale_bytes(weights.cols()) + (std::min)(blocks, weights.blocks()) * weights.block_bytes};
}

// Prefetches, for the scale blocks of column-major weights that are multiplied next, from `block` on: one of `parts`
// parts of the columns, whole columns of rows [begin, end), since memory is read fastest in order; and at once the
// scales of the four row groups from `row` on.
template <QuantizedFormat Format>
inline Prefetcher next_columns(const WeightView<Format>& weights, Index begin, Index end, Index row, Index block,
                               Index blocks, Index part, Index parts) noexcept {
    blocks = (std::min)(blocks, weights.blocks() - block);
    if (blocks <= 0) return {};
    for (Index b = block; b < block + blocks; ++b)
        for (Index i = 0; i < rows_of_steps; i += 32) Simd::prefetch_l2(weights.column_scales(b) + row + i);
    const Index cols = blocks * Format::block_cols, first = part * cols / parts, last = (part + 1) * cols / parts;
    return {weights.column(block * Format::block_cols + first) + begin * Format::bits / 8, weights.column_bytes(),
            last - first, (stored_rows(end) - begin) * Format::bits / 8};
}

// The microkernel: y (+)= W x for `Groups` row groups and `Tokens` tokens, a register of sums for each pair of them:
// integers within a scale block, floats over the blocks. `last_mask` selects the rows of the last row group. Prefetches
// for every scale block.
template <int Groups, int Tokens, Index BlockCols>
inline void byte_microkernel(const UnpackedWeights& weights, Index blocks, const std::int8_t* x, Index x_stride,
                             const ActivationScale* scales, Index scale_stride, float* y, Index y_stride, bool first,
                             __mmask16 last_mask, Prefetcher& prefetcher) noexcept {
    V sums[Groups][Tokens];
    const auto mask = [&](int g) { return g == Groups - 1 ? last_mask : Simd::all; };
#pragma GCC unroll 4
    for (int g = 0; g < Groups; ++g)
#pragma GCC unroll 4
        for (int t = 0; t < Tokens; ++t)
            sums[g][t] = first ? Simd::zero() : _mm512_maskz_loadu_ps(mask(g), y + t * y_stride + g * group_rows);
            // Results of other calls lie in between: a line that is far away takes as long to be written as all sums
            // take.
#pragma GCC unroll 4
    for (int t = 0; t < Tokens; ++t) {
#pragma GCC unroll 4
        for (int g = 0; g < Groups; ++g) __builtin_prefetch(y + t * y_stride + g * group_rows, 1, 3);
        __builtin_prefetch(y + t * y_stride + Groups * group_rows - 1, 1, 3);
    }
    const std::uint8_t* quantized = weights.quantized;
    const float* row_scales = weights.scales;
    for (Index b = 0; b < blocks; ++b, ++scales, row_scales += Blocking::max_mc) {
        prefetcher.issue();
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
                              const Activations& x, Index tokens, float* y, Index y_stride, __mmask16 last_mask,
                              Prefetcher prefetcher) noexcept {
    constexpr Index panel_tokens = Blocking::panel_tokens, block_cols = Format::block_cols;
    prefetcher.schedule((tokens / 4 + tokens % 4) * (groups == 4 ? 2 : 1) * blocks);
    Index t = 0;
    while (t < tokens) {
        const QuantizedPanel<std::int8_t> panel(x.panels + t / panel_tokens * x.panel_bytes, cols, block_cols);
        const auto multiply = [&]<int Groups, int Tokens>(std::integral_constant<int, Groups>,
                                                          std::integral_constant<int, Tokens>, Index g) {
            byte_microkernel<Groups, Tokens, block_cols>(
                {weights.quantized + g * weights.group_stride, weights.group_stride, weights.scales + g * group_rows},
                blocks, panel.values(t % panel_tokens) + block * block_cols, panel.blocks() * block_cols,
                panel.scales(t % panel_tokens) + block, panel.blocks(), y + t * y_stride + g * group_rows, y_stride,
                block == 0, g + Groups == groups ? last_mask : Simd::all, prefetcher);
        };
        const auto multiply_groups = [&]<int Tokens>(std::integral_constant<int, Tokens> some) {
            if (groups == 3) multiply(std::integral_constant<int, 3>{}, some, 0);
            if (groups == 2 || groups == 4) multiply(std::integral_constant<int, 2>{}, some, 0);
            if (groups == 4) multiply(std::integral_constant<int, 2>{}, some, 2);
            if (groups == 1) multiply(std::integral_constant<int, 1>{}, some, 0);
            t += Tokens;
        };
        if (tokens - t >= 4)
            multiply_groups(std::integral_constant<int, 4>{});
        else
            multiply_groups(std::integral_constant<int, 1>{});
    }
}

// Columns of a block of weights. In row groups a few rows are multiplied at a time, with all columns of a usual model;
// of column-major weights all rows, block by block of columns, of which two are to fit the second-level cache. With
// many tokens fewer passes over the results count for more than that unpacked weights fit the first-level cache.
template <QuantizedFormat Format>
inline Index blocks_of_columns(Index rows, Index tokens) noexcept {
    constexpr Index max_bytes = 256 * 1024, many_tokens = 64;
    const Index fitting = max_bytes / (rows * Format::block_cols * Format::bits / 8);
    return std::clamp<Index>(fitting, 1, (tokens < many_tokens ? 256 : 512) / Format::block_cols);
}

// Rows [begin, end), whole row groups and, unless weights are column-major, at most Blocking::mc rows, of y = W x for
// tokens packed by quantize_activations. `scratch` holds scratch_floats(tokens) floats.
template <QuantizedFormat Format>
void byte_gemm(const WeightMatrix& matrix, Index begin, Index end, const Activations& x, Index tokens, float* y,
               Index y_stride, float* scratch) noexcept {
    constexpr Index block_cols = Format::block_cols, depth = 768, max_depth_blocks = depth / block_cols;
    constexpr Index max_rows = Blocking::max_mc;
    static_assert(max_depth_blocks * max_rows * sizeof(float) + max_rows * depth <= scratch_floats(0) * sizeof(float));
    const WeightView<Format> weights(matrix);
    const bool by_columns = weights.layout() == Layout::column_major;
    const Index depth_blocks = by_columns ? blocks_of_columns<Format>(end - begin, tokens) : max_depth_blocks;
    auto* const values = reinterpret_cast<std::uint8_t*>(scratch + max_depth_blocks * max_rows);
    for (Index b = 0; b < weights.blocks(); b += depth_blocks) {
        const Index blocks = (std::min)(depth_blocks, weights.blocks() - b), steps = blocks * block_cols / step_cols;
        for (Index r = begin, next; r < end; r = next) {
            next = by_columns ? (std::min)(r + rows_of_steps, end) : end;
            const Index groups = row_groups(next - r), first_group = r / group_rows;
            const auto last_mask = static_cast<__mmask16>(0xffff >> (groups * group_rows - (next - r)));
            unpack_scales(weights, first_group, groups, b, blocks, max_rows, scratch);
            UnpackedWeights unpacked{values, steps * 64, scratch};
            Prefetcher prefetcher;
            if (by_columns) {
                unpack_columns(weights, r, b, blocks, r, b, _mm512_setzero_si512(), values);
                prefetcher =
                    next_columns(weights, begin, end, r, b + depth_blocks, depth_blocks, (r - begin) / rows_of_steps,
                                 (end - begin + rows_of_steps - 1) / rows_of_steps);
            } else {
                prefetcher = next_blocks(weights, begin, end, b, depth_blocks);
                if constexpr (Format::bits == 4) {
                    unpack_values(weights, first_group, groups, b, blocks, _mm512_setzero_si512(), values);
                } else {
                    unpacked.quantized = weights.quantized(first_group) + b * weights.block_bytes;
                    unpacked.group_stride = weights.group_bytes(weights.cols());
                }
            }
            multiply_unpacked<Format>(unpacked, groups, b, blocks, weights.cols(), x, tokens, y + r, y_stride,
                                      last_mask, prefetcher);
        }
    }
}

}  // namespace rwkv::inline RWKV_ABI::kernels::RWKV_TARGET

#include <rwkv/kernels/simd/end_target.inl>
