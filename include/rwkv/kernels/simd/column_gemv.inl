// Skinny products with column-major weights. Where most features of one or two tokens are zero, as channel mixing's
// keys are, only the columns that meet the others are read.
#ifndef RWKV_TARGET
#include <rwkv/kernels/simd/alone.inl>

#include <rwkv/kernels/simd/token_runs.inl>

#include <rwkv/kernels/simd/gemv.inl>

#include <rwkv/kernels/simd/quantized_gemv.inl>
#endif
#include <rwkv/kernels/simd/chosen_columns.inl>

#include <rwkv/kernels/simd/begin_target.inl>

namespace rwkv::inline RWKV_ABI::kernels::RWKV_TARGET {

// Dense formats: columns that are multiplied before the next sums are loaded.
inline constexpr Index columns_at_once = 32;

// Registers of sums for each of some tokens.
template <int Tokens>
inline constexpr int column_vectors = (std::min)(8, (Simd::lanes == 16 ? 16 : 8) / Tokens);

// y += W x for rows [begin, end), whole tiles of column_vectors<Tokens> registers, some columns and `Tokens` tokens.
// `y` is the first row's. Calls prefetch(lines) for as many cache lines as it reads,
// some at a time.
template <int Tokens, class T, class Prefetch>
inline void add_columns(const ColumnList<T, float>& list, Index first_token, Index begin, Index end, float* y,
                        Index y_stride, const Prefetch& prefetch) noexcept {
    constexpr int across = column_vectors<Tokens>;
    constexpr Index columns_per_prefetch = 8, bytes = across * Simd::lanes * static_cast<Index>(sizeof(T));
    const T* const* const columns = list.columns();
    const Index size = list.size();
    const float* features[Tokens];
    for (int t = 0; t < Tokens; ++t) features[t] = list.values(first_token + t);
    for (Index r = begin; r < end; r += across * Simd::lanes, y += across * Simd::lanes) {
        V sums[Tokens][across];
#pragma GCC unroll 8
        for (int t = 0; t < Tokens; ++t)
#pragma GCC unroll 8
            for (int i = 0; i < across; ++i) sums[t][i] = Simd::load(y + t * y_stride + i * Simd::lanes);
        for (Index c = 0; c < size;) {
            const Index some = (std::min)(columns_per_prefetch, size - c);
            prefetch(some * bytes / 64);
            for (const Index last = c + some; c < last; ++c) {
                const T* const column = columns[c] + r;
                V weights[across];
#pragma GCC unroll 8
                for (int i = 0; i < across; ++i) weights[i] = Simd::load(column + i * Simd::lanes);
#pragma GCC unroll 8
                for (int t = 0; t < Tokens; ++t) {
                    const V feature = Simd::set(features[t] + c);
#pragma GCC unroll 8
                    for (int i = 0; i < across; ++i) sums[t][i] = Simd::mul_add(weights[i], feature, sums[t][i]);
                }
            }
        }
#pragma GCC unroll 8
        for (int t = 0; t < Tokens; ++t)
#pragma GCC unroll 8
            for (int i = 0; i < across; ++i) Simd::store(y + t * y_stride + i * Simd::lanes, sums[t][i]);
    }
}

// Calls add(begin, end, y, y_stride) for rows [begin, end): those of the last, partial column_rows rows have their sums
// in a buffer, since all of these are computed. `y` is the first row's of the first token.
class ColumnSums {
  public:
    ColumnSums(Index begin, Index end, Index tokens, float* y, Index y_stride) noexcept
        : begin_(begin),
          end_(end),
          whole_end_((std::max)(begin, end / column_rows * column_rows)),
          tokens_(tokens),
          y_stride_(y_stride),
          y_(y) {
        for (Index t = 0; t < tokens; ++t) std::fill_n(y + t * y_stride + begin, end - begin, 0.0f);
        if (whole_end_ < end) std::fill_n(last_[0], tokens * column_rows, 0.0f);
    }
    template <class Add>
    void for_each_part(const Add& add) noexcept {
        if (begin_ < whole_end_) add(begin_, whole_end_, y_ + begin_, y_stride_);
        if (whole_end_ < end_) add(whole_end_, whole_end_ + column_rows, last_[0], column_rows);
    }
    /// Copies what is in the buffer to y.
    void finish() noexcept {
        for (Index t = 0; t < tokens_ && whole_end_ < end_; ++t)
            std::copy_n(last_[t], end_ - whole_end_, y_ + t * y_stride_ + whole_end_);
    }

