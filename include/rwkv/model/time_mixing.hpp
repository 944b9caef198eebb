#pragma once

#include <rwkv/kernels/matmul.hpp>
#include <rwkv/model/batch.hpp>
#include <rwkv/model/elementwise.hpp>
#include <rwkv/model/parallel.hpp>
#include <rwkv/model/weights.hpp>
#include <rwkv/model/workspace.hpp>
#include <rwkv/version.hpp>

namespace rwkv::inline RWKV_ABI {

/// Time mixing, RWKV's place of attention, for T tokens:
///
///   k = K·shift(x, mix_k)   v = V·shift(x, mix_v)   r = σ(R·shift(x, mix_r))   out = O·(r ∘ wkv(k, v))
///
/// The letters are those of model.hpp. x is the layer-normed input in workspace.normed(T); the result is left in
/// workspace.out(T). Continues from the states of `layer` and leaves the states after the last token of each text.
template <class Format, class Scalar>
void time_mixing(const AttentionWeights<Format>& weights, Index layer, const Texts<Scalar>& texts,
                 BasicWorkspace<Scalar>& workspace) noexcept {
    kernels::Engine& engine = workspace.engine();
    const Elementwise<Scalar>& of = elementwise<Scalar>(engine.isa());
    const Index tokens = texts.tokens(), hidden = weights.key.cols(), attention = weights.key.rows();
    auto mixed_k = workspace.mixed(0, tokens), mixed_v = workspace.mixed(1, tokens),
         mixed_r = workspace.mixed(2, tokens);
    auto k = workspace.key(attention, tokens), v = workspace.value(tokens), r = workspace.receptance(attention, tokens);

    const Shifted x{texts, workspace.normed(tokens),
                    [layer](BasicState<Scalar>& state) { return state.attention_shift().col(layer).data(); }};
    over_tokens(engine.pool(), tokens, [&](Index begin, Index end) {
        for (Index t = begin; t < end; ++t) {
            const Scalar *const now = x.x.col(t).data(), *const before = x.before(t);
            of.token_shift(weights.time_mix_key.data(), hidden, now, before, mixed_k.col(t).data());
            of.token_shift(weights.time_mix_value.data(), hidden, now, before, mixed_v.col(t).data());
            of.token_shift(weights.time_mix_receptance.data(), hidden, now, before, mixed_r.col(t).data());
        }
    });
    x.keep();  // only now: until here the state's column was what the first token was mixed with

    kernels::multiply<Format, Scalar>(
        engine, {{weights.key, mixed_k, k}, {weights.value, mixed_v, v}, {weights.receptance, mixed_r, r}});
    kernels::expect<Format>(engine, {&weights.output});

    // In place: v becomes wkv, then σ(r) ∘ wkv.
    over_channels(engine.pool(), attention, tokens, [&](Index begin, Index end) {
        for (Index text = 0; text < texts.count(); ++text) {
            const Index first = text * texts.each;
            BasicState<Scalar>& state = texts.state(text);
            of.wkv(weights.decay.data(), weights.time_first.data(), begin, end, texts.each, k.col(first).data(),
                   k.outerStride(), v.col(first).data(), v.outerStride(), state.numerator().col(layer).data(),
                   state.denominator().col(layer).data(), state.maximum().col(layer).data());
        }
        for (Index t = 0; t < tokens; ++t) of.gate(begin, end, r.col(t).data(), v.col(t).data());
    });

    kernels::multiply<Format, Scalar>(engine, {{weights.output, v, workspace.out(tokens)}});
}

}  // namespace rwkv::inline RWKV_ABI
