// Products of quantized weights with many tokens, both as bytes. Not a header of its own.

// What of the rows of a tile and of some blocks lies ready: codes a byte each, scales as floats.
struct TileWeights {
    const std::uint8_t* codes;  ///< [group][step][16 rows][4 columns]
    Index group_stride;
    const float* scales;  ///< [block][group][16 rows]
};

// Scales of groups × blocks as floats, [block][group][16 rows], `stride` of them a block.
template <QuantizedFormat Format>
inline void widen_scales(const WeightMatrix<Format>& weights, Index first_group, Index groups, Index block,
                         Index blocks, Index stride, float* to) noexcept {
    for (Index g = 0; g < groups; ++g)
        for (Index b = 0; b < blocks; ++b)
            Simd::store(to + b * stride + g * group_rows,
                        Simd::load(weights.scales(first_group + g) + (block + b) * group_rows));
}

// Codes of groups × blocks, a byte each, with some bits of every 64 flipped: [group][block][step][16 rows][4 columns].
template <QuantizedFormat Format>
inline void unpack(const WeightMatrix<Format>& weights, Index first_group, Index groups, Index block, Index blocks,
                   __m512i flipped, std::uint8_t* to) noexcept {
    constexpr Index block_bytes = Format::block_cols * group_rows * Format::bits / 8;
    const auto put = [&](__m512i codes) {
        _mm512_storeu_si512(to, _mm512_xor_si512(codes, flipped));
        to += 64;
    };
    for (Index g = first_group; g < first_group + groups; ++g) {
        const std::uint8_t* codes = weights.codes(g) + block * block_bytes;
        for (const std::uint8_t* const end = codes + blocks * block_bytes; codes < end; codes += 64) {
            const __m512i bytes = Codes::load(codes);
            if constexpr (Format::bits == 8) {
                put(bytes);
            } else {
                put(Codes::low(bytes));
                put(Codes::high(bytes));
            }
        }
    }
}

// y (+)= W x for `Groups` groups of rows and `Tokens` tokens: a register for each pair of them, of whole numbers within
// a block and of floats over the blocks. `last` masks the rows of the last group.
template <int Groups, int Tokens, Index BlockCols>
inline void byte_tile(const TileWeights& weights, Index blocks, const std::int8_t* x, Index x_stride,
                      const CodedBlock* scales, Index scale_stride, float* y, Index y_stride, bool first,
                      __mmask16 last) noexcept {
    V sums[Groups][Tokens];
    const auto mask = [&](int g) { return g == Groups - 1 ? last : Simd::all; };
#pragma GCC unroll 4
    for (int g = 0; g < Groups; ++g)
#pragma GCC unroll 4
        for (int t = 0; t < Tokens; ++t)
            sums[g][t] = first ? Simd::zero() : _mm512_maskz_loadu_ps(mask(g), y + t * y_stride + g * group_rows);
    const std::uint8_t* codes = weights.codes;
    const float* row_scales = weights.scales;
    for (Index b = 0; b < blocks; ++b, ++scales, row_scales += block_rows) {
        __m512i products[Groups][Tokens];
#pragma GCC unroll 4
        for (int t = 0; t < Tokens; ++t) {
            const __m512i bias = _mm512_set1_epi32(scales[t * scale_stride].bias);
#pragma GCC unroll 4
            for (int g = 0; g < Groups; ++g) products[g][t] = bias;
        }
#pragma GCC unroll 2
        for (Index s = 0; s < BlockCols / step_cols; ++s, codes += 64, x += step_cols) {
            __m512i w[Groups];
#pragma GCC unroll 4
            for (int g = 0; g < Groups; ++g) w[g] = Codes::load(codes + g * weights.group_stride);
#pragma GCC unroll 4
            for (int t = 0; t < Tokens; ++t) {
                const __m512i four = Codes::four(x + t * x_stride);
#pragma GCC unroll 4
                for (int g = 0; g < Groups; ++g) products[g][t] = _mm512_dpbusd_epi32(products[g][t], w[g], four);
            }
        }
#pragma GCC unroll 4
        for (int t = 0; t < Tokens; ++t) {
            const V scale = Simd::broadcast(scales[t * scale_stride].scale);
#pragma GCC unroll 4
            for (int g = 0; g < Groups; ++g)
                sums[g][t] =
                    Simd::multiply_add(Codes::total(products[g][t]),
                                       Simd::multiply(scale, Simd::load(row_scales + g * group_rows)), sums[g][t]);
        }
    }
#pragma GCC unroll 4
    for (int g = 0; g < Groups; ++g)
#pragma GCC unroll 4
        for (int t = 0; t < Tokens; ++t) _mm512_mask_storeu_ps(y + t * y_stride + g * group_rows, mask(g), sums[g][t]);
}

// Rows [begin, end), whole groups and at most block_rows of them, of y = W x for tokens coded as bytes. `scratch` holds
// block_floats(tokens) floats.
template <QuantizedFormat Format>
void byte_tokens(const WeightMatrix<Format>& weights, Index begin, Index end, const Input& x, Index tokens, float* y,
                 Index y_stride, float* scratch) noexcept {
    constexpr Index block_cols = Format::block_cols, depth = 512, slice = depth / block_cols;
    static_assert(slice * block_rows * sizeof(float) + block_rows * depth <= block_floats(0) * sizeof(float));
    const Index groups = weights.groups(end - begin), first_group = begin / group_rows;
    const auto last = static_cast<__mmask16>(0xffff >> (groups * group_rows - (end - begin)));
    auto* const unpacked = reinterpret_cast<std::uint8_t*>(scratch + slice * block_rows);
    for (Index b = 0; b < weights.blocks(); b += slice) {
        const Index blocks = std::min(slice, weights.blocks() - b), steps = blocks * block_cols / step_cols;
        widen_scales(weights, first_group, groups, b, blocks, block_rows, scratch);
        TileWeights ready{weights.codes(first_group) + b * block_cols * group_rows * Format::bits / 8,
                          weights.group_bytes(weights.cols()), scratch};
        if constexpr (Format::bits == 4) {
            unpack(weights, first_group, groups, b, blocks, _mm512_setzero_si512(), unpacked);
            ready.codes = unpacked;
            ready.group_stride = steps * 64;
        }
        Index t = 0;
        while (t < tokens) {
            const Index p = t / panel;
            const CodedPanel<std::int8_t> coded(x.panels + p * x.panel_bytes, weights.cols(), block_cols);
            const auto tiles = [&]<int Groups, int Tokens>(std::integral_constant<int, Groups>,
                                                           std::integral_constant<int, Tokens>) {
                byte_tile<Groups, Tokens, block_cols>(ready, blocks, coded.values(t % panel) + b * block_cols,
                                                      coded.blocks() * block_cols, coded.scales(t % panel) + b,
                                                      coded.blocks(), y + t * y_stride + begin, y_stride, b == 0, last);
                t += Tokens;
            };
            const auto some_groups = [&]<int Tokens>(std::integral_constant<int, Tokens> some) {
                if (groups == 3) return tiles(std::integral_constant<int, 3>{}, some);
                if (groups == 2) return tiles(std::integral_constant<int, 2>{}, some);
                tiles(std::integral_constant<int, 1>{}, some);
            };
            if (tokens - t >= 4)
                some_groups(std::integral_constant<int, 4>{});
            else
                some_groups(std::integral_constant<int, 1>{});
        }
    }
}
