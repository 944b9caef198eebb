// Blocked products: float activations of many tokens, weights converted to floats block by block. The same for every
// format; dequantize.inl converts quantized ones.
#ifndef RWKV_TARGET
#include <rwkv/kernels/simd/alone.inl>

#include <rwkv/kernels/simd/token_runs.inl>

#include <rwkv/kernels/simd/gemv.inl>

#include <rwkv/kernels/simd/quantized_gemv.inl>

#include <rwkv/kernels/simd/column_gemv.inl>

#include <rwkv/kernels/simd/dequantize.inl>
#endif
#include <rwkv/kernels/simd/begin_target.inl>

namespace rwkv::inline RWKV_ABI::kernels::RWKV_TARGET {

// to[c][r] = from[r][c] for all columns and `rows` rows, then zeros up to a whole row group.
inline void transpose_group(const float* from, Index from_stride, Index rows, Index cols, float* to) noexcept {
    const Index whole_rows = rows / 8 * 8, whole_cols = cols / 8 * 8;
    for (Index c = 0; c < whole_cols; c += 8)
        for (Index r = 0; r < whole_rows; r += 8)
            Simd::transpose_8x8(from + r * from_stride + c, from_stride, to + c * group_rows + r, group_rows);
    for (Index r = 0; r < group_rows; ++r)
        for (Index c = r < whole_rows ? whole_cols : 0; c < cols; ++c)
            to[c * group_rows + r] = r < rows ? from[r * from_stride + c] : 0;
}

// A run of elements as floats.
template <class T>
inline void widen_row(const T* from, Index count, float* to) noexcept {
    Index i = 0;
    for (; i + Simd::lanes <= count; i += Simd::lanes) Simd::store(to + i, Simd::load(from + i));
    if (i == count) return;
    float last[Simd::lanes];
    Simd::store(last, load_first(from + i, count - i));
    std::copy_n(last, count - i, to + i);
}

// A block of weights as floats, see BlockReader.
template <DenseFormat Format>
void widen_block(const WeightMatrix& matrix, Index begin, Index end, Index k, Index depth, float* block) noexcept {
    const WeightView<Format> weights(matrix);
    for (Index r = begin; r < end; r += group_rows, block += group_rows * depth) {
        if (weights.layout() == Layout::row_groups) {
            const auto* const group = weights.group(r / group_rows) + k * group_rows;
            for (Index i = 0; i < depth * group_rows; i += Simd::lanes) Simd::store(block + i, Simd::load(group + i));
        } else if (weights.layout() == Layout::column_major) {
            const auto* column = weights.column(k) + r;
            for (Index c = 0; c < depth; ++c, column += weights.column_stride())
                for (Index i = 0; i < group_rows; i += Simd::lanes)
                    Simd::store(block + c * group_rows + i, Simd::load(column + i));
        } else {
            const Index rows = (std::min)(group_rows, end - r);
            float widened[group_rows * Blocking::kc];
            for (Index i = 0; i < rows; ++i) widen_row(weights.row(r + i) + k, depth, widened + i * depth);
            transpose_group(widened, depth, rows, depth, block);
        }
    }
}

template <DenseFormat Format>
Prefetcher prefetch_next_block(const WeightMatrix& matrix, Index begin, Index end, const Activations& x, Index k,
                               Index depth) noexcept {
    const WeightView<Format> weights(matrix);
    constexpr auto size = static_cast<Index>(sizeof(typename Format::Storage));
    Index next = k + depth;
    if (next >= x.end) {
        next = x.begin;
        const Index rows = end - begin;
        begin = end;
        end = (std::min)(end + rows, weights.rows());
    }
    if (begin >= end) return {};
    const Index bytes = (std::min)(depth, x.end - next) * size, stride = weights.cols() * size;
    if (weights.layout() == Layout::row_major) return {weights.row(begin) + next, stride, end - begin, bytes};
    return {weights.group(begin / group_rows) + next * group_rows, stride * group_rows, row_groups(end - begin),
            bytes * group_rows};
}

// Prefetches rows [begin, end) × features [k, k + depth) of a column-major matrix, if there are any.
template <DenseFormat Format>
Prefetcher prefetch_columns(const WeightMatrix& matrix, Index begin, Index end, const Activations& x, Index k,
                            Index depth) noexcept {
    if (k >= x.end) return {};
    const WeightView<Format> weights(matrix);
    constexpr auto size = static_cast<Index>(sizeof(typename Format::Storage));
    return {weights.column(k) + begin, weights.column_stride() * size, (std::min)(depth, x.end - k),
            (end - begin) * size};
}

// The microkernel: y (+)= W x for `Groups` row groups of weights as floats and `Tokens` tokens, accumulated in
// registers. Prefetches for every eight columns.
template <int Groups, int Tokens>
inline void microkernel(const float* w, Index w_stride, const float* x, Index x_stride, Index depth, float* y,
                        Index y_stride, bool first, Prefetcher& prefetcher) noexcept {
    constexpr int across = Groups * vectors_per_group;
    V sums[Tokens][across];
    const auto place = [&](int t, int i) {
        return y + t * y_stride + i / vectors_per_group * group_rows + i % vectors_per_group * Simd::lanes;
    };
#pragma GCC unroll 8
    for (int t = 0; t < Tokens; ++t)
#pragma GCC unroll 4
        for (int i = 0; i < across; ++i) sums[t][i] = first ? Simd::zero() : Simd::load(place(t, i));
    const auto column = [&](Index k) {
        V weights[across];
#pragma GCC unroll 4
        for (int i = 0; i < across; ++i)
            weights[i] =
                Simd::load(w + i / vectors_per_group * w_stride + k * group_rows + i % vectors_per_group * Simd::lanes);
#pragma GCC unroll 8
        for (int t = 0; t < Tokens; ++t) {
            const V token = Simd::set(x + t * x_stride + k);
#pragma GCC unroll 4
            for (int i = 0; i < across; ++i) sums[t][i] = Simd::mul_add(weights[i], token, sums[t][i]);
        }
    };
    Index k = 0;
    for (; k + 8 <= depth; k += 8) {
        prefetcher.issue();
#pragma GCC unroll 2
        for (Index i = 0; i < 8; ++i) column(k + i);
    }
    for (; k < depth; ++k) column(k);
#pragma GCC unroll 8
    for (int t = 0; t < Tokens; ++t)
#pragma GCC unroll 4
        for (int i = 0; i < across; ++i) Simd::store(place(t, i), sums[t][i]);
}

// y (+)= W x for a block of weights as floats: `whole` row groups to y, and one more, where `rest` is not 0, to
// last_group, [token][16 rows].
inline void multiply_block(const float* w, Index w_stride, Index whole, Index rest, const float* x, Index x_stride,
                           Index depth, Index tokens, float* y, Index y_stride, float* last_group, bool first,
                           Prefetcher prefetcher) noexcept {
    prefetcher.schedule(std::max<Index>(1, (tokens + Simd::nr - 1) / Simd::nr * (depth / 8)));
    for_token_runs<Simd::nr>(tokens, [&]<int Tokens>(Index t, std::integral_constant<int, Tokens>) {
        const float* const from = x + t * x_stride;
        float* const to = y + t * y_stride;
        Index g = 0;
        for (; whole - g >= Simd::mr_groups; g += Simd::mr_groups)
            microkernel<Simd::mr_groups, Tokens>(w + g * w_stride, w_stride, from, x_stride, depth, to + g * group_rows,
                                                 y_stride, first, prefetcher);
        if constexpr (Simd::mr_groups > 1)
            for (; g < whole; ++g)
                microkernel<1, Tokens>(w + g * w_stride, w_stride, from, x_stride, depth, to + g * group_rows, y_stride,
                                       first, prefetcher);
        if (rest > 0)
            microkernel<1, Tokens>(w + g * w_stride, w_stride, from, x_stride, depth, last_group + t * group_rows,
                                   group_rows, first, prefetcher);
    });
}

// What the blocked product asks of a format.
struct BlockReader {
    // The weights [begin, end) × [k, k + depth) as floats, row group after row group; depth is at most Blocking::kc.
    void (*widen)(const WeightMatrix& weights, Index begin, Index end, Index k, Index depth, float* block) noexcept;
    // Prefetches the block that is read after rows [begin, end) × features [k, k + depth).
    Prefetcher (*prefetch_next)(const WeightMatrix& weights, Index begin, Index end, const Activations& x, Index k,
                                Index depth) noexcept;
    // Prefetches the block [begin, end) × [k, k + depth) of a column-major matrix.
    Prefetcher (*prefetch_columns)(const WeightMatrix& weights, Index begin, Index end, const Activations& x, Index k,
                                   Index depth) noexcept;
};

template <class Format>
inline constexpr BlockReader block_reader{widen_block<Format>, prefetch_next_block<Format>, prefetch_columns<Format>};

// The same with column-major weights and any number of whole row groups, which take turns, so that columns are read in
// long runs.
inline void multiply_column_blocks(const WeightMatrix& weights, const BlockReader& reader, Index begin, Index end,
                                   const Activations& x, Index tokens, float* y, Index y_stride,
                                   float* block) noexcept {
    for (Index k = x.begin; k < x.end; k += Blocking::kc) {
        const Index depth = (std::min)(Blocking::kc, x.end - k);
        for (Index r = begin, next; r < end; r = next) {
            next = (std::min)(r + Blocking::mc, end);
            const bool last = next == end;
            const Index next_row = last ? begin : next;
            reader.widen(weights, r, next, k, depth, block);
            multiply_block(block, depth * group_rows, (next - r) / group_rows, 0, x.values + k, x.stride, depth, tokens,
                           y + r, y_stride, nullptr, k == 0,
                           reader.prefetch_columns(weights, next_row, (std::min)(next_row + Blocking::mc, end), x,
                                                   last ? k + Blocking::kc : k, Blocking::kc));
        }
    }
}

inline void multiply_blocks(const WeightMatrix& weights, const BlockReader& reader, Index begin, Index end,
                            const Activations& x, Index tokens, float* y, Index y_stride, float* scratch) noexcept {
    const Index whole = (end - begin) / group_rows, rest = (end - begin) % group_rows;
    const bool in_place = weights.format() == WeightFormat::f32 && weights.layout() == Layout::row_groups;
    float* const block = scratch;
    float* const last_group = scratch + Blocking::mc * Blocking::kc;  // [token][16 rows], of which `rest` are results
    if (weights.layout() == Layout::column_major)
        return multiply_column_blocks(weights, reader, begin, end, x, tokens, y, y_stride, block);
    if (rest > 0 && x.begin > 0)
        for (Index t = 0; t < tokens; ++t)
            std::copy_n(y + t * y_stride + begin + whole * group_rows, rest, last_group + t * group_rows);
    for (Index k = x.begin; k < x.end; k += Blocking::kc) {
        const Index depth = (std::min)(Blocking::kc, x.end - k);
        const float* w = block;
        Index stride = depth * group_rows;
        if (in_place) {
            w = WeightView<F32>(weights).group(begin / group_rows) + k * group_rows;
            stride = weights.cols() * group_rows;
        } else {
            reader.widen(weights, begin, end, k, depth, block);
        }
        multiply_block(w, stride, whole, rest, x.values + k, x.stride, depth, tokens, y + begin, y_stride, last_group,
                       k == 0, reader.prefetch_next(weights, begin, end, x, k, Blocking::kc));
    }
    if (rest > 0)
        for (Index t = 0; t < tokens; ++t)
            std::copy_n(last_group + t * group_rows, rest, y + t * y_stride + begin + whole * group_rows);
}

// Rows [begin, end), at most Blocking::mc of them from a whole row group on, of y = W x over the features of a slab.
// `scratch` holds scratch_floats(tokens) floats.
template <class Format>
void gemm(const WeightMatrix& weights, Index begin, Index end, const Activations& x, Index tokens, float* y,
          Index y_stride, float* scratch) noexcept {
    multiply_blocks(weights, block_reader<Format>, begin, end, x, tokens, y, y_stride, scratch);
}

}  // namespace rwkv::inline RWKV_ABI::kernels::RWKV_TARGET

#include <rwkv/kernels/simd/end_target.inl>
