// Skinny products with column-major weights. Where most features of one or two tokens are zero, as channel mixing's
// keys are, only the columns that meet the others are read.
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

// Features of some tokens, as floats or quantized, and which of them are multiplied: all, or those that are not zero
// for every token, where these are few enough. Features count in blocks of at most 64, in the order in which they lie.
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
template <class T, class Value>
class ColumnList {
  public:
    /// `first` is the first column of the block. `group` columns are multiplied together: the list is filled up to a
    /// multiple of it, with features of 0.
    void assign(const ChosenFeatures<Value>& chosen, Index block, const T* first, Index column_stride,
                const Value* values, Index stride, Index tokens, Index group) noexcept {
        const auto column = [&](Index place) { return first + column_at<Value>(place) * column_stride; };
        if (chosen.all()) {
            size_ = (chosen.size(block) + group - 1) / group * group;
            values_ = values;
            stride_ = stride;
            for (Index i = 0; i < size_; ++i) columns_[i] = column(i);
            return;
        }
        size_ = 0;
        values_ = copies_[0];
        stride_ = max_size;
        for (std::uint64_t bits = chosen(block); bits != 0; bits &= bits - 1, ++size_) {
            const Index place = std::countr_zero(bits);
            columns_[size_] = column(place);
            for (Index t = 0; t < tokens; ++t) copies_[t][size_] = values[t * stride + place];
        }
        for (; size_ % group != 0; ++size_) {
            columns_[size_] = columns_[size_ - 1];
            for (Index t = 0; t < tokens; ++t) copies_[t][size_] = 0;
        }
    }

    Index size() const noexcept { return size_; }
    const T* const* columns() const noexcept { return columns_; }
    const Value* values(Index token) const noexcept { return values_ + token * stride_; }

  private:
    static constexpr Index max_size = 64;
    Index size_ = 0, stride_ = 0;
    const Value* values_ = nullptr;
    const T* columns_[max_size];
    Value copies_[2][max_size];
};

