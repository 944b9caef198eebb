#pragma once

#include <Eigen/Core>

#include <rwkv/core/float16.hpp>
#include <rwkv/version.hpp>

namespace rwkv::inline RWKV_ABI::kernels {

/// Vectors as Eigen computes them with the flags of the source file: of floats for the portable target, of doubles for
/// the oracle. Without alignment, so that differently compiled source files may share their functions.
template <class S>
struct EigenSimd {
    using Scalar = S;
    static constexpr int lanes = 32 / sizeof(Scalar);
    using V = Eigen::Array<Scalar, lanes, 1, Eigen::DontAlign>;

    template <class T>
    static V load(const T* from) noexcept {
        return Eigen::Map<const Eigen::Array<T, lanes, 1>>(from).template cast<Scalar>();
    }
    static void store(Scalar* to, const V& v) noexcept { Eigen::Map<V>{to} = v; }
    static V set(Scalar value) noexcept { return V::Constant(value); }
    static V maximum(const V& a, const V& b) noexcept { return (a.max)(b); }
    /// value where x < 0, otherwise elsewhere.
    static V if_negative_then_else(const V& x, const V& value, const V& otherwise) noexcept {
        return (x < Scalar(0)).select(value, otherwise);
    }
    static Scalar reduce_sum(const V& v) noexcept { return v.sum(); }
};

}  // namespace rwkv::inline RWKV_ABI::kernels
