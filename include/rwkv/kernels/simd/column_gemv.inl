// Skinny products with column-major weights. Where most features of one or two tokens are zero, as channel mixing's keys
// are, only the columns that meet the others are read.
#ifndef RWKV_TARGET
#include <rwkv/kernels/simd/alone.inl>

#include <rwkv/kernels/simd/token_runs.inl>

#include <rwkv/kernels/simd/gemv.inl>

#include <rwkv/kernels/simd/quantized_gemv.inl>
#endif
#include <rwkv/kernels/simd/begin_target.inl>

namespace rwkv::inline RWKV_ABI::kernels::RWKV_TARGET {

// A bit for every number other than 0 (NaN is) of at most 64.
inline std::uint64_t find_nonzero(const float* x, Index count) noexcept {
    std::uint64_t found = 0;
    Index i = 0;
    for (; i + Simd::lanes <= count; i += Simd::lanes)
        found |= std::uint64_t(Simd::nonzero_lanes(Simd::load(x + i))) << i;
    for (; i < count; ++i) found |= std::uint64_t(x[i] != 0) << i;
    return found;
}
inline std::uint64_t find_nonzero(const IntDot::Value* values, Index count) noexcept {
    return IntDot::find_nonzero(values, count);
}

// The column that a feature of this place meets.
template <class Value>
constexpr Index column_at(Index place) noexcept {
    if constexpr (std::is_same_v<Value, float>) return place;
    return IntDot::column_at(place);
}

// Features of some tokens, as floats or quantized, and which of them are multiplied: all, or those that are not zero for
// every token, where these are few enough. Features count in blocks of at most 64, in the order in which they lie.
template <class Value>
class ChosenFeatures {
  public:
    ChosenFeatures(const Value* values, Index stride, Index tokens, Index cols, Index block_cols) noexcept
        : values_(values), stride_(stride), tokens_(tokens), cols_(cols), block_cols_(block_cols) {
        constexpr Index max_tokens = 2;  // of more hardly any feature is zero for every one
        chosen_ = cols;
        if (tokens > max_tokens) return;
        all_ = false;
        chosen_ = 0;
        for (Index block = 0; block < blocks(); ++block) chosen_ += std::popcount((*this)(block));
        all_ = 8 * chosen_ > 5 * cols;  // reading everything in order is faster then (bench/NOTES.md)
        if (all_) chosen_ = cols;
    }

    Index blocks() const noexcept { return (cols_ + block_cols_ - 1) / block_cols_; }
    /// Features of a block, as many as there are.
    Index size(Index block) const noexcept { return (std::min)(block_cols_, cols_ - block * block_cols_); }
    bool all() const noexcept { return all_; }
    /// The number of chosen features.
    Index chosen() const noexcept { return chosen_; }
    /// The chosen features of a block, as bits.
    std::uint64_t operator()(Index block) const noexcept {
        if (all_) return ~std::uint64_t(0) >> (64 - size(block));
        std::uint64_t found = 0;
        for (Index t = 0; t < tokens_; ++t)
            found |= find_nonzero(values_ + t * stride_ + block * block_cols_, size(block));
        return found;
    }

  private:
    const Value* values_;
    Index stride_, tokens_, cols_, block_cols_, chosen_ = 0;
    bool all_ = true;
};

// The chosen features of a block, of each token, and the columns that they meet.
template <class Value>
class ColumnList {
  public:
    /// `group` columns are multiplied together: the list is filled up to a multiple of it, with features of 0.
    void assign(const ChosenFeatures<Value>& chosen, Index block, const Value* values, Index stride, Index tokens,
                Index group) noexcept {
        if (chosen.all()) {
            size_ = (chosen.size(block) + group - 1) / group * group;
            values_ = values;
            stride_ = stride;
            for (Index i = 0; i < size_; ++i) columns_[i] = static_cast<std::uint8_t>(column_at<Value>(i));
            return;
        }
        size_ = 0;
        values_ = copies_[0];
        stride_ = max_size;
        for (std::uint64_t bits = chosen(block); bits != 0; bits &= bits - 1, ++size_) {
            const Index place = std::countr_zero(bits);
            columns_[size_] = static_cast<std::uint8_t>(column_at<Value>(place));
            for (Index t = 0; t < tokens; ++t) copies_[t][size_] = values[t * stride + place];
        }
        for (; size_ % group != 0; ++size_) {
            columns_[size_] = columns_[size_ - 1];
            for (Index t = 0; t < tokens; ++t) copies_[t][size_] = 0;
        }
    }

