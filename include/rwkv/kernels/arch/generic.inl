// The float kernels, written once over a `Simd` of the including namespace and compiled for its instruction set:
// each arch/*.hpp includes this file inside its own namespace and target region. Not a header of its own.

using V = Simd::V;

// The last, partial register of a row: a copy padded with zeros.
template <class T>
inline V load_first(const T* source, Index count) noexcept {
    T padded_copy[Simd::width] = {};
    std::memcpy(static_cast<void*>(padded_copy), static_cast<const void*>(source),
                static_cast<std::size_t>(count) * sizeof(T));
    return Simd::load(padded_copy);
}

// y[t] = w · x[t] for `Tokens` tokens. A row is read once, in order, which is what the memory likes best; the
// accumulators in parallel hide the latency of the additions.
template <int Tokens, class T>
inline void dot_row(const T* w, Index cols, const float* x, Index x_stride, float* y, Index y_stride) noexcept {
    constexpr int unroll = Tokens == 1 ? 4 : Tokens == 2 ? 2 : 1;
    constexpr Index step = Simd::width * unroll;
    V sums[Tokens][unroll];
#pragma GCC unroll 8
    for (int t = 0; t < Tokens; ++t)
#pragma GCC unroll 8
        for (int u = 0; u < unroll; ++u) sums[t][u] = Simd::zero();
    Index k = 0;
    for (; k + step <= cols; k += step) {
        Simd::prefetch(w + k);
#pragma GCC unroll 8
        for (int u = 0; u < unroll; ++u) {
            const V weights = Simd::load(w + k + u * Simd::width);
#pragma GCC unroll 8
            for (int t = 0; t < Tokens; ++t)
                sums[t][u] = Simd::multiply_add(weights, Simd::load(x + t * x_stride + k + u * Simd::width), sums[t][u]);
        }
    }
    for (; k < cols; k += Simd::width) {
        const Index count = std::min<Index>(Simd::width, cols - k);
        const V weights = load_first(w + k, count);
#pragma GCC unroll 8
        for (int t = 0; t < Tokens; ++t)
            sums[t][0] = Simd::multiply_add(weights, load_first(x + t * x_stride + k, count), sums[t][0]);
    }
#pragma GCC unroll 8
    for (int t = 0; t < Tokens; ++t) {
#pragma GCC unroll 8
        for (int u = 1; u < unroll; ++u) sums[t][0] = Simd::add(sums[t][0], sums[t][u]);
        y[t * y_stride] = Simd::sum(sums[t][0]);
    }
}

// Rows [begin, end) of y = W x for a few tokens, straight from the activations.
template <class T>
void dot_rows(const T* weights, Index cols, Index begin, Index end, const float* x, Index x_stride, Index tokens,
              float* y, Index y_stride) noexcept {
    for (Index r = begin; r < end; ++r) {
        const T* w = weights + r * cols;
        Index t = 0;
        for (; t + 4 <= tokens; t += 4) dot_row<4>(w, cols, x + t * x_stride, x_stride, y + t * y_stride + r, y_stride);
        for (; t + 2 <= tokens; t += 2) dot_row<2>(w, cols, x + t * x_stride, x_stride, y + t * y_stride + r, y_stride);
        if (t < tokens) dot_row<1>(w, cols, x + t * x_stride, x_stride, y + t * y_stride + r, y_stride);
    }
}

// to[c][r] = from[r][c]
inline void transpose(const float* from, Index from_stride, Index rows, Index cols, float* to,
                      Index to_stride) noexcept {
    const Index whole_rows = rows / 8 * 8, whole_cols = cols / 8 * 8;
    for (Index r = 0; r < whole_rows; r += 8)
        for (Index c = 0; c < whole_cols; c += 8)
            Simd::transpose_8x8(from + r * from_stride + c, from_stride, to + c * to_stride + r, to_stride);
    for (Index r = 0; r < rows; ++r)
        for (Index c = r < whole_rows ? whole_cols : 0; c < cols; ++c) to[c * to_stride + r] = from[r * from_stride + c];
}

