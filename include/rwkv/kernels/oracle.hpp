#pragma once

#include <algorithm>
#include <cmath>

#include <rwkv/kernels/reference_matmul.hpp>
#include <rwkv/kernels/simd/vector_simd.hpp>
#include <rwkv/version.hpp>

// The equations in double: what tests compare float results with. Include it where blocks are instantiated for double.
#define RWKV_TARGET oracle

namespace rwkv::inline RWKV_ABI::kernels::oracle {

using Simd = VectorSimd<double>;

inline Simd::V exp(Simd::V x) noexcept {
    return Simd::exp(x);
}

}  // namespace rwkv::inline RWKV_ABI::kernels::oracle

#include <rwkv/kernels/simd/equations.inl>

#undef RWKV_TARGET

namespace rwkv::inline RWKV_ABI::kernels {

/// The equations in double; there is one way only.
template <>
inline const Equations<double>& equations_of<double>(const MatmulContext&) noexcept {
    return oracle::equations;
}

}  // namespace rwkv::inline RWKV_ABI::kernels
