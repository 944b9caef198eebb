#pragma once

#include <rwkv/kernels/matmul.hpp>
#include <rwkv/model/batch.hpp>
#include <rwkv/model/elementwise.hpp>
#include <rwkv/model/parallel.hpp>
#include <rwkv/model/weights.hpp>
#include <rwkv/model/workspace.hpp>
#include <rwkv/version.hpp>

namespace rwkv::inline RWKV_ABI {

/// Channel mixing, RWKV's feed-forward network, for T tokens:
///
///   k = max(K·shift(x, mix_k), 0)²   r = σ(R·shift(x, mix_r))   out = r ∘ (V·k)
///
/// The letters are those of model.hpp. x is the layer-normed input in workspace.normed(T); the result is left in
/// workspace.out(T). Continues from the states of `layer` and leaves the states after the last token of each text.
template <class Format, class Scalar>
void channel_mixing(const FeedForwardWeights<Format>& weights, Index layer, const Texts<Scalar>& texts,
                    BasicWorkspace<Scalar>& workspace) noexcept {
    kernels::Engine& engine = workspace.engine();
    const Elementwise<Scalar>& of = elementwise<Scalar>(engine.isa());
    const Index tokens = texts.tokens(), hidden = weights.key.cols(), intermediate = weights.key.rows();
    auto mixed_k = workspace.mixed(0, tokens), mixed_r = workspace.mixed(1, tokens);
    auto k = workspace.key(intermediate, tokens), r = workspace.receptance(hidden, tokens);
    auto out = workspace.out(tokens);

    const Shifted x{texts, workspace.normed(tokens),
                    [layer](BasicState<Scalar>& state) { return state.feed_forward_shift().col(layer).data(); }};
    over_tokens(engine.pool(), tokens, [&](Index begin, Index end) {
        for (Index t = begin; t < end; ++t) {
            const Scalar *const now = x.x.col(t).data(), *const before = x.before(t);
            of.token_shift(weights.time_mix_key.data(), hidden, now, before, mixed_k.col(t).data());
            of.token_shift(weights.time_mix_receptance.data(), hidden, now, before, mixed_r.col(t).data());
        }
    });
    x.keep();  // only now: until here the state's column was what the first token was mixed with

    kernels::multiply<Format, Scalar>(engine, {{weights.key, mixed_k, k}, {weights.receptance, mixed_r, r}});
    kernels::expect<Format>(engine, {&weights.value});
    over_tokens(engine.pool(), tokens, [&](Index begin, Index end) {
        for (Index t = begin; t < end; ++t) of.squared_relu(intermediate, k.col(t).data());
    });

    kernels::multiply<Format, Scalar>(engine, {{weights.value, k, out}});
    over_tokens(engine.pool(), tokens, [&](Index begin, Index end) {
        for (Index t = begin; t < end; ++t) of.gate(0, hidden, r.col(t).data(), out.col(t).data());
    });
}

}  // namespace rwkv::inline RWKV_ABI
