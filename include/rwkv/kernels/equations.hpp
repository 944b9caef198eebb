#pragma once

#include <rwkv/core/tensor.hpp>
#include <rwkv/version.hpp>

namespace rwkv::inline RWKV_ABI::kernels {

/// RWKV-4 between its matrices, for one instruction set. simd/equations.inl says what each function computes.
template <class Scalar>
struct Equations {
    /// out = (x − mean) / √(variance + ε) · weight + bias.
    void (*layer_norm)(const float* weight, const float* bias, Scalar epsilon, Index n, const Scalar* x,
                       Scalar* out) noexcept;
    /// out = x · mix + previous · (1 − mix).
    void (*token_shift)(const float* mix, Index n, const Scalar* x, const Scalar* previous, Scalar* out) noexcept;
    /// The WKV recurrence of the channels [begin, end) over some tokens; the averages take the values' place.
    void (*wkv)(const float* decay, const float* time_first, Index begin, Index end, Index tokens, const Scalar* key,
                Index key_stride, Scalar* value, Index value_stride, Scalar* numerator, Scalar* denominator,
                Scalar* maximum) noexcept;
    /// x = x · σ(receptance).
    void (*gate)(Index begin, Index end, const Scalar* receptance, Scalar* x) noexcept;
    /// x = max(x, 0)².
    void (*squared_relu)(Index n, Scalar* x) noexcept;
    /// x = x + y.
    void (*add)(Index n, const Scalar* y, Scalar* x) noexcept;
};

}  // namespace rwkv::inline RWKV_ABI::kernels
