#pragma once

#include <rwkv/kernels/multiply.hpp>
#include <rwkv/model/share_out.hpp>
#include <rwkv/model/state.hpp>
#include <rwkv/model/token_shift.hpp>
#include <rwkv/model/weights.hpp>
#include <rwkv/model/wkv.hpp>
#include <rwkv/model/workspace.hpp>

namespace rwkv {

/// Time mixing, RWKV's place of attention, for T tokens:
///
///   k = K·shift(x, mix_k)   v = V·shift(x, mix_v)   r = σ(R·shift(x, mix_r))   out = O·(r ∘ wkv(k, v))
///
/// x is the layer-normed input in workspace.normed(T); the result is left in workspace.out(T). Continues from the
/// state of `layer` and leaves the state after the last token.
template <class Format, class Scalar>
void time_mixing(const AttentionWeights<Format>& weights, Index layer, Index tokens, BasicState<Scalar>& state,
                 BasicWorkspace<Scalar>& workspace) noexcept {
    kernels::Engine& engine = workspace.engine();
    const Index attention = weights.key.rows();
    const auto x = workspace.normed(tokens);
    const auto mixed_k = workspace.mixed(0, tokens);
    const auto mixed_v = workspace.mixed(1, tokens);
    const auto mixed_r = workspace.mixed(2, tokens);
    auto k = workspace.key(attention, tokens);
    auto v = workspace.value(tokens);
    auto r = workspace.receptance(attention, tokens);
    auto shift = state.attention_shift();
    auto previous = shift.col(layer);

    over_tokens(engine.pool(), tokens, [&](Index begin, Index end) {
        token_shift<Scalar>(weights.time_mix_key, x, previous, begin, end, mixed_k);
        token_shift<Scalar>(weights.time_mix_value, x, previous, begin, end, mixed_v);
        token_shift<Scalar>(weights.time_mix_receptance, x, previous, begin, end, mixed_r);
    });
    previous = x.col(tokens - 1);

    kernels::multiply<Format, Scalar>(
        engine, {{weights.key, mixed_k, k}, {weights.value, mixed_v, v}, {weights.receptance, mixed_r, r}});

    const auto column = [layer](ActivationsView<Scalar> part) {
        return Eigen::Map<Vector<Scalar>>(part.col(layer).data(), part.rows());
    };
    const WkvState<Scalar> memory{column(state.numerator()), column(state.denominator()), column(state.maximum())};
    over_channels(engine.pool(), attention, tokens, [&](Index begin, Index end) {
        wkv<Scalar>(begin, end, weights.decay, weights.time_first, k, v, memory, v);
        auto gate = r.middleRows(begin, end - begin);
        auto gated = v.middleRows(begin, end - begin);
        gated /= Scalar(1) + (-gate).exp();
    });

    kernels::multiply<Format, Scalar>(engine, {{weights.output, v, workspace.out(tokens)}});
}

}  // namespace rwkv
