#pragma once

#include <algorithm>
#include <type_traits>

#include <Eigen/Core>

#include <rwkv/kernels/activations.hpp>
#include <rwkv/kernels/weight_matrix.hpp>
#include <rwkv/version.hpp>

namespace rwkv::inline RWKV_ABI::kernels::portable {

/// Rows [begin, end) of y = W x for every column of x, by Eigen, for any format and any scalar. Rows are widened in
/// small blocks on the stack, so that nothing is allocated and the inner product is Eigen's own.
template <class Format, class Scalar>
void multiply_rows(const WeightMatrix<Format>& weight, Index begin, Index end, ConstActivationsView<Scalar> x,
                   ActivationsView<Scalar> y) noexcept {
    constexpr Index block_rows = 8, block_cols = 256;
    Eigen::Matrix<Scalar, block_rows, block_cols, Eigen::RowMajor> block;
    for (Index r = begin; r < end; r += block_rows) {
        const Index rows = std::min(block_rows, end - r);
        auto out = y.matrix().middleRows(r, rows);
        out.setZero();
        for (Index c = 0; c < weight.cols(); c += block_cols) {
            const Index cols = std::min(block_cols, weight.cols() - c);
            for (Index i = 0; i < rows; ++i) weight.copy_row(r + i, c, c + cols, &block(i, 0));
            out += block.topLeftCorner(rows, cols).lazyProduct(x.matrix().middleRows(c, cols));
        }
    }
}

}  // namespace rwkv::inline RWKV_ABI::kernels::portable
