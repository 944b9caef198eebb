#pragma once

#include <rwkv/kernels/activations.hpp>
#include <rwkv/tensor.hpp>

namespace rwkv {

/// The WKV recurrence's memory of one layer: columns of a State, updated in place. All are [A].
template <class Scalar>
struct WkvState {
    Eigen::Map<Vector<Scalar>> numerator, denominator, maximum;
};

/// WKV for `Width` channels from `channel` on: a weighted average of the values seen so far, in which a token's weight
/// is exp(key), fading by exp(w) with every step, and the current token's is exp(u + key) instead:
///
///   wkv_t = (Σ_(i<t) e^((t−1−i)·w + k_i) v_i  +  e^(u + k_t) v_t) / (Σ_(i<t) e^((t−1−i)·w + k_i)  +  e^(u + k_t))
///
/// The sums run on as numerator and denominator, both held as multiples of e^p, p the largest exponent met, so that
/// no exponent is ever above 0 (the paper's numerically stable form). Scans over time, a register full of channels
/// at once; `wkv` may be `value` itself.
template <int Width, class Scalar>
void wkv_channels(Index channel, const Vector<float>& decay, const Vector<float>& time_first,
                  ConstActivationsView<Scalar> key, ConstActivationsView<Scalar> value, WkvState<Scalar>& state,
                  ActivationsView<Scalar> wkv) noexcept {
    using Channels = Eigen::Array<Scalar, Width, 1>;
    const Channels w = decay.segment<Width>(channel).template cast<Scalar>();
    const Channels u = time_first.segment<Width>(channel).template cast<Scalar>();
    Channels numerator = state.numerator.template segment<Width>(channel);
    Channels denominator = state.denominator.template segment<Width>(channel);
    Channels p = state.maximum.template segment<Width>(channel);
    for (Index t = 0; t < key.cols(); ++t) {
        const Channels k = key.col(t).template segment<Width>(channel);
        const Channels v = value.col(t).template segment<Width>(channel);

        Channels q = p.max(u + k);
        Channels past = (p - q).exp(), now = (u + k - q).exp();
        wkv.col(t).template segment<Width>(channel) = (past * numerator + now * v) / (past * denominator + now);

        q = (p + w).max(k);
        past = (p + w - q).exp();
        now = (k - q).exp();
        numerator = past * numerator + now * v;
        denominator = past * denominator + now;
        p = q;
    }
    state.numerator.template segment<Width>(channel) = numerator;
    state.denominator.template segment<Width>(channel) = denominator;
    state.maximum.template segment<Width>(channel) = p;
}

/// WKV for the channels [begin, end).
template <class Scalar>
void wkv(Index begin, Index end, const Vector<float>& decay, const Vector<float>& time_first,
         ConstActivationsView<Scalar> key, ConstActivationsView<Scalar> value, WkvState<Scalar> state,
         ActivationsView<Scalar> out) noexcept {
    Index c = begin;
    for (; c + 16 <= end; c += 16) wkv_channels<16>(c, decay, time_first, key, value, state, out);
    for (; c < end; ++c) wkv_channels<1>(c, decay, time_first, key, value, state, out);
}

}  // namespace rwkv
