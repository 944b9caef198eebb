#pragma once

#include <rwkv/kernels/multiply.hpp>
#include <rwkv/model/share_out.hpp>
#include <rwkv/model/state.hpp>
#include <rwkv/model/token_shift.hpp>
#include <rwkv/model/weights.hpp>
#include <rwkv/model/workspace.hpp>

namespace rwkv {

/// Channel mixing, RWKV's feed-forward network, for T tokens:
///
///   k = max(K·shift(x, mix_k), 0)²   r = σ(R·shift(x, mix_r))   out = r ∘ (V·k)
///
/// x is the layer-normed input in workspace.normed(T); the result is left in workspace.out(T). Continues from the
/// state of `layer` and leaves the state after the last token.
template <class Format, class Scalar>
void channel_mixing(const FeedForwardWeights<Format>& weights, Index layer, Index tokens, BasicState<Scalar>& state,
                    BasicWorkspace<Scalar>& workspace) noexcept {
    kernels::Engine& engine = workspace.engine();
    const auto x = workspace.normed(tokens);
    const auto mixed_k = workspace.mixed(0, tokens);
    const auto mixed_r = workspace.mixed(1, tokens);
    auto k = workspace.key(weights.key.rows(), tokens);
    auto r = workspace.receptance(weights.receptance.rows(), tokens);
    auto out = workspace.out(tokens);
    auto shift = state.feed_forward_shift();
    auto previous = shift.col(layer);

    over_tokens(engine.pool(), tokens, [&](Index begin, Index end) {
        token_shift<Scalar>(weights.time_mix_key, x, previous, begin, end, mixed_k);
        token_shift<Scalar>(weights.time_mix_receptance, x, previous, begin, end, mixed_r);
    });
    previous = x.col(tokens - 1);

    kernels::multiply<Format, Scalar>(engine, {{weights.key, mixed_k, k}, {weights.receptance, mixed_r, r}});
    over_tokens(engine.pool(), tokens, [&](Index begin, Index end) {
        auto keys = k.middleCols(begin, end - begin);
        keys = keys.max(Scalar(0)).square();
    });

    kernels::multiply<Format, Scalar>(engine, {{weights.value, k, out}});
    over_tokens(engine.pool(), tokens, [&](Index begin, Index end) {
        const auto gate = r.middleCols(begin, end - begin);
        out.middleCols(begin, end - begin) /= Scalar(1) + (-gate).exp();
    });
}

}  // namespace rwkv