  private:
    Index begin_, end_, whole_end_, tokens_, y_stride_;
    float* y_;
    alignas(64) float last_[Blocking::panel_tokens][column_rows];
};

// Rows [begin, end), from a multiple of column_rows on, of y = W x. Each sum is of one column after the other, so that
// it does not depend on which are left out.
template <DenseFormat Format>
void column_gemv(const WeightMatrix& matrix, Index begin, Index end, const Activations& x, Index tokens, float* y,
                 Index y_stride, float*) noexcept {
    using T = typename Format::Storage;
    constexpr Index size = sizeof(T), block_cols = columns_at_once;
    const WeightView<Format> weights(matrix);
    const ChosenFeatures<float> chosen(x.values, x.stride, tokens, weights.cols(), block_cols);
    ColumnPrefetcher prefetcher(weights, chosen, block_cols, begin * size, (stored_rows(end) - begin) * size);
    ColumnList<T, float> list;
    ColumnSums sums(begin, end, tokens, y, y_stride);
    for (Index block = 0; block < chosen.blocks(); ++block) {
        const Index first = block * block_cols;
        list.assign(chosen, block, weights.column(first), weights.column_stride(), x.values + first, x.stride, tokens,
                    1);
        prefetcher.plan(list.size(), list.size());
        sums.for_each_part([&](Index part_begin, Index part_end, float* to, Index stride) {
            for (Index r = part_begin; r < part_end; r += column_rows, to += column_rows)
                for_token_runs<Simd::gemv_tokens>(
                    tokens, [&]<int Tokens>(Index t, std::integral_constant<int, Tokens>) {
                        add_columns<Tokens>(list, t, r, r + column_rows, to + t * stride, stride, [&](Index lines) {
                            if (t == 0) prefetcher.issue(lines);
                        });
                    });
        });
    }
    sums.finish();
}

// Tokens that quantized columns are multiplied with as they are read.
template <class Format>
inline constexpr int column_tokens = Format::bits == 8 ? IntDot::column_tokens : IntDot::column_tokens / 2;

// Some tokens' features of a scale block.
template <int Tokens>
struct BlockOfTokens {
    BlockOfTokens(const ColumnList<std::uint8_t, IntDot::Value>& list, const QuantizedPanel<IntDot::Value>& panel,
                  Index first, Index block) noexcept {
        for (int t = 0; t < Tokens; ++t) {
            values[t] = list.values(first + t);
            scales[t] = panel.scales(first + t)[block];
        }
    }
    const IntDot::Value* values[Tokens];
    ActivationScale scales[Tokens];
};

// Adds the products of a scale block of a row group, which are integers, to the sums y. `scales` and `y` are the first
// row's.
template <int Tokens>
inline void add_products(const IntDot::Sum (&products)[Tokens], const BlockOfTokens<Tokens>& x,
                         const core::BFloat16* scales, float* y, Index y_stride) noexcept {
#pragma GCC unroll 4
    for (int part = 0; part < vectors_per_group; ++part) {
        const V scale = Simd::load(scales + part * Simd::lanes);
#pragma GCC unroll 8
        for (int t = 0; t < Tokens; ++t) {
            float* const sum = y + t * y_stride + part * Simd::lanes;
            Simd::store(sum, Simd::mul_add(IntDot::to_float(products[t], part),
                                           Simd::mul(scale, Simd::set(x.scales[t].scale)), Simd::load(sum)));
        }
    }
}

// For 64 rows at `at` in each of some columns of a scale block, with 4 bits for those in the lower halves of the bytes,
// in the upper ones, or both: calls put(group, step, values) for every column step of the row groups, and
// prefetch(lines) for as many cache lines as it reads, some at a time.
template <class Format, bool Lower, bool Upper, class Prefetch, class Put>
inline void for_each_step(const std::uint8_t* const* columns, Index size, Index at, const Prefetch& prefetch,
                          const Put& put) noexcept {
    constexpr Index lines = Lower && Upper ? step_cols : step_cols / 2, columns_per_prefetch = 4 * step_cols;
    for (Index c = 0; c < size; c += step_cols) {
        typename IntDot::Quantized steps[4];
        if (c % columns_per_prefetch == 0) prefetch((std::min)(columns_per_prefetch, size - c) / step_cols * lines);
        IntDot::interleave(columns[c] + at, columns[c + 1] + at, columns[c + 2] + at, columns[c + 3] + at, steps);
#pragma GCC unroll 4
        for (int g = 0; g < 4; ++g) {
            if constexpr (Format::bits == 8) {
                put(g, c / step_cols, IntDot::prepare(steps[g]));
            } else {
                if constexpr (Lower) put(g, c / step_cols, IntDot::prepare(IntDot::lower_nibbles(steps[g])));
                if constexpr (Upper)
                    put(Lower ? 4 + g : g, c / step_cols, IntDot::prepare(IntDot::upper_nibbles(steps[g])));
            }
        }
    }
}

// y += W x for those rows and a few tokens, multiplied as the columns are read. As row groups are multiplied
// (quantized_gemv.inl): integer sums within a scale block, then floats.
template <class Format, bool Lower, bool Upper, int Tokens, class Prefetch>
inline void add_quantized_rows(const std::uint8_t* const* columns, Index size, Index at, const BlockOfTokens<Tokens>& x,
                               const core::BFloat16* scales, float* y, Index y_stride,
                               const Prefetch& prefetch) noexcept {
    constexpr int groups = Format::bits == 4 && Lower && Upper ? 8 : 4;
    typename IntDot::Sum sums[groups][Tokens];
#pragma GCC unroll 8
    for (int g = 0; g < groups; ++g)
#pragma GCC unroll 4
        for (int t = 0; t < Tokens; ++t) sums[g][t] = IntDot::start(x.scales[t].bias);
    for_each_step<Format, Lower, Upper>(
        columns, size, at, prefetch, [&](int g, Index step, const typename IntDot::Prepared& prepared) {
#pragma GCC unroll 4
            for (int t = 0; t < Tokens; ++t) IntDot::accumulate(sums[g][t], prepared, x.values[t] + step * step_cols);
        });
#pragma GCC unroll 8
    for (int g = 0; g < groups; ++g)
        add_products<Tokens>(sums[g], x, scales + g * group_rows, y + g * group_rows, y_stride);
}

// Columns of a scale block of the rows that share cache lines, as column steps of row groups: what is multiplied with
// more tokens than there are registers for lies in the first-level cache meanwhile.
template <class Format>
struct ColumnTile {
    static constexpr int groups = 64 * 8 / Format::bits / group_rows;
    static constexpr Index max_steps = Format::block_cols / step_cols;

