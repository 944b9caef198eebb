// Skinny products with quantized weights. The activations are quantized, too, so that the sums within a scale block are
// of integers and exact.
#ifndef RWKV_TARGET
#include <rwkv/kernels/simd/alone.inl>

#include <rwkv/kernels/simd/token_runs.inl>

#include <rwkv/kernels/simd/gemv.inl>
#endif
#include <rwkv/kernels/simd/begin_target.inl>

namespace rwkv::inline RWKV_ABI::kernels::RWKV_TARGET {

// Bits of a packed activation: its value and its part of the scale of the smallest block, 32 values.
inline constexpr Index quantized_bits = 8 * Index(sizeof(IntDot::Value)) + 8 * Index(sizeof(ActivationScale)) / 32;

// Quantizes a panel of tokens, each block in units of its largest magnitude / the largest value.
template <QuantizedFormat Format>
void quantize_activations(const float* x, Index x_stride, Index tokens, Index cols, std::byte* panel) noexcept {
    const QuantizedPanel<IntDot::Value> quantized(panel, cols, Format::block_cols);
    constexpr float max_value = IntDot::max_value;
    constexpr float smallest = 1e-30f;  // below, the quotient would be infinite
    for (Index t = 0; t < tokens; ++t, x += x_stride) {
        IntDot::Value* values = quantized.values(t);
        for (Index b = 0; b < quantized.blocks(); ++b, values += Format::block_cols) {
            float padded_block[Format::block_cols];
            const float* block = x + b * Format::block_cols;
            if (const Index count = cols - b * Format::block_cols; count < Format::block_cols) {
                std::fill_n(std::copy_n(block, count, padded_block), Format::block_cols - count, 0.0f);
                block = padded_block;
            }
            const float largest = IntDot::max_magnitude(block, Format::block_cols);
            // An infinity or NaN makes the scale NaN, whatever the values.
            constexpr float max_float = (std::numeric_limits<float>::max)();
            const bool usable = largest > smallest && largest <= max_float;
            const float factor = usable ? max_value / largest : 0;
            const std::int32_t sum = IntDot::quantize(block, Format::block_cols, factor, values);
            quantized.scales(t)[b] = {largest <= max_float ? largest / max_value : core::not_a_number,
                                      usable ? -128 * sum : 0};
        }
    }
}

// y = W x of one row group for `Tokens` tokens from `first` on: integer sums within a scale block, floats over blocks.
template <class Format, class Dot, int Tokens>
inline void dot_group(const WeightView<Format>& weights, Index group, const QuantizedPanel<typename Dot::Value>& x,
                      Index first, float* y, Index y_stride) noexcept {
    const std::uint8_t* quantized = weights.quantized(group);
    const core::BFloat16* scales = weights.scales(group);
    const typename Dot::Value* values[Tokens];
    const ActivationScale* blocks[Tokens];
    V sums[Tokens][vectors_per_group];
    for (int t = 0; t < Tokens; ++t) {
        values[t] = x.values(first + t);
        blocks[t] = x.scales(first + t);
        for (V& sum : sums[t]) sum = Simd::zero();
    }
    // A row group is read in two places, its scales and its values, but prefetched in the order of memory.
    constexpr Index lines = Format::block_cols / step_cols * Format::bits / 8, scale_bytes = group_rows * 2;
    const auto* now = reinterpret_cast<const char*>(scales);
    for (Index b = 0; b < x.blocks(); ++b, scales += group_rows, now += lines * 64 + scale_bytes) {
        read_ahead(now + lines * 64);
        typename Dot::Sum products[Tokens];
#pragma GCC unroll 8
        for (int t = 0; t < Tokens; ++t) products[t] = Dot::start(blocks[t][b].bias);
        const auto step = [&](const auto& bytes) {
            const typename Dot::Prepared prepared = Dot::prepare(bytes);
#pragma GCC unroll 8
            for (int t = 0; t < Tokens; ++t) {
                Dot::accumulate(products[t], prepared, values[t]);
                values[t] += step_cols;
            }
        };
#pragma GCC unroll 4
        for (Index s = 0; s < lines; ++s, quantized += 64) {
            read_ahead(now + s * 64);
            const typename Dot::Quantized bytes = Dot::load(quantized);
            if constexpr (Format::bits == 8) {
                step(bytes);
            } else {
                step(Dot::lower_nibbles(bytes));
                step(Dot::upper_nibbles(bytes));
            }
        }
#pragma GCC unroll 4
        for (int part = 0; part < vectors_per_group; ++part) {
            const V scale = Simd::load(scales + part * Simd::lanes);
#pragma GCC unroll 8
            for (int t = 0; t < Tokens; ++t)
                sums[t][part] = Simd::mul_add(Dot::to_float(products[t], part),
                                              Simd::mul(scale, Simd::set(blocks[t][b].scale)), sums[t][part]);
        }
    }
    const Index rows = (std::min)(group_rows, weights.rows() - group * group_rows);
    for (int t = 0; t < Tokens; ++t, y += y_stride) {
        float all_rows[group_rows];
        for (int part = 0; part < vectors_per_group; ++part) Simd::store(all_rows + part * Simd::lanes, sums[t][part]);
        std::copy_n(all_rows, rows, y + group * group_rows);
    }
}

// Rows [begin, end), whole row groups, of y = W x for tokens packed by quantize_activations.
template <QuantizedFormat Format>
void gemv(const WeightMatrix& matrix, Index begin, Index end, const Activations& x, Index tokens, float* y,
          Index y_stride, float*) noexcept {
    const WeightView<Format> weights(matrix);
    const QuantizedPanel<IntDot::Value> panel(x.panels, weights.cols(), Format::block_cols);
    for (Index g = begin / group_rows; g * group_rows < end; ++g) {
        for_token_runs<IntDot::max_tokens>(tokens, [&]<int Tokens>(Index t, std::integral_constant<int, Tokens>) {
            dot_group<Format, IntDot, Tokens>(weights, g, panel, t, y + t * y_stride, y_stride);
        });
    }
}

}  // namespace rwkv::inline RWKV_ABI::kernels::RWKV_TARGET

#include <rwkv/kernels/simd/end_target.inl>
