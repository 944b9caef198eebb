// Which columns of column-major weights are multiplied, and in which order they are fetched.
#ifndef RWKV_TARGET
#include <rwkv/kernels/simd/alone.inl>
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
    /// With more, all are multiplied.
    static constexpr Index max_tokens = Blocking::gemm_min_tokens - 1;

    ChosenFeatures(const Value* values, Index stride, Index tokens, Index cols, Index block_cols) noexcept
        : values_(values), stride_(stride), tokens_(tokens), cols_(cols), block_cols_(block_cols) {
        chosen_ = cols;
        if (tokens > max_tokens) return;
        all_ = false;
        chosen_ = 0;
        for (Index block = 0; block < blocks(); ++block) chosen_ += std::popcount((*this)(block));
        // Reading everything in order is faster than most of it; with several tokens, arithmetic counts, too.
        all_ = 8 * chosen_ > (tokens <= 2 ? 5 : 7) * cols;
        if (all_) chosen_ = cols;
    }

    Index blocks() const noexcept { return (cols_ + block_cols_ - 1) / block_cols_; }
    /// The number of features in a block; the last may have fewer.
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
            count_ = chosen.size(block);
            size_ = (count_ + group - 1) / group * group;
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
        count_ = size_;
        for (; size_ % group != 0; ++size_) {
            columns_[size_] = columns_[size_ - 1];
            for (Index t = 0; t < tokens; ++t) copies_[t][size_] = 0;
        }
    }

    Index size() const noexcept { return size_; }
    /// Without what fills the list up.
    Index count() const noexcept { return count_; }
    const T* const* columns() const noexcept { return columns_; }
    const Value* values(Index token) const noexcept { return values_ + token * stride_; }

  private:
    static constexpr Index max_size = 64;
    Index size_ = 0, count_ = 0, stride_ = 0;
    const Value* values_ = nullptr;
    const T* columns_[max_size];
    Value copies_[ChosenFeatures<Value>::max_tokens][max_size];
};

// Prefetches the chosen columns one after the other, the part of each that holds some rows, into the second-level
// cache: in the order of memory, however many of them are multiplied together.
template <class View, class Value>
class ColumnPrefetcher {
  public:
    /// Of each column `bytes` bytes from `offset` on, whole cache lines. Begins with what comes before the first
    /// product: about a block.
    ColumnPrefetcher(const View& weights, const ChosenFeatures<Value>& chosen, Index block_cols, Index offset,
                     Index bytes) noexcept
        : weights_(weights), chosen_(chosen), block_cols_(block_cols), offset_(offset), bytes_(bytes) {
        constexpr Index columns_more = 8;
        if (chosen.chosen() == 0) return;
        bits_ = chosen_(0);
        for (Index left = chosen.chosen() / chosen.blocks() + columns_more; left > 0; left -= max_columns) {
            const Index columns = (std::min)(left, max_columns);
            plan(columns, columns);
            issue(columns * (bytes / 64));
        }
    }

    /// Looks up the next `columns` columns, which the following calls of issue() prefetch: at most the cache lines of
    /// `max` columns in total, `max` at most 64.
    [[gnu::noinline]] void plan(Index columns, Index max) noexcept {
        for (Index i = 0; i <= max; ++i) planned_[i] = i < columns ? next_column() : column_;
        next_ = planned_;
        start_column();
    }
    /// Prefetches a few lines: between multiplications, since many at once would keep these waiting.
    void issue(Index lines) noexcept {
        if (end_ - at_ > 64 * lines) {  // as nearly always
            for (Index i = 0; i < lines; ++i) Simd::prefetch_l2(at_ + 64 * i);
            at_ += 64 * lines;
            return;
        }
        for (; lines > 0; --lines) {
            Simd::prefetch_l2(at_);
            at_ += 64;
            if (at_ != end_) continue;
            ++next_;
            start_column();
        }
    }

  private:
    static constexpr Index max_columns = 64;

    void start_column() noexcept {
        at_ = *next_;
        end_ = at_ + bytes_;
    }
    // The last one again where there is no other.
    const char* next_column() noexcept {
        while (bits_ == 0 && block_ + 1 < chosen_.blocks()) bits_ = chosen_(++block_);
        if (bits_ != 0)
            column_ = reinterpret_cast<const char*>(
                          weights_.column(block_ * block_cols_ + column_at<Value>(std::countr_zero(bits_)))) +
                      offset_;
        bits_ &= bits_ - 1;
        return column_;
    }

    const View& weights_;
    const ChosenFeatures<Value>& chosen_;
    Index block_cols_, offset_, bytes_, block_ = 0;
    std::uint64_t bits_ = 0;
    const char* column_ = nullptr;
    const char *planned_[max_columns + 1], **next_ = planned_, *at_ = nullptr, *end_ = nullptr;
};

}  // namespace rwkv::inline RWKV_ABI::kernels::RWKV_TARGET

#include <rwkv/kernels/simd/end_target.inl>
