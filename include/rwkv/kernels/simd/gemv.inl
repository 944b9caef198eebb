// Skinny products: float activations of a few tokens, weights of a dense format as they are read.
#ifndef RWKV_TARGET
#include <rwkv/kernels/simd/alone.inl>

#include <rwkv/kernels/simd/token_runs.inl>
#endif
#include <rwkv/kernels/simd/begin_target.inl>

namespace rwkv::inline RWKV_ABI::kernels::RWKV_TARGET {

using V = Simd::V;

// Registers for a column of a row group.
inline constexpr int vectors_per_group = static_cast<int>(group_rows) / Simd::lanes;

// Prefetches what is read soon after `now` in a long run: early into the second-level cache, in time into the first.
inline void read_ahead(const char* now) noexcept {
    Simd::prefetch_l2(now + 12288);
    Simd::prefetch_l1(now + 4096);
}

// y = W x of one row group for `Tokens` tokens. The group is read once, in order, which is the fastest way to read
// memory; several sums for each row and token hide the latency of the additions.
template <int Tokens, class T>
inline void dot_group(const T* w, Index cols, const float* x, Index x_stride, float* y, Index y_stride,
                      Index rows) noexcept {
    constexpr int step = 8, chains = (std::max)(1, 8 / (Tokens * vectors_per_group));
    constexpr Index cache_line = 64, bytes = step * group_rows * static_cast<Index>(sizeof(T));
    V sums[Tokens][chains][vectors_per_group];
#pragma GCC unroll 8
    for (int t = 0; t < Tokens; ++t)
#pragma GCC unroll 8
        for (int c = 0; c < chains; ++c)
#pragma GCC unroll 4
            for (int p = 0; p < vectors_per_group; ++p) sums[t][c][p] = Simd::zero();
    const auto column = [&](Index k, int chain) {
        V weights[vectors_per_group];
#pragma GCC unroll 4
        for (int p = 0; p < vectors_per_group; ++p) weights[p] = Simd::load(w + k * group_rows + p * Simd::lanes);
#pragma GCC unroll 8
        for (int t = 0; t < Tokens; ++t) {
            const V token = Simd::set(x + t * x_stride + k);
#pragma GCC unroll 4
            for (int p = 0; p < vectors_per_group; ++p)
                sums[t][chain][p] = Simd::mul_add(weights[p], token, sums[t][chain][p]);
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
        for (int p = 0; p < vectors_per_group; ++p) {
#pragma GCC unroll 8
            for (int c = 1; c < chains; ++c) sums[t][0][p] = Simd::add(sums[t][0][p], sums[t][c][p]);
            Simd::store(all_rows + p * Simd::lanes, sums[t][0][p]);
        }
        std::copy_n(all_rows, rows, y);
    }
}

// The last, partial register of a row: a copy padded with zeros.
template <class T>
inline V load_first(const T* source, Index count) noexcept {
    T padded_copy[Simd::lanes] = {};
    std::memcpy(static_cast<void*>(padded_copy), static_cast<const void*>(source),
                static_cast<std::size_t>(count) * sizeof(T));
    return Simd::load(padded_copy);
}

// y[t] = w · x[t] for `Tokens` tokens and one row of a row-major matrix.
template <int Tokens, class T>
inline void dot_row(const T* w, Index cols, const float* x, Index x_stride, float* y, Index y_stride) noexcept {
    constexpr int unroll = (std::max)(1, 4 / Tokens);
    constexpr Index step = Simd::lanes * unroll, cache_line = 64;
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
            const V weights = Simd::load(w + k + u * Simd::lanes);
#pragma GCC unroll 8
            for (int t = 0; t < Tokens; ++t)
                sums[t][u] = Simd::mul_add(weights, Simd::load(x + t * x_stride + k + u * Simd::lanes), sums[t][u]);
        }
    }
    for (; k < cols; k += Simd::lanes) {
        const Index count = std::min<Index>(Simd::lanes, cols - k);
        const V weights = load_first(w + k, count);
#pragma GCC unroll 8
        for (int t = 0; t < Tokens; ++t)
            sums[t][0] = Simd::mul_add(weights, load_first(x + t * x_stride + k, count), sums[t][0]);
    }
#pragma GCC unroll 8
    for (int t = 0; t < Tokens; ++t) {
#pragma GCC unroll 8
        for (int u = 1; u < unroll; ++u) sums[t][0] = Simd::add(sums[t][0], sums[t][u]);
        y[t * y_stride] = Simd::reduce_sum(sums[t][0]);
    }
}

// Rows [begin, end), whole row groups or to the last row, of y = W x.
template <DenseFormat Format>
void gemv(const WeightMatrix& matrix, Index begin, Index end, const Activations& x, Index tokens, float* y,
          Index y_stride, float*) noexcept {
    const WeightView<Format> weights(matrix);
    for (Index r = begin; r < end; r += group_rows) {
        const Index rows = (std::min)(group_rows, end - r), cols = weights.cols();
        for_token_runs<Simd::gemv_tokens>(tokens, [&]<int Tokens>(Index t, std::integral_constant<int, Tokens>) {
            const float* const from = x.values + t * x.stride;
            float* const to = y + t * y_stride + r;
            if (weights.layout() == Layout::row_groups)
                dot_group<Tokens>(weights.group(r / group_rows), cols, from, x.stride, to, y_stride, rows);
            else
                for (Index i = 0; i < rows; ++i)
                    dot_row<Tokens>(weights.row(r + i), cols, from, x.stride, to + i, y_stride);
        });
    }
}

}  // namespace rwkv::inline RWKV_ABI::kernels::RWKV_TARGET

#include <rwkv/kernels/simd/end_target.inl>
