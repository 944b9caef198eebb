#pragma once

#include <cmath>

#include <rwkv/version.hpp>

namespace rwkv::inline RWKV_ABI::kernels {

/// Vectors of gcc and clang, which map them to the registers that the flags of the source file allow: of four floats
/// for the portable target, of two doubles for the oracle.
template <class S>
struct VectorSimd {
    using Scalar = S;
    typedef Scalar V __attribute__((vector_size(16)));
    static constexpr int lanes = 16 / sizeof(Scalar);

    template <class T>
    static V load(const T* from) noexcept {
        V v{};
        for (int i = 0; i < lanes; ++i) v[i] = static_cast<Scalar>(from[i]);
        return v;
    }
    static void store(Scalar* to, V v) noexcept {
        for (int i = 0; i < lanes; ++i) to[i] = v[i];
    }
    static V set(Scalar value) noexcept { return V{} + value; }
    /// a where one of them is NaN.
    static V maximum(V a, V b) noexcept { return a < b ? b : a; }
    /// value where x < 0, otherwise elsewhere.
    static V if_negative_then_else(V x, V value, V otherwise) noexcept { return x < Scalar(0) ? value : otherwise; }
    static Scalar reduce_sum(V v) noexcept {
        Scalar sum = 0;
        for (int i = 0; i < lanes; ++i) sum += v[i];
        return sum;
    }
    static V exp(V x) noexcept {
        for (int i = 0; i < lanes; ++i) x[i] = std::exp(x[i]);
        return x;
    }
};

}  // namespace rwkv::inline RWKV_ABI::kernels