// Prefetches the chosen columns one after the other, the part of each that holds some rows, into the second-level
// cache: in the order of memory, however many of them are multiplied together.
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
        while (lines > 0) {
            if (at_ >= bytes_ && !next_column()) return;
            const Index some = (std::min)(lines, (bytes_ - at_) / 64);
            const char* const line = column_ + at_;
            for (Index i = 0; i < some; ++i) Simd::prefetch_l2(line + 64 * i);
            at_ += 64 * some;
            lines -= some;
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

// y += W x for rows [begin, end), whole tiles of column_vectors<Tokens> registers, some columns and `Tokens` tokens.
// `y` is the first row's.
template <int Tokens, class T>
inline void add_columns(const ColumnList<T, float>& list, Index first_token, Index begin, Index end, float* y,
                        Index y_stride) noexcept {
    constexpr int across = column_vectors<Tokens>;
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
        for (Index c = 0; c < size; ++c) {
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
#pragma GCC unroll 8
        for (int t = 0; t < Tokens; ++t)
#pragma GCC unroll 8
            for (int i = 0; i < across; ++i) Simd::store(y + t * y_stride + i * Simd::lanes, sums[t][i]);
    }
}

// Calls add(begin, end, y, y_stride) for rows [begin, end): those of the last, partial column_rows rows have their sums
// in a buffer, since all of these are computed. `y` is the first row's.
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
    void for_each_part(Index token, const Add& add) noexcept {
        if (begin_ < whole_end_) add(begin_, whole_end_, y_ + token * y_stride_ + begin_, y_stride_);
        if (whole_end_ < end_) add(whole_end_, whole_end_ + column_rows, last_[token], column_rows);
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
    constexpr Index size = sizeof(T);
    const WeightView<Format> weights(matrix);
    const ChosenFeatures<float> chosen(x.values, x.stride, tokens, weights.cols(), columns_at_once);
    ColumnPrefetcher prefetcher(weights, chosen, columns_at_once, begin * size, (stored_rows(end) - begin) * size);
    ColumnList<T, float> list;
    ColumnSums sums(begin, end, tokens, y, y_stride);
    for (Index block = 0; block < chosen.blocks(); ++block) {
        const Index first = block * columns_at_once;
        list.assign(chosen, block, weights.column(first), weights.column_stride(), x.values + first, x.stride, tokens,
                    1);
        for_token_runs<Simd::gemv_tokens>(tokens, [&]<int Tokens>(Index t, std::integral_constant<int, Tokens>) {
            sums.for_each_part(t, [&](Index part_begin, Index part_end, float* to, Index stride) {
                for (Index r = part_begin; r < part_end; r += column_rows) {
                    if (t == 0) prefetcher.issue(list.size() * (column_rows * size / 64));
                    add_columns<Tokens>(list, t, r, r + column_rows, to + (r - part_begin), stride);
                }
            });
        });
    }
    sums.finish();
}

// Tokens that quantized columns are multiplied with together.
template <class Format>
inline constexpr int column_tokens = Format::bits == 8 ? IntDot::column_tokens : IntDot::column_tokens / 2;

// y += W x for 64 rows at `at` in each column, with 4 bits also or only for those in the upper halves of the same
// bytes: integer sums, then floats, as row groups are multiplied (quantized_gemv.inl). `scales` and `y` are the first
// row's.
template <class Format, bool Lower, bool Upper, int Tokens>
inline void add_quantized_rows(const std::uint8_t* const* columns, Index size, Index at,
                               const IntDot::Value* const (&values)[Tokens],
                               const ActivationScale (&token_scales)[Tokens], const core::BFloat16* scales, float* y,
                               Index y_stride) noexcept {
    constexpr int groups = Lower && Upper ? 8 : 4;
    typename IntDot::Sum sums[Tokens][groups];
#pragma GCC unroll 4
    for (int t = 0; t < Tokens; ++t)
#pragma GCC unroll 8
        for (int g = 0; g < groups; ++g) sums[t][g] = IntDot::start(token_scales[t].bias);
    for (Index c = 0; c < size; c += step_cols) {
        typename IntDot::Quantized steps[4];
        IntDot::interleave(columns[c] + at, columns[c + 1] + at, columns[c + 2] + at, columns[c + 3] + at, steps);
        const auto multiply = [&](const typename IntDot::Quantized& bytes, int g) {
            const typename IntDot::Prepared prepared = IntDot::prepare(bytes);
#pragma GCC unroll 4
            for (int t = 0; t < Tokens; ++t) IntDot::accumulate(sums[t][g], prepared, values[t] + c);
        };
#pragma GCC unroll 4
        for (int g = 0; g < 4; ++g) {
            if constexpr (Format::bits == 8) {
                multiply(steps[g], g);
            } else {
                if constexpr (Lower) multiply(IntDot::lower_nibbles(steps[g]), g);
                if constexpr (Upper) multiply(IntDot::upper_nibbles(steps[g]), Lower ? 4 + g : g);
            }
        }
    }
#pragma GCC unroll 8
    for (int g = 0; g < groups; ++g) {
#pragma GCC unroll 4
        for (int part = 0; part < vectors_per_group; ++part) {
            const Index row = g * group_rows + part * Simd::lanes;
            const V scale = Simd::load(scales + row);
#pragma GCC unroll 4
            for (int t = 0; t < Tokens; ++t) {
                float* const sum = y + t * y_stride + row;
                Simd::store(sum, Simd::mul_add(IntDot::to_float(sums[t][g], part),
                                               Simd::mul(scale, Simd::set(token_scales[t].scale)), Simd::load(sum)));
            }
        }
    }
}

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
    for (Index block = 0; block < chosen.blocks(); ++block) {
        list.assign(chosen, block, weights.column(block * block_cols), weights.column_bytes(),
                    panel.values(0) + block * block_cols, stride, tokens, step_cols);
        const core::BFloat16* const scales = weights.column_scales(block);
        const bool is_last = block + 1 == chosen.blocks();
        const auto* const next_scales =
            reinterpret_cast<const char*>(weights.column_scales(is_last ? block : block + 1));
        for_token_runs<column_tokens<Format>>(tokens, [&]<int Tokens>(Index t, std::integral_constant<int, Tokens>) {
            const Value* values[Tokens];
            ActivationScale token_scales[Tokens];
            for (int i = 0; i < Tokens; ++i) {
                values[i] = list.values(t + i);
                token_scales[i] = panel.scales(t + i)[block];
            }
            sums.for_each_part(t, [&](Index part_begin, Index part_end, float* to, Index to_stride) {
                for (Index r = part_begin; r < part_end; r += rows_of_line) {
                    if (t == 0) {
                        prefetcher.issue(list.size());
                        for (Index i = 0; i < 2 * rows_of_line; i += 64) Simd::prefetch_l2(next_scales + 2 * r + i);
                    }
                    const auto add = [&]<bool Lower, bool Upper>(std::bool_constant<Lower>, std::bool_constant<Upper>) {
                        const Index row = Lower ? r : r + 64;
                        add_quantized_rows<Format, Lower, Upper>(list.columns(), list.size(), r * Format::bits / 8,
                                                                 values, token_scales, scales + row,
                                                                 to + (row - part_begin), to_stride);
                    };
                    if constexpr (Format::bits == 8) {
                        add(std::true_type{}, std::false_type{});
                    } else if constexpr (IntDot::column_groups == 8) {
                        add(std::true_type{}, std::true_type{});
                    } else {
                        add(std::true_type{}, std::false_type{});
                        add(std::false_type{}, std::true_type{});
                    }
                }
            });
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
