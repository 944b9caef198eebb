#pragma once

#include <cmath>

#include <rwkv/model/weights.hpp>

namespace rwkv {

/// Each token's features brought to mean 0 and variance 1, then scaled and moved:
/// out = (x − mean x) / √(var x + ε) · weight + bias, the variance over all H features (no Bessel's correction).
/// x and out may be the same.
template <class Scalar>
void layer_norm(const LayerNormWeights& weights, ConstActivationsView<Scalar> x, ActivationsView<Scalar> out) noexcept {
    const auto& weight = weights.weight.template cast<Scalar>();
    const auto& bias = weights.bias.template cast<Scalar>();
    for (Index t = 0; t < x.cols(); ++t) {
        const Scalar mean = x.col(t).mean();
        const Scalar variance = (x.col(t) - mean).square().mean();
        const Scalar scale = 1 / std::sqrt(variance + static_cast<Scalar>(weights.epsilon));
        out.col(t) = (x.col(t) - mean) * scale * weight + bias;
    }
}

}  // namespace rwkv
