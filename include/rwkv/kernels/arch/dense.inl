// Products with float activations, written once over a `Simd` of the including namespace and compiled for its
// instruction set: each arch/*.hpp includes this file inside its own namespace and target region. Not a header of its
// own.

// Asks for weights before they are needed, a few cache lines at a time between the multiplications, so that memory and
// arithmetic do not wait for each other: the lines of `rows` rows, `bytes` of each.
class Ahead {
  public:
    Ahead(const void* first, Index stride, Index rows, Index bytes) noexcept
        : row_(static_cast<const char*>(first)), stride_(stride), rows_(rows), bytes_(bytes) {}

    void four_lines() noexcept {
        if (rows_ <= 0) return;
#pragma GCC unroll 4
        for (Index i = 0; i < 4; ++i) Simd::prefetch_far(row_ + at_ + i * 64);
        at_ += 4 * 64;
        if (at_ >= bytes_) at_ = 0, row_ += stride_, --rows_;
    }

  private:
    const char* row_;
    Index stride_, rows_, bytes_, at_ = 0;
};

// Asks for what will be read soon after `now` in a long run: for the second-level cache early, for the first in time.
inline void read_ahead(const char* now) noexcept {
    Simd::prefetch_far(now + 5120);
    Simd::prefetch(now + 1024);
}

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
    constexpr Index cache_line = 64;
    V sums[Tokens][unroll];
#pragma GCC unroll 8
    for (int t = 0; t < Tokens; ++t)
#pragma GCC unroll 8
        for (int u = 0; u < unroll; ++u) sums[t][u] = Simd::zero();
    Index k = 0;
    for (; k + step <= cols; k += step) {
        const auto* const now = reinterpret_cast<const char*>(w + k);
#pragma GCC unroll 4
        for (Index i = 0; i < step * static_cast<Index>(sizeof(T)); i += cache_line) read_ahead(now + i);
#pragma GCC unroll 8
        for (int u = 0; u < unroll; ++u) {
            const V weights = Simd::load(w + k + u * Simd::width);
#pragma GCC unroll 8
            for (int t = 0; t < Tokens; ++t)
                sums[t][u] =
                    Simd::multiply_add(weights, Simd::load(x + t * x_stride + k + u * Simd::width), sums[t][u]);
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
template <DenseFormat Format>
void few_tokens(const WeightMatrix<Format>& weights, Index begin, Index end, const Input& x, Index tokens, float* y,
                Index y_stride, float*) noexcept {
    for (Index r = begin; r < end; ++r) {
        const auto* const w = weights.row(r);
        Index t = 0;
        const auto pass = [&]<int Tokens>(std::integral_constant<int, Tokens>) {
            dot_row<Tokens>(w, weights.cols(), x.values + t * x.stride, x.stride, y + t * y_stride + r, y_stride);
            t += Tokens;
        };
        while (tokens - t >= 8) pass(std::integral_constant<int, 8>{});
        if (tokens - t >= 4) pass(std::integral_constant<int, 4>{});
        if (tokens - t >= 2) pass(std::integral_constant<int, 2>{});
        if (tokens - t >= 1) pass(std::integral_constant<int, 1>{});
    }
}

// to[c][r] = from[r][c]
inline void transpose(const float* from, Index from_stride, Index rows, Index cols, float* to,
                      Index to_stride) noexcept {
    const Index whole_rows = rows / 8 * 8, whole_cols = cols / 8 * 8;
    for (Index c = 0; c < whole_cols; c += 8)
        for (Index r = 0; r < whole_rows; r += 8)
            Simd::transpose_8x8(from + r * from_stride + c, from_stride, to + c * to_stride + r, to_stride);
    for (Index r = 0; r < rows; ++r)
        for (Index c = r < whole_rows ? whole_cols : 0; c < cols; ++c)
            to[c * to_stride + r] = from[r * from_stride + c];
}

// One panel of tokens, feature by feature: packed[k][t] = x[t][k], zeros past the last token.
inline void pack_panel(const float* x, Index x_stride, Index tokens, Index cols, std::byte* room) noexcept {
    auto* const packed = reinterpret_cast<float*>(room);
    if (tokens < panel) std::fill_n(packed, panel * cols, 0.0f);
    transpose(x, x_stride, tokens, cols, packed, panel);
}

// The weights [begin, end) × [k, k + depth) as floats, row after row without gaps, so that rows a power of two apart in
// the file do not fight over one cache set.
template <DenseFormat Format>
inline void widen(const WeightMatrix<Format>& weights, Index begin, Index end, Index k, Index depth,
                  float* block) noexcept {
    for (Index r = begin; r < end; ++r, block += depth) {
        const auto* const row = weights.row(r) + k;
        Index i = 0;
        for (; i + Simd::width <= depth; i += Simd::width) Simd::store(block + i, Simd::load(row + i));
        for (; i < depth; ++i) block[i] = static_cast<float>(row[i]);
    }
}

// What is needed after [begin, end) × [k, k + depth), for the rows from `r` on within it.
template <DenseFormat Format>
inline Ahead after(const WeightMatrix<Format>& weights, Index begin, Index end, Index k, Index depth, Index r,
                   Index rows) noexcept {
    const Index next = k + depth < weights.cols() ? k + depth : 0;
    const Index row = (next ? begin : end) + r;
    rows = std::min(rows, weights.rows() - row);
    if (rows <= 0) return Ahead(nullptr, 0, 0, 0);
    constexpr auto size = static_cast<Index>(sizeof(typename Format::Storage));
    return Ahead(weights.row(row) + next, weights.cols() * size, rows,
                 std::min(block_depth, weights.cols() - next) * size);
}
