#pragma once

#include <initializer_list>

#include <rwkv/kernels/matmul.hpp>
#include <rwkv/kernels/simd/portable.hpp>
#include <rwkv/version.hpp>

namespace rwkv::inline RWKV_ABI::kernels {

template <class Matrix, class Scalar>
void reference_matmul(std::initializer_list<Product<Matrix, Scalar>> products) noexcept {
    for (const auto& [weights, x, y] : products)
        portable::multiply_rows<Matrix, Scalar>(weights, 0, weights.rows(), x, y);
}

}  // namespace rwkv::inline RWKV_ABI::kernels
