#pragma once

#include <algorithm>
#include <cstdint>
#include <string>

#include <rwkv/core/matrix_view.hpp>
#include <rwkv/core/tensor.hpp>
#include <rwkv/kernels/weight_matrix.hpp>
#include <rwkv/version.hpp>

namespace rwkv::inline RWKV_ABI {

/// The rows [begin, end) of a matrix.
struct RowSpan {
    Index begin;  ///< the first row
    Index end;    ///< one behind the last
};

/// Machines that share a model (tensor parallelism): each rank holds some rows of every matrix, computes those rows for
/// all tokens of a pass, and sends them to the others. As a row is never split, the numbers are those of one machine,
/// bit by bit. rwkv/mpi.hpp has one over MPI.
///
/// All ranks load the same files and make the same passes in the same order. Of a State each rank has the sums of its
/// own channels only, so that what is saved by one rank can be loaded by the same rank alone.
///
/// Thread safety: a model of a group makes one pass at a time.
class RankGroup {
  public:
    virtual ~RankGroup() = default;
    RankGroup(const RankGroup&) = delete;
    RankGroup& operator=(const RankGroup&) = delete;

    /// Number of this rank, from 0.
    [[nodiscard]] int rank() const noexcept { return rank_; }
    /// Number of ranks.
    [[nodiscard]] int size() const noexcept { return size_; }
    /// The rows that a rank holds of a matrix with that many: whole row groups, as many as any other, or one more.
    [[nodiscard]] RowSpan rows_of(int rank, Index rows) const noexcept {
        const auto begin = [&](int r) {
            return (std::min)(kernels::row_groups(rows) * r / size_ * kernels::group_rows, rows);
        };
        return {begin(rank), begin(rank + 1)};
    }
    /// The rows that this rank holds.
    [[nodiscard]] RowSpan own_rows(Index rows) const noexcept { return rows_of(rank_, rows); }

    /// On entry, each rank has written its own rows of the columns; on return, each has all rows. A failure ends the
    /// program on every rank.
    virtual void all_gather(MatrixView<float> columns) noexcept = 0;
    /// On entry, one rank has written the numbers of a column, and the others zeros; on return, each has the numbers.
    virtual void all_combine(MatrixView<float> columns) noexcept = 0;

    /// Tells the others that this rank has reached this point, with a number that must be the same on all, or, if
    /// `error` is not empty, that it failed. Throws: ModelError on every rank if one failed or the numbers differ; the
    /// group cannot be used any more then.
    virtual void agree(const std::string& where, std::uint64_t number, const std::string& error) = 0;

  protected:
    /// Throws: nothing.
    RankGroup(int rank, int size) noexcept : rank_(rank), size_(size) {}

  private:
    int rank_, size_;
};

namespace model {

/// The rows of a matrix with `rows` that are computed here: all of them where there is no group.
[[nodiscard]] inline RowSpan own_rows(const RankGroup* ranks, Index rows) noexcept {
    return ranks ? ranks->own_rows(rows) : RowSpan{0, rows};
}

/// Completes columns of which own_rows() were computed here.
inline void all_gather(RankGroup* ranks, MatrixView<float> columns) noexcept {
    if (ranks) ranks->all_gather(columns);
}
/// Completes columns that one rank has written.
inline void all_combine(RankGroup* ranks, MatrixView<float> columns) noexcept {
    if (ranks) ranks->all_combine(columns);
}
// Double is for one machine.
inline void all_gather(RankGroup*, MatrixView<double>) noexcept {}
inline void all_combine(RankGroup*, MatrixView<double>) noexcept {}

}  // namespace model

}  // namespace rwkv::inline RWKV_ABI