    void assign(const std::uint8_t* const* columns, Index size, Index at) noexcept {
        for_each_step<Format, true, true>(
            columns, size, at, [](Index) {},
            [&](int g, Index step, const typename IntDot::Prepared& prepared) { steps[g][step] = prepared; });
    }
    // y += W x for all row groups and `Tokens` tokens. Calls prefetch(lines) for as many cache lines as the tile is
    // from, some at a time.
    template <int Tokens, class Prefetch>
    void multiply(Index size, const BlockOfTokens<Tokens>& x, const core::BFloat16* scales, float* y, Index y_stride,
                  const Prefetch& prefetch) const noexcept {
        constexpr int at_once = (std::max)(1, (Simd::lanes == 16 ? 8 : 4) / Tokens), some = (std::min)(4, at_once);
        for (int first = 0; first < groups; first += some) {
            typename IntDot::Sum sums[some][Tokens];
#pragma GCC unroll 4
            for (int g = 0; g < some; ++g)
#pragma GCC unroll 8
                for (int t = 0; t < Tokens; ++t) sums[g][t] = IntDot::start(x.scales[t].bias);
            prefetch(size * some / groups);
            const typename IntDot::Prepared* step = steps[first];
            for (Index c = 0; c < size; c += step_cols, ++step)
#pragma GCC unroll 4
                for (int g = 0; g < some; ++g)
#pragma GCC unroll 8
                    for (int t = 0; t < Tokens; ++t)
                        IntDot::accumulate(sums[g][t], step[g * max_steps], x.values[t] + c);
#pragma GCC unroll 4
            for (int g = 0; g < some; ++g) {
                const Index row = (first + g) * group_rows;
                add_products<Tokens>(sums[g], x, scales + row, y + row, y_stride);
            }
        }
    }