    Index size() const noexcept { return size_; }
    const std::uint8_t* columns() const noexcept { return columns_; }
    const Value* values(Index token) const noexcept { return values_ + token * stride_; }

  private:
    static constexpr Index max_size = 64;
    Index size_ = 0, stride_ = 0;
    const Value* values_ = nullptr;
    std::uint8_t columns_[max_size];
    Value copies_[2][max_size];
};

// Prefetches the chosen columns one after the other, the part of each that holds some rows, into the second-level cache:
// in the order of memory, however many of them are multiplied together.
template <class View, class Value>
class ColumnPrefetcher {
  public:
    /// Of each column `bytes` bytes from `offset` on. Begins with what comes before the first product: about a block.
    ColumnPrefetcher(const View& weights, const ChosenFeatures<Value>& chosen, Index block_cols, Index offset,
                     Index bytes) noexcept
        : weights_(weights), chosen_(chosen), block_cols_(block_cols), offset_(offset), bytes_(bytes), at_(bytes) {
        constexpr Index columns_more = 8;
        bits_ = chosen_(0);
        issue((chosen.chosen() / chosen.blocks() + columns_more) * (bytes / 64));
    }

    void issue(Index lines) noexcept {
        for (; lines > 0; --lines, at_ += 64) {
            if (at_ >= bytes_ && !next_column()) return;
            Simd::prefetch_l2(column_ + at_);
        }
    }

  private:
    bool next_column() noexcept {
        while (bits_ == 0) {
            if (block_ + 1 >= chosen_.blocks()) return false;
            bits_ = chosen_(++block_);
        }
        const Index column = block_ * block_cols_ + column_at<Value>(std::countr_zero(bits_));
        bits_ &= bits_ - 1;
        column_ = reinterpret_cast<const char*>(weights_.column(column)) + offset_;
        at_ = 0;
        return true;
    }

