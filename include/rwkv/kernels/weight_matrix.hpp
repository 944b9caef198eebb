#pragma once

#include <memory>
#include <utility>
#include <variant>

#include <Eigen/Core>

#include <rwkv/kernels/format.hpp>
#include <rwkv/tensor.hpp>

namespace rwkv {

/// The weight of a linear map y = W x as Hugging Face stores it: rows() outputs × cols() inputs, row-major, no gaps.
/// Immutable; copies share the elements, so a tied head costs nothing.
template <class F>
class WeightMatrix {
  public:
    using Format = F;
    using Storage = typename Format::Storage;

    WeightMatrix() = default;
    /// Shares `data`, which holds rows × cols elements and is not written to any more.
    WeightMatrix(Index rows, Index cols, std::shared_ptr<const Storage[]> data)
        : rows_(rows), cols_(cols), data_(std::move(data)) {}

    Index rows() const noexcept { return rows_; }
    Index cols() const noexcept { return cols_; }
    /// The first element of row i.
    const Storage* row(Index i) const noexcept { return data_.get() + i * cols_; }
    std::size_t bytes() const noexcept { return static_cast<std::size_t>(rows_ * cols_) * sizeof(Storage); }
    DType dtype() const noexcept { return Format::dtype; }

    /// Row i as numbers of the activations' type (a column vector expression, or a copy of one).
    template <class Scalar>
    auto row_as(Index i) const {
        return Eigen::Map<const Eigen::Array<Storage, Eigen::Dynamic, 1>>(row(i), cols_).template cast<Scalar>();
    }

  private:
    Index rows_ = 0, cols_ = 0;
    std::shared_ptr<const Storage[]> data_;
};

/// A matrix whose format is known at run time only: one of the others, to be visited.
template <>
class WeightMatrix<Mixed> {
  public:
    using Any = std::variant<WeightMatrix<F32>, WeightMatrix<F16>, WeightMatrix<BF16>>;

    WeightMatrix() = default;
    template <class Format>
    WeightMatrix(WeightMatrix<Format> matrix) : any_(std::move(matrix)) {}

    /// Calls `use` with the matrix in its own format. No format is ever valueless, so this does not throw.
    template <class Use>
    auto visit(Use&& use) const {
        if (auto* w = std::get_if<WeightMatrix<F16>>(&any_)) return use(*w);
        if (auto* w = std::get_if<WeightMatrix<BF16>>(&any_)) return use(*w);
        return use(*std::get_if<WeightMatrix<F32>>(&any_));
    }

    Index rows() const noexcept {
        return visit([](const auto& w) { return w.rows(); });
    }
    Index cols() const noexcept {
        return visit([](const auto& w) { return w.cols(); });
    }
    std::size_t bytes() const noexcept {
        return visit([](const auto& w) { return w.bytes(); });
    }
    DType dtype() const noexcept {
        return visit([](const auto& w) { return w.dtype(); });
    }

  private:
    Any any_;
};

}  // namespace rwkv