    typename IntDot::Prepared steps[groups][max_steps];
};

// Rows [begin, end), from a multiple of column_rows on, of y = W x for tokens packed by quantize_activations. The same
// bits as with row groups: a feature quantized to zero adds nothing to an integer sum.
template <QuantizedFormat Format>
void column_gemv(const WeightMatrix& matrix, Index begin, Index end, const Activations& x, Index tokens, float* y,
                 Index y_stride, float*) noexcept {
    using Value = IntDot::Value;
    constexpr Index block_cols = Format::block_cols, rows_of_line = 64 * 8 / Format::bits;
    const WeightView<Format> weights(matrix);
    const QuantizedPanel<Value> panel(x.panels, weights.cols(), block_cols);
    const Index stride = panel.blocks() * block_cols;
    const ChosenFeatures<Value> chosen(panel.values(0), stride, tokens, stride, block_cols);
    ColumnPrefetcher prefetcher(weights, chosen, block_cols, begin * Format::bits / 8,
                                (stored_rows(end) - begin) * Format::bits / 8);
    ColumnList<std::uint8_t, Value> list;
    ColumnSums sums(begin, end, tokens, y, y_stride);
    ColumnTile<Format> tile;
    for (Index block = 0; block < chosen.blocks(); ++block) {
        list.assign(chosen, block, weights.column(block * block_cols), weights.column_bytes(),
                    panel.values(0) + block * block_cols, stride, tokens, step_cols);
        prefetcher.plan(list.count(), list.size());
        const core::BFloat16* const scales = weights.column_scales(block);
        const bool is_last = block + 1 == chosen.blocks();
        const auto* const next_scales =
            reinterpret_cast<const char*>(weights.column_scales(is_last ? block : block + 1));
        sums.for_each_part([&](Index part_begin, Index part_end, float* to, Index to_stride) {
            for (Index r = part_begin; r < part_end; r += rows_of_line, to += rows_of_line) {
                const Index at = r * Format::bits / 8;
                for (Index i = 0; i < 2 * rows_of_line; i += 64) Simd::prefetch_l2(next_scales + 2 * r + i);
                const auto multiply = [&]<int Tokens>(Index t, std::integral_constant<int, Tokens>) {
                    const BlockOfTokens<Tokens> some(list, panel, t, block);
                    // Further tokens read the same lines again.
                    const auto prefetch = [&](Index lines) {
                        if (t == 0) prefetcher.issue(lines);
                    };
                    const auto add = [&]<bool Lower, bool Upper>() {
                        const Index row = Lower ? 0 : 64;
                        add_quantized_rows<Format, Lower, Upper>(list.columns(), list.size(), at, some,
                                                                 scales + r + row, to + t * to_stride + row, to_stride,
                                                                 prefetch);
                    };
                    if constexpr (Format::bits == 8 || IntDot::column_groups == 8) {
                        add.template operator()<true, true>();
                    } else {
                        add.template operator()<true, false>();
                        add.template operator()<false, true>();
                    }
                };
                const auto multiply_tile = [&]<int Tokens>(Index t, std::integral_constant<int, Tokens>) {
                    const BlockOfTokens<Tokens> some(list, panel, t, block);
                    tile.multiply(list.size(), some, scales + r, to + t * to_stride, to_stride, [&](Index lines) {
                        if (t == 0) prefetcher.issue(lines);
                    });
                };
                if (tokens <= column_tokens<Format>) {
                    for_token_runs<column_tokens<Format>>(tokens, multiply);
                } else {
                    tile.assign(list.columns(), list.size(), at);
                    for_token_runs<IntDot::max_tokens>(tokens, multiply_tile);
                }
            }
        });
    }
    sums.finish();
}

// For products of many tokens: calls put(group, step, bytes) for the column steps, a byte a value, of the four row
// groups from `row` on and some scale blocks. Prefetches the same columns of those from `next_block` and `next_row` on.
template <QuantizedFormat Format, class Put>
inline void for_each_column_step(const WeightView<Format>& weights, Index row, Index block, Index blocks,
                                 Index next_row, Index next_block, Put&& put) noexcept {
    constexpr Index steps = Format::block_cols / step_cols;
    const auto first = [&](Index b, Index r) {
        return weights.column(b * Format::block_cols) + (Format::bits == 8 ? r : r / column_rows * 64);
    };
    const bool upper_halves = Format::bits == 4 && row % column_rows != 0;
    const Index stride = weights.column_bytes();
    for (Index b = 0; b < blocks; ++b) {
        const std::uint8_t* w = first(block + b, row);
        const std::uint8_t* next = first((std::min)(next_block + b, weights.blocks() - 1), next_row);
        for (Index s = 0; s < steps; ++s, w += step_cols * stride, next += step_cols * stride) {
            typename IntDot::Quantized bytes[4];
            for (Index c = 0; c < step_cols; ++c) Simd::prefetch_l2(next + c * stride);
            IntDot::interleave(w + IntDot::column_at(0) * stride, w + IntDot::column_at(1) * stride,
                               w + IntDot::column_at(2) * stride, w + IntDot::column_at(3) * stride, bytes);
#pragma GCC unroll 4
            for (int g = 0; g < 4; ++g) {
                if constexpr (Format::bits == 4)
                    bytes[g] = upper_halves ? IntDot::upper_nibbles(bytes[g]) : IntDot::lower_nibbles(bytes[g]);
                put(g, b * steps + s, bytes[g]);
            }
        }
    }
}

}  // namespace rwkv::inline RWKV_ABI::kernels::RWKV_TARGET

#include <rwkv/kernels/simd/end_target.inl>
