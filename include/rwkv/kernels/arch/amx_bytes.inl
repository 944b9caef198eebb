// Products of quantized weights with many tokens, both as bytes, on tiles. Not a header of its own.

/// With fewer tokens than this AVX-512 takes no longer.
template <QuantizedFormat Format>
inline constexpr Index fewest_byte_tokens = Format::bits == 8 ? 32 : 48;

// Blocks multiplied before their products are scaled and added up, by four tiles each.
inline constexpr Index blocks_at_once = 4;

// The products of some blocks, one by one: of `Panels` panels of tokens with two groups of weights, whole numbers as
// [block][group][token][16 rows]. Asks for what comes next, too.
template <int Panels, Index BlockCols>
inline void multiply_blocks(const std::int8_t* tokens, Index token_stride, Index panel_bytes, const std::uint8_t* codes,
                            Index group_stride, Index blocks, std::int32_t* products, Ahead& ahead) noexcept {
    constexpr Index of_panel = panel * group_rows, of_group = 2 * of_panel;
    for (Index b = 0; b < blocks; ++b, products += 2 * of_group) {
        ahead.ask();
        const std::int8_t* const x = tokens + b * BlockCols;
        const std::uint8_t* const w = codes + b * BlockCols * group_rows;
        _tile_loadd(6, w, 64);
        _tile_loadd(4, x, token_stride);
        _tile_zero(0);
        _tile_dpbssd(0, 4, 6);
        _tile_loadd(7, w + group_stride, 64);
        _tile_zero(1);
        _tile_dpbssd(1, 4, 7);
        if constexpr (Panels == 2) {
            _tile_loadd(5, x + panel_bytes, token_stride);
            _tile_zero(2);
            _tile_dpbssd(2, 5, 6);
            _tile_zero(3);
            _tile_dpbssd(3, 5, 7);
        }
        _tile_stored(0, products, 64);
        _tile_stored(1, products + of_group, 64);
        if constexpr (Panels == 2) {
            _tile_stored(2, products + of_panel, 64);
            _tile_stored(3, products + of_group + of_panel, 64);
        }
    }
}

// sums (+)= those products, scaled: of `Blocks` blocks, a group and some tokens.
template <int Blocks>
inline void add_products(const std::int32_t* products, Index tokens, const float* token_scales, const float* row_scales,
                         float* y, Index y_stride, bool first, __mmask16 rows) noexcept {
    constexpr Index of_block = 2 * 2 * panel * group_rows;
    V by_row[Blocks];
#pragma GCC unroll 4
    for (int b = 0; b < Blocks; ++b) by_row[b] = Simd::load(row_scales + b * turn_rows);
    for (Index t = 0; t < tokens; ++t, y += y_stride, products += group_rows, ++token_scales) {
        V sum = first ? Simd::zero() : _mm512_maskz_loadu_ps(rows, y);
#pragma GCC unroll 4
        for (int b = 0; b < Blocks; ++b)
            sum = Simd::multiply_add(Codes::total(_mm512_load_si512(products + b * of_block)),
                                     Simd::multiply(by_row[b], Simd::broadcast(token_scales[b * 2 * panel])), sum);
        _mm512_mask_storeu_ps(y, rows, sum);
    }
}

// What is read after rows [begin, end) × `slice` blocks from `block` on.
template <QuantizedFormat Format>
inline Ahead after(const WeightMatrix<Format>& weights, Index begin, Index end, Index block, Index slice) noexcept {
    Index next = block + slice;
    if (next >= weights.blocks()) {
        next = 0;
        const Index rows = end - begin;
        begin = end;
        end = std::min(end + rows, weights.rows());
    }
    if (begin >= end) return {};
    constexpr Index block_bytes = Format::block_cols * group_rows * Format::bits / 8;
    return {weights.codes(begin / group_rows) + next * block_bytes, weights.group_bytes(weights.cols()),
            weights.groups(end - begin), std::min(slice, weights.blocks() - next) * block_bytes};
}

// Rows [begin, end), whole groups and at most turn_rows of them, of y = W x for tokens coded as bytes.
template <QuantizedFormat Format>
void byte_tokens(const WeightMatrix<Format>& weights, Index begin, Index end, const Input& x, Index tokens, float* y,
                 Index y_stride, float* scratch) noexcept {
    constexpr Index block_cols = Format::block_cols, slice = 512 / block_cols;
    static_assert(slice * turn_rows + slice * block_cols * turn_rows / 4 <= block_floats(0));
    const Index groups = weights.groups(end - begin), first_group = begin / group_rows, blocks = weights.blocks();
    float* const row_scales = scratch;  // [block][row]
    auto* const codes = reinterpret_cast<std::uint8_t*>(scratch + slice * turn_rows);
    const __m512i excess = _mm512_set1_epi8(-128);  // tiles multiply signed bytes
    alignas(64) std::int32_t products[blocks_at_once][2][2][panel][group_rows];
    float token_scales[slice][2 * panel];
    const Tiles<block_cols> tiles;
    for (Index b = 0; b < blocks; b += slice) {
        const Index here = std::min(slice, blocks - b), group_bytes = here * block_cols * group_rows;
        unpack(weights, first_group, groups, b, here, excess, codes);
        widen_scales(weights, first_group, groups, b, here, turn_rows, row_scales);
        Ahead ahead = after(weights, begin, end, b, slice);
        ahead.spread((padded(tokens) / panel + 1) / 2 * ((groups + 1) / 2) * here);
        written();
        by_twos(padded(tokens) / panel, [&]<int Panels>(Index p, std::integral_constant<int, Panels>) {
            const CodedPanel<std::int8_t> coded(x.panels + p * x.panel_bytes, weights.cols(), block_cols);
            const Index count = std::min(Panels * panel, tokens - p * panel);
            for (Index t = 0; t < count; ++t) {
                const CodedPanel<std::int8_t> of(x.panels + (p + t / panel) * x.panel_bytes, weights.cols(),
                                                 block_cols);
                for (Index i = 0; i < here; ++i) token_scales[i][t] = of.scales(t % panel)[b + i].scale;
            }
            for (Index g = 0; g < groups; g += 2) {
                const Index two = std::min<Index>(2, groups - g);  // or the same group twice
                over_some<blocks_at_once>(here, [&]<int Blocks>(Index i, std::integral_constant<int, Blocks>) {
                    multiply_blocks<Panels, block_cols>(coded.values(0) + (b + i) * block_cols, blocks * block_cols,
                                                        x.panel_bytes,
                                                        codes + g * group_bytes + i * block_cols * group_rows,
                                                        (two - 1) * group_bytes, Blocks, products[0][0][0][0], ahead);
                    for (Index h = g; h < g + two; ++h) {
                        const Index past = std::max<Index>(0, (h + 1) * group_rows - (end - begin));
                        add_products<Blocks>(products[0][h - g][0][0], count, token_scales[i],
                                             row_scales + i * turn_rows + h * group_rows,
                                             y + p * panel * y_stride + begin + h * group_rows, y_stride, b + i == 0,
                                             static_cast<__mmask16>(0xffff >> past));
                    }
                });
            }
        });
    }
}
