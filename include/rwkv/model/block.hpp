#pragma once

#include <rwkv/model/channel_mixing.hpp>
#include <rwkv/model/time_mixing.hpp>
#include <rwkv/version.hpp>

namespace rwkv::inline RWKV_ABI {

/// out = layer_norm(x), column by column; see equations.inl. x and out may be the same.
template <class Scalar>
void layer_norm(kernels::Isa isa, const LayerNormWeights& weights, ConstActivationsView<Scalar> x,
                ActivationsView<Scalar> out) noexcept {
    for (Index t = 0; t < x.cols(); ++t)
        elementwise<Scalar>(isa).layer_norm(weights.weight.data(), weights.bias.data(),
                                            static_cast<Scalar>(weights.epsilon), x.rows(), x.col(t).data(),
                                            out.col(t).data());
}

/// One block over T tokens, the residual stream x in workspace.x(T):
///
///   x ← x + time_mixing(ln1(x))
///   x ← x + channel_mixing(ln2(x))
template <class Format, class Scalar>
void block(const BlockWeights<Format>& weights, Index layer, const Texts<Scalar>& texts,
           BasicWorkspace<Scalar>& workspace) noexcept {
    kernels::Engine& engine = workspace.engine();
    const Index tokens = texts.tokens();
    auto x = workspace.x(tokens), normed = workspace.normed(tokens), out = workspace.out(tokens);
    const auto add_out = [&](Index begin, Index end) {
        for (Index t = begin; t < end; ++t)
            elementwise<Scalar>(engine.isa()).add(x.rows(), out.col(t).data(), x.col(t).data());
    };
    const auto norm_x = [&](const LayerNormWeights& norm, Index begin, Index end) {
        layer_norm<Scalar>(engine.isa(), norm, x.middleCols(begin, end - begin), normed.middleCols(begin, end - begin));
    };

    kernels::expect<Format>(engine, {&weights.attention.key, &weights.attention.value, &weights.attention.receptance});
    over_tokens(engine.pool(), tokens, [&](Index begin, Index end) { norm_x(weights.ln1, begin, end); });
    time_mixing<Format, Scalar>(weights.attention, layer, texts, workspace);

    kernels::expect<Format>(engine, {&weights.feed_forward.key, &weights.feed_forward.receptance});
    over_tokens(engine.pool(), tokens, [&](Index begin, Index end) {
        add_out(begin, end);
        norm_x(weights.ln2, begin, end);
    });
    channel_mixing<Format, Scalar>(weights.feed_forward, layer, texts, workspace);

    over_tokens(engine.pool(), tokens, add_out);
}

}  // namespace rwkv::inline RWKV_ABI
