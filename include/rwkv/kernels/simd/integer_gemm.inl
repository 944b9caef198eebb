// Blocked products of quantized weights with quantized activations, both bytes, by AVX-VNNI and AArch64.
#ifndef RWKV_TARGET
#define RWKV_AVX_VNNI_WITHOUT_BODIES
#include <rwkv/kernels/simd/avx_vnni.hpp>

#include <rwkv/kernels/simd/quantized_gemv.inl>

#include <rwkv/kernels/simd/column_gemv.inl>
#endif
#include <rwkv/kernels/simd/begin_target.inl>

namespace rwkv::inline RWKV_ABI::kernels::RWKV_TARGET {

// Bytes of a column step of a row group.
inline constexpr Index step_bytes = 64;

// Quantized values of row groups × scale blocks as `multiply_add` wants them: [row group][column step].
template <QuantizedFormat Format>
inline void prepare_values(const WeightView<Format>& weights, Index first_group, Index groups, Index block,
                           Index blocks, std::byte* to) noexcept {
    Index step = 0;  // of which a row group has an even number
    const auto put = [&](const IntDot::Quantized& bytes) {
        IntDot::store(IntDot::prepare(bytes), to, step++);
        to += step_bytes;
    };
    if (weights.layout() == Layout::column_major) {
        const Index group_bytes = blocks * Format::block_cols / step_cols * step_bytes;
        std::byte* const groups_at = to;
        return for_each_column_step(weights, first_group * group_rows, block, blocks, first_group * group_rows, block,
                                    [&](int g, Index s, const IntDot::Quantized& bytes) {
                                        to = groups_at + g * group_bytes + s * step_bytes;
                                        step = s;
                                        put(bytes);
                                    });
    }
    for (Index g = first_group; g < first_group + groups; ++g) {
        const std::uint8_t* from = weights.quantized(g) + block * weights.block_bytes;
        for (const std::uint8_t* const end = from + blocks * weights.block_bytes; from < end; from += 64) {
            const IntDot::Quantized bytes = IntDot::load(from);
            if constexpr (Format::bits == 8) {
                put(bytes);
            } else {
                put(IntDot::lower_nibbles(bytes));
                put(IntDot::upper_nibbles(bytes));
            }
        }
    }
}

// Adds the products of a scale block of a row group with `Tokens` tokens: all column steps.
template <int Tokens, class Dot>
inline void multiply_block(const std::byte* weights, Index block_cols, const typename Dot::Value* x, Index x_stride,
                           typename Dot::Sum* products) noexcept {
    if constexpr (Dot::has_matrix_products) {
        Dot::template multiply_block<Tokens>(weights, block_cols, x, x_stride, products);
    } else {
        const Index steps = block_cols / step_cols;
#pragma GCC unroll 4
        for (Index s = 0; s < steps; ++s, weights += step_bytes, x += step_cols) {
            const typename Dot::Prepared w = Dot::load_step(weights);
#pragma GCC unroll 8
            for (int t = 0; t < Tokens; ++t) {
                const auto some = Dot::broadcast(x + t * x_stride);
#pragma GCC unroll 4
                for (int r = 0; r < Dot::registers; ++r)
                    products[t].v[r] = Dot::multiply_add(w.v[r], some, products[t].v[r]);
            }
        }
    }
}

// The microkernel: y (+)= W x for a row group and `Tokens` tokens: integers in registers within a scale block, floats
// in y over the blocks.
template <int Tokens>
inline void integer_microkernel(const std::byte* weights, const core::BFloat16* row_scales, Index row_scale_stride,
                                Index blocks, Index block_cols, const IntDot::Value* x, Index x_stride,
                                const ActivationScale* scales, Index scale_stride, float* y, Index y_stride,
                                bool first) noexcept {
    for (Index b = 0; b < blocks; ++b, ++scales, row_scales += row_scale_stride) {
        IntDot::Sum products[Tokens];
#pragma GCC unroll 8
        for (int t = 0; t < Tokens; ++t) products[t] = IntDot::start(scales[t * scale_stride].bias);
        RWKV_TARGET::multiply_block<Tokens, IntDot>(weights, block_cols, x, x_stride, products);
        weights += block_cols / step_cols * step_bytes;
        x += block_cols;
#pragma GCC unroll 4
        for (int i = 0; i < vectors_per_group; ++i) {
            const V of_rows = Simd::load(row_scales + i * Simd::lanes);
#pragma GCC unroll 8
            for (int t = 0; t < Tokens; ++t) {
                float* const sum = y + t * y_stride + i * Simd::lanes;
                Simd::store(sum, Simd::mul_add(IntDot::to_float(products[t], i),
                                               Simd::mul(of_rows, Simd::set(scales[t * scale_stride].scale)),
                                               first && b == 0 ? Simd::zero() : Simd::load(sum)));
            }
        }
    }
}

// Rows [begin, end), whole row groups and, unless weights are column-major, at most Blocking::mc rows, of y = W x for
// tokens packed by quantize_activations. `scratch` holds scratch_floats(tokens) floats.
template <QuantizedFormat Format>
void integer_gemm(const WeightMatrix& matrix, Index begin, Index end, const Activations& x, Index tokens, float* y,
                  Index y_stride, float* scratch) noexcept {
    constexpr Index block_cols = Format::block_cols, depth = 256, depth_blocks = depth / block_cols;
    constexpr Index panel_tokens = Blocking::panel_tokens, block_bytes = block_cols / step_cols * step_bytes;
    static_assert(Blocking::max_mc / group_rows * depth_blocks * block_bytes <=
                  scratch_floats(0) * Index(sizeof(float)));
    const WeightView<Format> weights(matrix);
    const bool by_columns = weights.layout() == Layout::column_major;
    const bool in_place = Format::bits == 8 && IntDot::multiplies_stored_bytes && !by_columns;
    auto* const prepared = reinterpret_cast<std::byte*>(scratch);
    float* const last_group = scratch + scratch_floats(0);  // [token][16 rows], where the last row group is not whole
    const bool whole = (end - begin) % group_rows == 0;
    for (Index b = 0; b < weights.blocks(); b += depth_blocks) {
        const Index blocks = (std::min)(depth_blocks, weights.blocks() - b);
        for (Index r = begin, next; r < end; r = next) {
            next = by_columns ? (std::min)(r + rows_of_steps, end) : end;
            const Index groups = row_groups(next - r), first_group = r / group_rows;
            const std::byte* values = prepared;
            Index group_stride = blocks * block_bytes;
            if (in_place) {
                values = reinterpret_cast<const std::byte*>(weights.quantized(first_group)) + b * block_bytes;
                group_stride = weights.group_bytes(weights.cols());
            } else {
                prepare_values(weights, first_group, groups, b, blocks, prepared);
            }
            for (Index p = 0; p < token_panels(tokens); ++p) {
                const QuantizedPanel<IntDot::Value> panel(x.panels + p * x.panel_bytes, weights.cols(), block_cols);
                const Index first_token = p * panel_tokens, count = (std::min)(panel_tokens, tokens - first_token);
                for_token_runs<IntDot::gemm_tokens>(
                    count, [&]<int Tokens>(Index t, std::integral_constant<int, Tokens>) {
                        for (Index g = 0; g < groups; ++g) {
                            const bool in_y = whole || (first_group + g + 1) * group_rows <= end;
                            integer_microkernel<Tokens>(values + g * group_stride, weights.scales(first_group + g, b),
                                                        weights.scale_stride(), blocks, block_cols,
                                                        panel.values(t) + b * block_cols, panel.blocks() * block_cols,
                                                        panel.scales(t) + b, panel.blocks(),
                                                        in_y ? y + (first_token + t) * y_stride + r + g * group_rows
                                                             : last_group + (first_token + t) * group_rows,
                                                        in_y ? y_stride : group_rows, b == 0);
                        }
                    });
            }
        }
    }
    const Index rest = (end - begin) % group_rows;
    for (Index t = 0; rest > 0 && t < tokens; ++t)
        std::copy_n(last_group + t * group_rows, rest, y + t * y_stride + end - rest);
}

}  // namespace rwkv::inline RWKV_ABI::kernels::RWKV_TARGET

#include <rwkv/kernels/simd/end_target.inl>