// One panel of tokens, feature by feature: packed[k][t] = x[t][k], zeros past the last token.
inline void pack_panel(const float* x, Index x_stride, Index tokens, Index cols, float* packed) noexcept {
    if (tokens < panel) std::fill_n(packed, panel * cols, 0.0f);
    transpose(x, x_stride, tokens, cols, packed, panel);
}

// A block of weights as floats, row after row without gaps, so that rows a power of two apart in the file do not
// fight over one cache set.
template <class T>
inline void widen(const T* weights, Index stride, Index rows, Index cols, float* block) noexcept {
    for (Index r = 0; r < rows; ++r, weights += stride, block += cols) {
        Index k = 0;
        for (; k + Simd::width <= cols; k += Simd::width) Simd::store(block + k, Simd::load(weights + k));
        for (; k < cols; ++k) block[k] = static_cast<float>(weights[k]);
    }
}

// c (+)= a · b for `Rows` rows of weights and `Panels` panels of packed tokens, accumulated in registers.
template <int Rows, int Panels>
inline void tile(const float* a, Index a_stride, const float* b, Index b_stride, Index depth, float* c, Index c_stride,
                 bool first) noexcept {
    constexpr int per_panel = panel / Simd::width, columns = Panels * per_panel;
    V sums[Rows][columns];
#pragma GCC unroll 16
    for (int r = 0; r < Rows; ++r)
#pragma GCC unroll 16
        for (int j = 0; j < columns; ++j)
            sums[r][j] = first ? Simd::zero() : Simd::load(c + r * c_stride + j * Simd::width);
    for (Index k = 0; k < depth; ++k) {
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
    }
#pragma GCC unroll 16
    for (int r = 0; r < Rows; ++r)
#pragma GCC unroll 16
        for (int j = 0; j < columns; ++j) Simd::store(c + r * c_stride + j * Simd::width, sums[r][j]);
}

template <int Panels>
inline void tile_rows(const float* a, Index a_stride, Index rows, const float* b, Index b_stride, Index depth, float* c,
                      Index c_stride, bool first) noexcept {
    Index r = 0;
    for (; r + Simd::tile_rows <= rows; r += Simd::tile_rows)
        tile<Simd::tile_rows, Panels>(a + r * a_stride, a_stride, b, b_stride, depth, c + r * c_stride, c_stride, first);
    for (; r < rows; ++r) tile<1, Panels>(a + r * a_stride, a_stride, b, b_stride, depth, c + r * c_stride, c_stride, first);
}

// Rows [begin, end), at most block_rows of them, of y = W x for tokens packed in panels of packed[cols][panel].
// `scratch` holds block_rows × (block_depth + padded(tokens)) floats.
template <class T>
void packed_rows(const T* weights, Index cols, Index begin, Index end, const float* packed, Index tokens, float* y,
                 Index y_stride, float* scratch) noexcept {
    const Index rows = end - begin, columns = padded(tokens), panels = columns / panel, panel_stride = cols * panel;
    float* const block = scratch;
    float* const sums = scratch + block_rows * block_depth;
    for (Index k = 0; k < cols; k += block_depth) {
        const Index depth = std::min(block_depth, cols - k);
        widen(weights + begin * cols + k, cols, rows, depth, block);
        Index p = 0;
        const auto column_of_tiles = [&]<int Panels>(std::integral_constant<int, Panels>) {
            tile_rows<Panels>(block, depth, rows, packed + p * panel_stride + k * panel, panel_stride, depth,
                              sums + p * panel, columns, k == 0);
            p += Panels;
        };
        while (panels - p >= Simd::tile_panels) column_of_tiles(std::integral_constant<int, Simd::tile_panels>{});
        if constexpr (Simd::tile_panels > 2)
            if (panels - p == 2) column_of_tiles(std::integral_constant<int, 2>{});
        if (panels - p == 1) column_of_tiles(std::integral_constant<int, 1>{});
    }
    transpose(sums, columns, rows, tokens, y + begin, y_stride);
}
