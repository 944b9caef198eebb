// Products with many tokens over weights widened to floats block by block: the same for every format. Not a header of
// its own.

// y (+)= W x for `Groups` groups of weights as floats and `Tokens` tokens, accumulated in registers. Between the
// multiplications asks for what comes next, for every eight columns.
template <int Groups, int Tokens>
inline void tile(const float* w, Index w_stride, const float* x, Index x_stride, Index depth, float* y, Index y_stride,
                 bool first, Ahead& ahead) noexcept {
    constexpr int across = Groups * parts;
    V sums[Tokens][across];
    const auto place = [&](int t, int i) {
        return y + t * y_stride + i / parts * group_rows + i % parts * Simd::width;
    };
#pragma GCC unroll 8
    for (int t = 0; t < Tokens; ++t)
#pragma GCC unroll 4
        for (int i = 0; i < across; ++i) sums[t][i] = first ? Simd::zero() : Simd::load(place(t, i));
    const auto column = [&](Index k) {
        V weights[across];
#pragma GCC unroll 4
        for (int i = 0; i < across; ++i)
            weights[i] = Simd::load(w + i / parts * w_stride + k * group_rows + i % parts * Simd::width);
#pragma GCC unroll 8
        for (int t = 0; t < Tokens; ++t) {
            const V token = Simd::broadcast(x + t * x_stride + k);
#pragma GCC unroll 4
            for (int i = 0; i < across; ++i) sums[t][i] = Simd::multiply_add(weights[i], token, sums[t][i]);
        }
    };
    Index k = 0;
    for (; k + 8 <= depth; k += 8) {
        ahead.ask();
#pragma GCC unroll 2
        for (Index i = 0; i < 8; ++i) column(k + i);
    }
    for (; k < depth; ++k) column(k);
#pragma GCC unroll 8
    for (int t = 0; t < Tokens; ++t)
#pragma GCC unroll 4
        for (int i = 0; i < across; ++i) Simd::store(place(t, i), sums[t][i]);
}

// What a block of weights as floats adds to the tokens: `whole` groups of rows to y, and the next, where `rest` is not
// 0, to last_group, [token][16 rows]. Not part of many_tokens, because it is the same for every format.
inline void multiply_block(const float* w, Index w_stride, Index whole, Index rest, const float* x, Index x_stride,
                           Index depth, Index tokens, float* y, Index y_stride, float* last_group, bool first,
                           Ahead ahead) noexcept {
    ahead.spread(std::max<Index>(1, (tokens + Simd::tile_tokens - 1) / Simd::tile_tokens * (depth / 8)));
    over_some<Simd::tile_tokens>(tokens, [&]<int Tokens>(Index t, std::integral_constant<int, Tokens>) {
        const float* const from = x + t * x_stride;
        float* const to = y + t * y_stride;
        Index g = 0;
        for (; whole - g >= Simd::tile_groups; g += Simd::tile_groups)
            tile<Simd::tile_groups, Tokens>(w + g * w_stride, w_stride, from, x_stride, depth, to + g * group_rows,
                                            y_stride, first, ahead);
        if constexpr (Simd::tile_groups > 1)
            for (; g < whole; ++g)
                tile<1, Tokens>(w + g * w_stride, w_stride, from, x_stride, depth, to + g * group_rows, y_stride, first,
                                ahead);
        if (rest > 0)
            tile<1, Tokens>(w + g * w_stride, w_stride, from, x_stride, depth, last_group + t * group_rows, group_rows,
                            first, ahead);
    });
}

// Rows [begin, end), at most block_rows of them and from a whole group on, of y = W x, or of one slab's part of it.
// `scratch` holds block_floats(tokens) floats.
template <class Format>
void many_tokens(const WeightMatrix<Format>& weights, Index begin, Index end, const Input& x, Index tokens, float* y,
                 Index y_stride, float* scratch) noexcept {
    const Index whole = (end - begin) / group_rows, rest = (end - begin) % group_rows;
    float* const block = scratch;
    float* const last_group = scratch + block_rows * block_depth;  // [token][16 rows], of which `rest` are results
    if (rest > 0 && x.begin > 0)
        for (Index t = 0; t < tokens; ++t)
            std::copy_n(y + t * y_stride + begin + whole * group_rows, rest, last_group + t * group_rows);
    for (Index k = x.begin; k < x.end; k += block_depth) {
        const Index depth = std::min(block_depth, x.end - k);
        const float* w = block;
        Index stride = depth * group_rows;
        if constexpr (std::is_same_v<Format, F32>) {
            if (weights.layout() == Layout::by_group) {
                w = weights.group(begin / group_rows) + k * group_rows;
                stride = weights.cols() * group_rows;
            }
        }
        if (w == block) widen(weights, begin, end, k, depth, block);
        multiply_block(w, stride, whole, rest, x.values + k, x.stride, depth, tokens, y + begin, y_stride, last_group,
                       k == 0, after(weights, begin, end, x, k, block_depth));
    }
    if (rest > 0)
        for (Index t = 0; t < tokens; ++t)
            std::copy_n(last_group + t * group_rows, rest, y + t * y_stride + begin + whole * group_rows);
}
