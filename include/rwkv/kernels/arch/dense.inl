// Products with float activations and weights of one number each, written once over a `Simd` of the including namespace
// and compiled for its instruction set: each arch/*.hpp includes this file inside its own namespace and target region.
// Not a header of its own.

// Registers for the rows of a group.
inline constexpr int parts = static_cast<int>(group_rows) / Simd::width;

// Asks for what will be read soon after `now` in a long run: for the second-level cache early, for the first in time.
inline void read_ahead(const char* now) noexcept {
    Simd::prefetch_far(now + 12288);
    Simd::prefetch(now + 4096);
}

// y = W x of one group for `Tokens` tokens. The group is read once, in order, which is what the memory likes best;
// several sums for each row and token hide the latency of the additions.
template <int Tokens, class T>
inline void dot_group(const T* w, Index cols, const float* x, Index x_stride, float* y, Index y_stride,
                      Index rows) noexcept {
    constexpr int step = 8, chains = std::max(1, 8 / (Tokens * parts));
    constexpr Index cache_line = 64, bytes = step * group_rows * static_cast<Index>(sizeof(T));
    V sums[Tokens][chains][parts];
#pragma GCC unroll 8
    for (int t = 0; t < Tokens; ++t)
#pragma GCC unroll 8
        for (int c = 0; c < chains; ++c)
#pragma GCC unroll 4
            for (int p = 0; p < parts; ++p) sums[t][c][p] = Simd::zero();
    const auto column = [&](Index k, int chain) {
        V weights[parts];
#pragma GCC unroll 4
        for (int p = 0; p < parts; ++p) weights[p] = Simd::load(w + k * group_rows + p * Simd::width);
#pragma GCC unroll 8
        for (int t = 0; t < Tokens; ++t) {
            const V token = Simd::broadcast(x + t * x_stride + k);
#pragma GCC unroll 4
            for (int p = 0; p < parts; ++p)
                sums[t][chain][p] = Simd::multiply_add(weights[p], token, sums[t][chain][p]);
        }
    };
    Index k = 0;
    for (; k + step <= cols; k += step) {
        const auto* const now = reinterpret_cast<const char*>(w + k * group_rows);
#pragma GCC unroll 8
        for (Index i = 0; i < bytes; i += cache_line) read_ahead(now + i);
#pragma GCC unroll 8
        for (int i = 0; i < step; ++i) column(k + i, i % chains);
    }
    for (; k < cols; ++k) column(k, 0);
    for (int t = 0; t < Tokens; ++t, y += y_stride) {
        float all_rows[group_rows];
#pragma GCC unroll 4
        for (int p = 0; p < parts; ++p) {
#pragma GCC unroll 8
            for (int c = 1; c < chains; ++c) sums[t][0][p] = Simd::add(sums[t][0][p], sums[t][c][p]);
            Simd::store(all_rows + p * Simd::width, sums[t][0][p]);
        }
        std::copy_n(all_rows, rows, y);
    }
}

// The last, partial register of a row: a copy padded with zeros.
template <class T>
inline V load_first(const T* source, Index count) noexcept {
    T padded_copy[Simd::width] = {};
    std::memcpy(static_cast<void*>(padded_copy), static_cast<const void*>(source),
                static_cast<std::size_t>(count) * sizeof(T));
    return Simd::load(padded_copy);
}

// y[t] = w · x[t] for `Tokens` tokens and one row that lies by itself.
template <int Tokens, class T>
inline void dot_row(const T* w, Index cols, const float* x, Index x_stride, float* y, Index y_stride) noexcept {
    constexpr int unroll = std::max(1, 4 / Tokens);
    constexpr Index step = Simd::width * unroll, cache_line = 64;
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

// Rows [begin, end), whole groups, of y = W x for a few tokens.
template <DenseFormat Format>
void few_tokens(const WeightMatrix<Format>& weights, Index begin, Index end, const Input& x, Index tokens, float* y,
                Index y_stride, float*) noexcept {
    for (Index r = begin; r < end; r += group_rows) {
        const Index rows = std::min(group_rows, end - r), cols = weights.cols();
        over_some<Simd::few>(tokens, [&]<int Tokens>(Index t, std::integral_constant<int, Tokens>) {
            const float* const from = x.values + t * x.stride;
            float* const to = y + t * y_stride + r;
            if (weights.layout() == Layout::by_group)
                dot_group<Tokens>(weights.group(r / group_rows), cols, from, x.stride, to, y_stride, rows);
            else
                for (Index i = 0; i < rows; ++i)
                    dot_row<Tokens>(weights.row(r + i), cols, from, x.stride, to + i, y_stride);
        });
    }
}

// to[c][r] = from[r][c] for as many columns as there are and `rows` rows, then zeros.
inline void transpose_group(const float* from, Index from_stride, Index rows, Index cols, float* to) noexcept {
    const Index whole_rows = rows / 8 * 8, whole_cols = cols / 8 * 8;
    for (Index c = 0; c < whole_cols; c += 8)
        for (Index r = 0; r < whole_rows; r += 8)
            Simd::transpose_8x8(from + r * from_stride + c, from_stride, to + c * group_rows + r, group_rows);
    for (Index r = 0; r < group_rows; ++r)
        for (Index c = r < whole_rows ? whole_cols : 0; c < cols; ++c)
            to[c * group_rows + r] = r < rows ? from[r * from_stride + c] : 0;
}

// The weights [begin, end) × [k, k + depth) as floats, group after group without gaps; depth is at most block_depth.
template <DenseFormat Format>
inline void widen(const WeightMatrix<Format>& weights, Index begin, Index end, Index k, Index depth,
                  float* block) noexcept {
    for (Index r = begin; r < end; r += group_rows, block += group_rows * depth) {
        if (weights.layout() == Layout::by_group) {
            const auto* const group = weights.group(r / group_rows) + k * group_rows;
            for (Index i = 0; i < depth * group_rows; i += Simd::width) Simd::store(block + i, Simd::load(group + i));
        } else {
            const Index rows = std::min(group_rows, end - r);
            float widened[group_rows * block_depth];
            for (Index i = 0; i < rows; ++i) weights.copy_row(r + i, k, k + depth, widened + i * depth);
            transpose_group(widened, depth, rows, depth, block);
        }
    }
}

// What is read after [begin, end) × [k, k + depth) of x's features, as many of them or the last.
template <DenseFormat Format>
inline Ahead after(const WeightMatrix<Format>& weights, Index begin, Index end, const Input& x, Index k,
                   Index depth) noexcept {
    Index next = k + depth;
    if (next >= x.end) {
        next = x.begin;
        const Index rows = end - begin;
        begin = end;
        end = std::min(end + rows, weights.rows());
    }
    if (begin >= end) return {};
    constexpr auto size = static_cast<Index>(sizeof(typename Format::Storage));
    const Index bytes = std::min(depth, x.end - next) * size, stride = weights.cols() * size;
    if (weights.layout() == Layout::by_row) return {weights.row(begin) + next, stride, end - begin, bytes};
    return {weights.group(begin / group_rows) + next * group_rows, stride * group_rows, weights.groups(end - begin),
            bytes * group_rows};
}
