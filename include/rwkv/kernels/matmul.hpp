#pragma once

#include <initializer_list>
#include <type_traits>

#include <rwkv/core/matrix_view.hpp>
#include <rwkv/kernels/matmul_context.hpp>
#include <rwkv/kernels/prefetch_plan.hpp>
#include <rwkv/kernels/weight_matrix.hpp>
#include <rwkv/version.hpp>

namespace rwkv::inline RWKV_ABI::kernels {

/// One product y = W x: x is [features × tokens], y [rows × tokens].
template <class Matrix, class Scalar>
struct Product {
    const Matrix& weights;
    MatrixView<const Scalar> x;
    MatrixView<Scalar> y;
};

/// Computes up to max_products products of the same number of tokens, on the context's threads. Each element of y is
/// computed the same way whichever thread does it.
void matmul(MatmulContext& context, std::initializer_list<Product<WeightMatrix, float>> products) noexcept;

/// Computes products of matrices of another type, or in double, one after the other on the calling thread: what tests compare
/// with. A Matrix has rows(), cols() and copy_row().
template <class Matrix, class Scalar>
void reference_matmul(std::initializer_list<Product<Matrix, Scalar>> products) noexcept;

/// Whichever of the two fits the types.
template <class Matrix, class Scalar>
void multiply(MatmulContext& context, std::initializer_list<Product<Matrix, Scalar>> products) noexcept {
    if constexpr (std::is_same_v<Matrix, WeightMatrix> && std::is_same_v<Scalar, float>)
        matmul(context, products);
    else
        reference_matmul(products);
}

}  // namespace rwkv::inline RWKV_ABI::kernels

#ifndef RWKV_COMPILED
#include <rwkv/kernels/matmul.inl>
#endif
