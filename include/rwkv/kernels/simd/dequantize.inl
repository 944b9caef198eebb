// Quantized weights as floats, for gemm.
#ifndef RWKV_TARGET
#include <rwkv/kernels/simd/alone.inl>

#include <rwkv/kernels/simd/token_runs.inl>

#include <rwkv/kernels/simd/gemv.inl>

#include <rwkv/kernels/simd/quantized_gemv.inl>

#include <rwkv/kernels/simd/column_gemv.inl>
#endif
#include <rwkv/kernels/simd/begin_target.inl>

namespace rwkv::inline RWKV_ABI::kernels::RWKV_TARGET {

// Whole row groups and whole scale blocks of weights as floats (of the last block the column steps that there are).
template <QuantizedFormat Format>
void widen_block(const WeightMatrix& matrix, Index begin, Index end, Index k, Index depth, float* block) noexcept {
    const WeightView<Format> weights(matrix);
    if (weights.layout() == Layout::column_major) {
        for (Index r = begin / rows_of_steps * rows_of_steps; r < end; r += rows_of_steps) {
            const Index first_block = k / Format::block_cols;
            const auto put = [&](Index group, Index step, const IntDot::Quantized& bytes) {
                const Index row = r + group * group_rows, col = step * step_cols;
                if (row < begin || row >= end || col >= depth) return;
                float scales[group_rows];
                const core::BFloat16* const stored =
                    weights.scales(row / group_rows, first_block + col / Format::block_cols);
                for (Index i = 0; i < group_rows; i += Simd::lanes) Simd::store(scales + i, Simd::load(stored + i));
                float* const to = block + ((row - begin) * depth + col * group_rows);
                if (col + step_cols <= depth) return IntDot::dequantize(bytes, scales, to);
                // Where this row group ends, the next one has begun already.
                float columns[step_cols * group_rows];
                IntDot::dequantize(bytes, scales, columns);
                std::copy_n(columns, (depth - col) * group_rows, to);
            };
            for_each_column_step(weights, r, first_block, (depth + Format::block_cols - 1) / Format::block_cols, r,
                                 first_block, put);
        }
        return;
    }
    for (Index g = begin / group_rows; g * group_rows < end; ++g, block += group_rows * depth) {
        const std::uint8_t* quantized = weights.quantized(g) + k * group_rows * Format::bits / 8;
        const core::BFloat16* stored_scales = weights.scales(g) + k / Format::block_cols * group_rows;
        float scales[group_rows] = {};
        for (Index c = 0; c < depth; c += step_cols) {
            if (c % Format::block_cols == 0) {
                for (Index r = 0; r < group_rows; r += Simd::lanes)
                    Simd::store(scales + r, Simd::load(stored_scales + r));
                stored_scales += group_rows;
            }
            typename IntDot::Quantized step = IntDot::load(quantized);
            if constexpr (Format::bits == 4)
                step = c % 8 == 0 ? IntDot::lower_nibbles(step) : IntDot::upper_nibbles(step);
            if (Format::bits == 8 || c % 8 != 0) quantized += 64;
            IntDot::dequantize(step, scales, block + c * group_rows);
        }
    }
}

// Quantized blocks are few bytes: the hardware prefetcher suffices.
template <QuantizedFormat Format>
Prefetcher prefetch_next_block(const WeightMatrix&, Index, Index, const Activations&, Index, Index) noexcept {
    return {};
}
template <QuantizedFormat Format>
Prefetcher prefetch_columns(const WeightMatrix&, Index, Index, const Activations&, Index, Index) noexcept {
    return {};
}

}  // namespace rwkv::inline RWKV_ABI::kernels::RWKV_TARGET

#include <rwkv/kernels/simd/end_target.inl>
