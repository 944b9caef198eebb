#pragma once

#include <algorithm>

#include <rwkv/core/matrix_view.hpp>
#include <rwkv/model/batch.hpp>
#include <rwkv/version.hpp>

namespace rwkv::inline RWKV_ABI::model {

/// What the token shift of one layer reads: the columns of x and, for the first column of a sequence, the one that its
/// state saved of the token before. `Part` selects the state's part: part(state) is [H × L].
template <class Scalar, class Part>
class TokenShift {
  public:
    TokenShift(const Batch<Scalar>& batch, Index layer, MatrixView<Scalar> x, Part part) noexcept
        : batch_(batch), layer_(layer), x_(x), part_(part) {}

    /// Calls use(column, its x, x of the token before) for the columns [begin, end).
    template <class Use>
    void for_each_column(Index begin, Index end, Use&& use) const noexcept {
        batch_.for_each_column(begin, end, [&](const ColumnRange<Scalar>& range, Index column) {
            use(column, x_.col(column), column == range.begin ? saved(range) : x_.col(column - 1));
        });
    }
    /// Saves the last column of each sequence in its state, for the sequence's next token, and every column in the
    /// checkpoints that there are.
    void save_last_columns() const noexcept {
        for (const ColumnRange<Scalar>& range : batch_.ranges()) {
            std::copy_n(x_.col(range.end - 1), x_.rows(), saved(range));
            if (!range.checkpoints) continue;
            for (Index t = range.begin; t < range.end; ++t)
                std::copy_n(x_.col(t), x_.rows(), part_(range.checkpoint(t)).col(layer_));
        }
    }

  private:
    Scalar* saved(const ColumnRange<Scalar>& range) const noexcept { return part_(*range.state).col(layer_); }

    const Batch<Scalar>& batch_;
    Index layer_;
    MatrixView<Scalar> x_;
    Part part_;
};

}  // namespace rwkv::inline RWKV_ABI::model
