#pragma once

#include <algorithm>
#include <cmath>
#include <type_traits>

#include <Eigen/Core>

#include <rwkv/core/tensor.hpp>
#include <rwkv/kernels/arch/avx512.hpp>
#include <rwkv/kernels/arch/neon.hpp>
#include <rwkv/kernels/isa.hpp>
#include <rwkv/version.hpp>

namespace rwkv::inline RWKV_ABI {

/// The functions of equations.inl, which says what they compute, for one instruction set.
template <class Scalar>
struct Elementwise {
    /// (x − mean) / √(variance + ε) · weight + bias.
    void (*layer_norm)(const float* weight, const float* bias, Scalar epsilon, Index n, const Scalar* x,
                       Scalar* out) noexcept;
    /// x · mix + previous · (1 − mix).
    void (*token_shift)(const float* mix, Index n, const Scalar* x, const Scalar* previous, Scalar* out) noexcept;
    /// The WKV recurrence of some channels over some tokens; the averages take the values' place.
    void (*wkv)(const float* decay, const float* time_first, Index begin, Index end, Index tokens, const Scalar* key,
                Index key_stride, Scalar* value, Index value_stride, Scalar* numerator, Scalar* denominator,
                Scalar* maximum) noexcept;
    /// x · σ(receptance).
    void (*gate)(Index begin, Index end, const Scalar* receptance, Scalar* x) noexcept;
    /// max(x, 0)².
    void (*squared_relu)(Index n, Scalar* x) noexcept;
    /// x + y.
    void (*add)(Index n, const Scalar* y, Scalar* x) noexcept;
};

namespace equations {

/// Registers as Eigen has them: of floats where no instruction set is chosen, and of doubles for the oracle, which
/// tests compare with.
template <class S>
struct EigenSimd {
    using Scalar = S;
    static constexpr int width = 32 / sizeof(Scalar);
    using V = Eigen::Array<Scalar, width, 1>;

    template <class T>
    static V load(const T* from) noexcept {
        return Eigen::Map<const Eigen::Array<T, width, 1>>(from).template cast<Scalar>();
    }
    static void store(Scalar* to, const V& v) noexcept { Eigen::Map<V>{to} = v; }
    static V broadcast(Scalar value) noexcept { return V::Constant(value); }
    static V max(const V& a, const V& b) noexcept { return a.max(b); }
    static V negative(const V& x, const V& value, const V& otherwise) noexcept {
        return (x < Scalar(0)).select(value, otherwise);
    }
    static Scalar sum(const V& v) noexcept { return v.sum(); }
};

template <class S>
typename EigenSimd<S>::V eigen_exp(const typename EigenSimd<S>::V& x) noexcept {
    return x.exp();
}

namespace portable {
using Simd = EigenSimd<float>;
constexpr auto exp = eigen_exp<float>;
#include <rwkv/model/equations.inl>
}  // namespace portable

namespace oracle {
using Simd = EigenSimd<double>;
constexpr auto exp = eigen_exp<double>;
#include <rwkv/model/equations.inl>
}  // namespace oracle

#ifdef RWKV_X86_KERNELS

#include <rwkv/kernels/arch/avx2_begin.inl>
namespace avx2 {
using kernels::avx2::exp;
using kernels::avx2::Simd;
#include <rwkv/model/equations.inl>
}  // namespace avx2
#include <rwkv/kernels/arch/end.inl>

#include <rwkv/kernels/arch/avx512_begin.inl>
namespace avx512 {
using kernels::avx512::exp;
using kernels::avx512::Simd;
#include <rwkv/model/equations.inl>
}  // namespace avx512
#include <rwkv/kernels/arch/end.inl>

#endif

#ifdef RWKV_NEON_KERNELS
namespace neon {
using kernels::neon::exp;
using kernels::neon::Simd;
#include <rwkv/model/equations.inl>
}  // namespace neon
#endif

}  // namespace equations

/// The equations for that instruction set; in double there is but one way.
template <class Scalar>
const Elementwise<Scalar>& elementwise([[maybe_unused]] kernels::Isa isa) noexcept {
    if constexpr (std::is_same_v<Scalar, double>) {
        return equations::oracle::all;
    } else {
#ifdef RWKV_X86_KERNELS
        if (isa >= kernels::Isa::avx512) return equations::avx512::all;
        if (isa == kernels::Isa::avx2) return equations::avx2::all;
#elif defined(RWKV_NEON_KERNELS)
        if (isa == kernels::Isa::neon) return equations::neon::all;
#endif
        return equations::portable::all;
    }
}

#ifdef RWKV_COMPILED  // see compiled.hpp
extern template const Elementwise<float>& elementwise<float>(kernels::Isa) noexcept;
#endif

}  // namespace rwkv::inline RWKV_ABI
