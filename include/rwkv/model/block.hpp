#pragma once

#include <rwkv/model/channel_mixing.hpp>
#include <rwkv/model/layer_norm.hpp>
#include <rwkv/model/share_out.hpp>
#include <rwkv/model/time_mixing.hpp>

namespace rwkv {

/// One block over T tokens, the residual stream x in workspace.x(T):
///
///   x ← x + time_mixing(ln1(x))
///   x ← x + channel_mixing(ln2(x))
template <class Format, class Scalar>
void block(const BlockWeights<Format>& weights, Index layer, Index tokens, BasicState<Scalar>& state,
           BasicWorkspace<Scalar>& workspace) noexcept {
    kernels::ThreadPool& pool = workspace.engine().pool();
    auto x = workspace.x(tokens);
    auto normed = workspace.normed(tokens);
    const auto out = workspace.out(tokens);

    over_tokens(pool, tokens, [&](Index begin, Index end) {
        layer_norm<Scalar>(weights.ln1, x.middleCols(begin, end - begin), normed.middleCols(begin, end - begin));
    });
    time_mixing<Format, Scalar>(weights.attention, layer, tokens, state, workspace);

    over_tokens(pool, tokens, [&](Index begin, Index end) {
        x.middleCols(begin, end - begin) += out.middleCols(begin, end - begin);
        layer_norm<Scalar>(weights.ln2, x.middleCols(begin, end - begin), normed.middleCols(begin, end - begin));
    });
    channel_mixing<Format, Scalar>(weights.feed_forward, layer, tokens, state, workspace);

    over_tokens(pool, tokens, [&](Index begin, Index end) {
        x.middleCols(begin, end - begin) += out.middleCols(begin, end - begin);
    });
}

}  // namespace rwkv
