#pragma once

#include <type_traits>

#include <rwkv/core/tensor.hpp>
#include <rwkv/version.hpp>

namespace rwkv::inline RWKV_ABI {

/// A view of a matrix that lies column by column: element (i, j) is data()[j · stride() + i]. Copies view the same
/// elements, which the owner keeps alive.
template <class T>
class MatrixView {
  public:
    MatrixView(T* data, Index rows, Index cols, Index stride) noexcept
        : data_(data), rows_(rows), cols_(cols), stride_(stride) {}
    /// A view to read only, of a view to read and write.
    template <class U>
    requires std::is_same_v<const U, T> MatrixView(const MatrixView<U>& other)
    noexcept : MatrixView(other.data(), other.rows(), other.cols(), other.stride()) {}

    [[nodiscard]] T* data() const noexcept { return data_; }
    [[nodiscard]] Index rows() const noexcept { return rows_; }
    [[nodiscard]] Index cols() const noexcept { return cols_; }
    /// Elements from the beginning of a column to that of the next.
    [[nodiscard]] Index stride() const noexcept { return stride_; }
    /// rows() · cols().
    [[nodiscard]] Index size() const noexcept { return rows_ * cols_; }
    /// The first element of column j.
    [[nodiscard]] T* col(Index j) const noexcept { return data_ + j * stride_; }
    [[nodiscard]] T& operator()(Index i, Index j) const noexcept { return data_[j * stride_ + i]; }
    /// The rows [begin, end).
    [[nodiscard]] MatrixView rows(Index begin, Index end) const noexcept {
        return {data_ + begin, end - begin, cols_, stride_};
    }
    /// The columns [begin, end).
    [[nodiscard]] MatrixView columns(Index begin, Index end) const noexcept {
        return {col(begin), rows_, end - begin, stride_};
    }

  private:
    T* data_;
    Index rows_, cols_, stride_;
};

}  // namespace rwkv::inline RWKV_ABI
