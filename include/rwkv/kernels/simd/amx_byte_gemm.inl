// Blocked products of quantized weights with quantized activations, both bytes, on tiles.
#ifndef RWKV_TARGET
#define RWKV_AMX_WITHOUT_BODIES
#include <rwkv/kernels/simd/amx.hpp>
#endif
#include <rwkv/kernels/simd/begin_target.inl>

namespace rwkv::inline RWKV_ABI::kernels::RWKV_TARGET {

/// With fewer tokens than this VNNI is as fast.
template <QuantizedFormat Format>
inline constexpr Index byte_gemm_min_tokens = Format::bits == 8 ? 32 : 48;

// Scale blocks multiplied before their products are scaled and added up, by four tiles each.
inline constexpr Index blocks_at_once = 4;

// The products of some scale blocks, block by block: of `Panels` panels of tokens with two row groups of weights,
// integers as [scale block][row group][token][16 rows].
template <int Panels, Index BlockCols>
inline void multiply_blocks(const std::int8_t* tokens, Index token_stride, Index panel_bytes,
                            const std::uint8_t* values, Index group_stride, Index blocks, std::int32_t* products,
                            Prefetcher& prefetcher) noexcept {
    constexpr Index panel_products = Blocking::panel_tokens * group_rows, group_products = 2 * panel_products;
    for (Index b = 0; b < blocks; ++b, products += 2 * group_products) {
        prefetcher.issue();
        const std::int8_t* const x = tokens + b * BlockCols;
        const std::uint8_t* const w = values + b * BlockCols * group_rows;
        load_weights<0>(w);
        load_tokens<0>(x, token_stride);
        zero_sum<0, 0>();
        add_byte_products<0, 0>();
        load_weights<1>(w + group_stride);
        zero_sum<0, 1>();
        add_byte_products<0, 1>();
        if constexpr (Panels == 2) {
            load_tokens<1>(x + panel_bytes, token_stride);
            zero_sum<1, 0>();
            add_byte_products<1, 0>();
            zero_sum<1, 1>();
            add_byte_products<1, 1>();
        }
        store_sum<0, 0>(products, 64);
        store_sum<0, 1>(products + group_products, 64);
        if constexpr (Panels == 2) {
            store_sum<1, 0>(products + panel_products, 64);
            store_sum<1, 1>(products + group_products + panel_products, 64);
        }
    }
}

// y (+)= products · scales, for `Blocks` scale blocks of a row group and some tokens.
template <int Blocks>
inline void add_products(const std::int32_t* products, Index tokens, const float* token_scales, const float* row_scales,
                         float* y, Index y_stride, bool first, __mmask16 rows) noexcept {
    constexpr Index block_products = 2 * 2 * Blocking::panel_tokens * group_rows;
    V by_row[Blocks];
#pragma GCC unroll 4
    for (int b = 0; b < Blocks; ++b) by_row[b] = Simd::load(row_scales + b * rows_per_task);
    for (Index t = 0; t < tokens; ++t, y += y_stride, products += group_rows, ++token_scales) {
        V sum = first ? Simd::zero() : _mm512_maskz_loadu_ps(rows, y);
#pragma GCC unroll 4
        for (int b = 0; b < Blocks; ++b)
            sum = Simd::mul_add(IntDot::to_float(_mm512_load_si512(products + b * block_products)),
                                Simd::mul(by_row[b], Simd::set(token_scales[b * 2 * Blocking::panel_tokens])), sum);
        _mm512_mask_storeu_ps(y, rows, sum);
    }
}

// Rows [begin, end), whole row groups and, unless weights are column-major, at most rows_per_task rows, of y = W x for
// tokens packed by quantize_activations.
template <QuantizedFormat Format>
void byte_gemm(const WeightMatrix& matrix, Index begin, Index end, const Activations& x, Index tokens, float* y,
               Index y_stride, float* scratch) noexcept {
    constexpr Index block_cols = Format::block_cols, depth_blocks = 512 / block_cols;
    constexpr Index panel_tokens = Blocking::panel_tokens;
    static_assert(depth_blocks * rows_per_task + depth_blocks * block_cols * rows_per_task / 4 <= scratch_floats(0));
    const WeightView<Format> weights(matrix);
    const bool by_columns = weights.layout() == Layout::column_major;
    const Index blocks = weights.blocks();
    float* const row_scales = scratch;  // [scale block][row]
    auto* const values = reinterpret_cast<std::uint8_t*>(scratch + depth_blocks * rows_per_task);
    const __m512i sign = _mm512_set1_epi8(-128);  // makes the values signed, as tiles want them
    alignas(64) std::int32_t products[blocks_at_once][2][2][panel_tokens][group_rows];
    float token_scales[depth_blocks][2 * panel_tokens];
    const ConfiguredTiles<block_cols> tiles;
    for (Index b = 0; b < blocks; b += depth_blocks) {
        const Index here = (std::min)(depth_blocks, blocks - b), group_bytes = here * block_cols * group_rows;
        for (Index r = begin, next; r < end; r = next) {
            next = by_columns ? (std::min)(r + rows_of_steps, end) : end;
            const bool last = next == end;
            const Index groups = row_groups(next - r), first_group = r / group_rows;
            if (by_columns)
                unpack_columns(weights, r, b, here, last ? begin : next, last ? b + depth_blocks : b, sign, values);
            else
                unpack_values(weights, first_group, groups, b, here, sign, values);
            unpack_scales(weights, first_group, groups, b, here, rows_per_task, row_scales);
            Prefetcher prefetcher;
            if (!by_columns) prefetcher = next_blocks(weights, begin, end, b, depth_blocks);
            prefetcher.schedule((token_panels(tokens) + 1) / 2 * ((groups + 1) / 2) * here);
            compiler_fence();
            for_panel_pairs(token_panels(tokens), [&]<int Panels>(Index p, std::integral_constant<int, Panels>) {
                const auto panel = [&](Index i) {
                    return QuantizedPanel<std::int8_t>(x.panels + i * x.panel_bytes, weights.cols(), block_cols);
                };
                const Index count = (std::min)(Panels * panel_tokens, tokens - p * panel_tokens);
                for (Index t = 0; t < count; ++t) {
                    const ActivationScale* const scales = panel(p + t / panel_tokens).scales(t % panel_tokens);
                    for (Index i = 0; i < here; ++i) token_scales[i][t] = scales[b + i].scale;
                }
                for (Index g = 0; g < groups; g += 2) {
                    const Index two = std::min<Index>(2, groups - g);  // a single group is multiplied twice
                    for_token_runs<blocks_at_once>(here, [&]<int Blocks>(Index i, std::integral_constant<int, Blocks>) {
                        multiply_blocks<Panels, block_cols>(
                            panel(p).values(0) + (b + i) * block_cols, blocks * block_cols, x.panel_bytes,
                            values + g * group_bytes + i * block_cols * group_rows, (two - 1) * group_bytes, Blocks,
                            products[0][0][0][0], prefetcher);
                        for (Index h = g; h < g + two; ++h) {
                            const Index missing_rows = std::max<Index>(0, (h + 1) * group_rows - (next - r));
                            add_products<Blocks>(products[0][h - g][0][0], count, token_scales[i],
                                                 row_scales + i * rows_per_task + h * group_rows,
                                                 y + p * panel_tokens * y_stride + r + h * group_rows, y_stride,
                                                 b + i == 0, static_cast<__mmask16>(0xffff >> missing_rows));
                        }
                    });
                }
            });
        }
    }
}

}  // namespace rwkv::inline RWKV_ABI::kernels::RWKV_TARGET

#include <rwkv/kernels/simd/end_target.inl>