    const View& weights_;
    const ChosenFeatures<Value>& chosen_;
    Index block_cols_, offset_, bytes_, at_, block_ = 0;
    std::uint64_t bits_ = 0;
    const char* column_ = nullptr;
};

// Dense formats: columns that are multiplied before the next sums are loaded.
inline constexpr Index columns_at_once = 32;

// Registers of sums for each of some tokens.
template <int Tokens>
inline constexpr int column_vectors = (std::min)(8, (Simd::lanes == 16 ? 16 : 8) / Tokens);

// y += W x for column_vectors<Tokens> registers of rows, some columns and `Tokens` tokens. `w` is the first of the rows in
// the block's first column.
template <int Tokens, class T>
inline void add_columns(const T* w, Index stride, const ColumnList<float>& list, Index first_token, float* y,
                        Index y_stride) noexcept {
    constexpr int across = column_vectors<Tokens>;
    V sums[Tokens][across];
#pragma GCC unroll 8
    for (int t = 0; t < Tokens; ++t)
#pragma GCC unroll 8
        for (int i = 0; i < across; ++i) sums[t][i] = Simd::load(y + t * y_stride + i * Simd::lanes);
    const float* features[Tokens];
    for (int t = 0; t < Tokens; ++t) features[t] = list.values(first_token + t);
    for (Index c = 0; c < list.size(); ++c) {
        const T* const column = w + list.columns()[c] * stride;
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
#pragma GCC unroll 8
    for (int t = 0; t < Tokens; ++t)
#pragma GCC unroll 8
        for (int i = 0; i < across; ++i) Simd::store(y + t * y_stride + i * Simd::lanes, sums[t][i]);
}

// Where the sums of column_rows rows lie: in y, or, of the last rows where these are fewer, in a buffer.
class ColumnSums {
  public:
    ColumnSums(Index begin, Index end, Index tokens, float* y, Index y_stride) noexcept
        : end_(end), tokens_(tokens), y_stride_(y_stride), y_(y) {
        for (Index t = 0; t < tokens; ++t) std::fill_n(y + t * y_stride + begin, end - begin, 0.0f);
        if (end % column_rows != 0) std::fill_n(last_[0], tokens * column_rows, 0.0f);
    }
    float* at(Index row, Index token) noexcept {
        return is_in_y(row) ? y_ + token * y_stride_ + row : last_[token] + row % column_rows;
    }
    Index stride(Index row) const noexcept { return is_in_y(row) ? y_stride_ : column_rows; }
    /// Copies what is in the buffer to y.
    void finish() noexcept {
        const Index rest = end_ % column_rows;
        for (Index t = 0; rest != 0 && t < tokens_; ++t) std::copy_n(last_[t], rest, y_ + t * y_stride_ + end_ - rest);
    }

  private:
    bool is_in_y(Index row) const noexcept { return row / column_rows * column_rows + column_rows <= end_; }

    Index end_, tokens_, y_stride_;
    float* y_;
    alignas(64) float last_[Blocking::panel_tokens][column_rows];
};

// Rows [begin, end), from a multiple of column_rows on, of y = W x. Each sum is of one column after the other, so that it
// does not depend on which are left out.
template <DenseFormat Format>
void column_gemv(const WeightMatrix& matrix, Index begin, Index end, const Activations& x, Index tokens, float* y,
                 Index y_stride, float*) noexcept {
    constexpr Index size = sizeof(typename Format::Storage);
    const WeightView<Format> weights(matrix);
    const ChosenFeatures<float> chosen(x.values, x.stride, tokens, weights.cols(), columns_at_once);
    ColumnPrefetcher prefetcher(weights, chosen, columns_at_once, begin * size, (stored_rows(end) - begin) * size);
    ColumnList<float> list;
    ColumnSums sums(begin, end, tokens, y, y_stride);
    for (Index block = 0; block < chosen.blocks(); ++block) {
        const Index first = block * columns_at_once;
        list.assign(chosen, block, x.values + first, x.stride, tokens, 1);
        for (Index r = begin; r < end; r += column_rows) {
            prefetcher.issue(list.size() * (column_rows * size / 64));
            for_token_runs<Simd::gemv_tokens>(tokens, [&]<int Tokens>(Index t, std::integral_constant<int, Tokens>) {
                constexpr Index rows = column_vectors<Tokens> * Simd::lanes;
                for (Index i = r; i < r + column_rows; i += rows)
                    add_columns<Tokens>(weights.column(first) + i, weights.column_stride(), list, t, sums.at(i, t),
                                        sums.stride(i));
            });
        }
    }
    sums.finish();
}

// y += W x for 64 rows from `row` on, some columns of a scale block and `Tokens` tokens: integer sums, then floats, as
// row groups are multiplied (quantized_gemv.inl).
template <class Format, int Tokens>
inline void add_columns(const WeightView<Format>& weights, Index block, Index row, const ColumnList<IntDot::Value>& list,
                        const QuantizedPanel<IntDot::Value>& panel, Index first_token, float* y,
                        Index y_stride) noexcept {
    constexpr int groups = 4;
    typename IntDot::Sum sums[Tokens][groups];
    const IntDot::Value* values[Tokens];
#pragma GCC unroll 4
    for (int t = 0; t < Tokens; ++t) {
        values[t] = list.values(first_token + t);
#pragma GCC unroll 4
        for (int g = 0; g < groups; ++g) sums[t][g] = IntDot::start(panel.scales(first_token + t)[block].bias);
    }
    const std::uint8_t* const w =
        weights.column(block * Format::block_cols) + (Format::bits == 8 ? row : row / column_rows * 64);
    const bool upper_halves = Format::bits == 4 && row % column_rows != 0;
    const std::uint8_t* const columns = list.columns();
    for (Index c = 0; c < list.size(); c += step_cols) {
        typename IntDot::Quantized steps[groups];
        IntDot::interleave(w + columns[c] * weights.column_bytes(), w + columns[c + 1] * weights.column_bytes(),
                           w + columns[c + 2] * weights.column_bytes(), w + columns[c + 3] * weights.column_bytes(),
                           steps);
#pragma GCC unroll 4
        for (int g = 0; g < groups; ++g) {
            if constexpr (Format::bits == 4)
                steps[g] = upper_halves ? IntDot::upper_nibbles(steps[g]) : IntDot::lower_nibbles(steps[g]);
            const typename IntDot::Prepared prepared = IntDot::prepare(steps[g]);
#pragma GCC unroll 4
            for (int t = 0; t < Tokens; ++t) IntDot::accumulate(sums[t][g], prepared, values[t] + c);
        }
    }
#pragma GCC unroll 4
    for (int g = 0; g < groups; ++g) {
        const core::BFloat16* const scales = weights.scales(row / group_rows + g, block);
#pragma GCC unroll 4
        for (int part = 0; part < vectors_per_group; ++part) {
            const V scale = Simd::load(scales + part * Simd::lanes);
#pragma GCC unroll 4
            for (int t = 0; t < Tokens; ++t) {
                float* const at = y + t * y_stride + g * group_rows + part * Simd::lanes;
                const V token_scale = Simd::set(panel.scales(first_token + t)[block].scale);
                Simd::store(at, Simd::mul_add(IntDot::to_float(sums[t][g], part), Simd::mul(scale, token_scale),
                                              Simd::load(at)));
            }
        }
    }
}

// Rows [begin, end), from a multiple of column_rows on, of y = W x for tokens packed by quantize_activations. The same
// bits as with row groups: a feature quantized to zero adds nothing to an integer sum.
template <QuantizedFormat Format>
void column_gemv(const WeightMatrix& matrix, Index begin, Index end, const Activations& x, Index tokens, float* y,
                 Index y_stride, float*) noexcept {
    constexpr Index block_cols = Format::block_cols, rows_of_line = 64 * 8 / Format::bits;
    const WeightView<Format> weights(matrix);
    const QuantizedPanel<IntDot::Value> panel(x.panels, weights.cols(), block_cols);
    const Index stride = panel.blocks() * block_cols;
    const ChosenFeatures<IntDot::Value> chosen(panel.values(0), stride, tokens, stride, block_cols);
    ColumnPrefetcher prefetcher(weights, chosen, block_cols, begin * Format::bits / 8,
                                (stored_rows(end) - begin) * Format::bits / 8);
    ColumnList<IntDot::Value> list;
    ColumnSums sums(begin, end, tokens, y, y_stride);
    for (Index block = 0; block < chosen.blocks(); ++block) {
        list.assign(chosen, block, panel.values(0) + block * block_cols, stride, tokens, step_cols);
        const auto* const next_scales = reinterpret_cast<const char*>(weights.column_scales(block + 1));
        for (Index r = begin; r < end; r += 64) {
            if (r % rows_of_line == 0) prefetcher.issue(list.size());
            if (block + 1 < chosen.blocks()) {
                Simd::prefetch_l2(next_scales + 2 * r);
                Simd::prefetch_l2(next_scales + 2 * r + 64);
            }
            for_token_runs<IntDot::column_tokens>(tokens, [&]<int Tokens>(Index t, std::integral_constant<int, Tokens>) {
                add_columns<Format, Tokens>(weights, block, r, list, panel, t, sums.at(r, t), sums.stride(r));
            });
        }
    }
    sums.finish();
}

// For products of many tokens: calls put(group, step, bytes) for the column steps, a byte a value, of the four row groups
// from `row` on and some scale blocks. Prefetches the same columns of those from `next_block` and `next_row` on.
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

// Rows of a task that a product of many tokens takes before the features of the next block: those of a task with row
// groups, or four groups.
inline constexpr Index rows_of_steps = 4 * group_rows;

}  // namespace rwkv::inline RWKV_ABI::kernels::RWKV_TARGET

#include <rwkv/kernels/simd/end_target.inl>
