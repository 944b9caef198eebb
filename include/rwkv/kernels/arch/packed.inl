// Products with many tokens, packed in panels of floats, over weights widened to floats block by block: the same for
// every format. Not a header of its own.

// c (+)= a · b for `Rows` rows of weights and `Panels` panels of packed tokens, accumulated in registers.
template <int Rows, int Panels>
inline void tile(const float* a, Index a_stride, const float* b, Index b_stride, Index depth, float* c, Index c_stride,
                 bool first, Ahead& ahead) noexcept {
    constexpr int per_panel = panel / Simd::width, columns = Panels * per_panel;
    V sums[Rows][columns];
#pragma GCC unroll 16
    for (int r = 0; r < Rows; ++r)
#pragma GCC unroll 16
        for (int j = 0; j < columns; ++j)
            sums[r][j] = first ? Simd::zero() : Simd::load(c + r * c_stride + j * Simd::width);
    const auto step = [&](Index k) {
        V tokens[columns];
#pragma GCC unroll 16
        for (int j = 0; j < columns; ++j)
            tokens[j] = Simd::load(b + (j / per_panel) * b_stride + k * panel + (j % per_panel) * Simd::width);
#pragma GCC unroll 16
        for (int r = 0; r < Rows; ++r) {
            const V weight = Simd::broadcast(a + r * a_stride + k);
#pragma GCC unroll 16
            for (int j = 0; j < columns; ++j) sums[r][j] = Simd::multiply_add(weight, tokens[j], sums[r][j]);
        }
    };
    Index k = 0;
    for (; k + 8 <= depth; k += 8) {
        ahead.four_lines();
        for (Index i = 0; i < 8; ++i) step(k + i);
    }
    for (; k < depth; ++k) step(k);
#pragma GCC unroll 16
    for (int r = 0; r < Rows; ++r)
#pragma GCC unroll 16
        for (int j = 0; j < columns; ++j) Simd::store(c + r * c_stride + j * Simd::width, sums[r][j]);
}

// Rows [begin, end), at most block_rows of them, of y = W x for tokens packed in panels of [cols][panel] floats.
// `scratch` holds block_rows × (block_depth + padded(tokens)) floats.
template <class Format>
void packed_tokens(const WeightMatrix<Format>& weights, Index begin, Index end, const Input& x, Index tokens, float* y,
                   Index y_stride, float* scratch) noexcept {
    const Index rows = end - begin, cols = weights.cols(), columns = padded(tokens), panels = columns / panel;
    const Index panel_stride = static_cast<Index>(panel_bytes(cols) / sizeof(float));
    const auto* const packed = reinterpret_cast<const float*>(x.panels);
    float* const block = scratch;
    float* const sums = scratch + block_rows * block_depth;
    for (Index k = 0; k < cols; k += block_depth) {
        const Index depth = std::min(block_depth, cols - k);
        const float* a = block;
        Index a_stride = depth;
        if constexpr (std::is_same_v<Format, F32>) {
            a = weights.row(begin) + k;
            a_stride = cols;
        } else {
            widen(weights, begin, end, k, depth, block);
        }
        Index p = 0;
        const auto tiles = [&]<int Panels>(std::integral_constant<int, Panels>) {
            Index r = 0;
            const auto next_tile = [&]<int Rows>(std::integral_constant<int, Rows>) {
                Ahead ahead = after(weights, begin, end, k, depth, r, Rows);
                tile<Rows, Panels>(a + r * a_stride, a_stride, packed + p * panel_stride + k * panel, panel_stride,
                                   depth, sums + r * columns + p * panel, columns, k == 0, ahead);
                r += Rows;
            };
            while (rows - r >= Simd::tile_rows) next_tile(std::integral_constant<int, Simd::tile_rows>{});
            while (rows - r >= 1) next_tile(std::integral_constant<int, 1>{});
            p += Panels;
        };
        while (panels - p >= Simd::tile_panels) tiles(std::integral_constant<int, Simd::tile_panels>{});
        if constexpr (Simd::tile_panels > 2)
            if (panels - p == 2) tiles(std::integral_constant<int, 2>{});
        if (panels - p == 1) tiles(std::integral_constant<int, 1>{});
    }
    transpose(sums, columns, rows, tokens, y + begin, y_stride);
}
