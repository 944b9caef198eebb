#pragma once

#include <rwkv/kernels/activations.hpp>
#include <rwkv/tensor.hpp>

namespace rwkv {

/// Token shift: every feature is a mix of this token and the one before it,
/// out_t = x_t · mix + x_(t−1) · (1 − mix), for the tokens [begin, end) of x. The token before the first is `previous`,
/// which the state carries from call to call (zeros at the start of a text).
template <class Scalar, class Previous>
void token_shift(const Vector<float>& mix, ConstActivationsView<Scalar> x, const Previous& previous, Index begin,
                 Index end, ActivationsView<Scalar> out) noexcept {
    const auto& share = mix.cast<Scalar>();
    for (Index t = begin; t < end; ++t) {
        if (t == 0)
            out.col(t) = x.col(t) * share + previous * (Scalar(1) - share);
        else
            out.col(t) = x.col(t) * share + x.col(t - 1) * (Scalar(1) - share);
    }
}

}  // namespace rwkv
