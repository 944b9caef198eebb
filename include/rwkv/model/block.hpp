#pragma once

#include <rwkv/model/channel_mixing.hpp>
#include <rwkv/model/time_mixing.hpp>
#include <rwkv/version.hpp>

namespace rwkv::inline RWKV_ABI::model {

/// out = layer_norm(x), column by column; see kernels/simd/equations.inl. x and out may be the same.
template <class Scalar>
void layer_norm(const kernels::Equations<Scalar>& ops, const LayerNormWeights& weights, MatrixView<const Scalar> x,
                MatrixView<Scalar> out) noexcept {
    for (Index t = 0; t < x.cols(); ++t)
        ops.layer_norm(weights.weight.data(), weights.bias.data(), static_cast<Scalar>(weights.epsilon), x.rows(),
                       x.col(t), out.col(t));
}

/// One block over the T tokens of the workspace's batch, the residual stream x in workspace.x(T), which all `ranks`
/// have whole:
///
///   x ← x + time_mixing(ln1(x))
///   x ← x + channel_mixing(ln2(x))
template <class Matrix, class Scalar>
void block(const BlockWeights<Matrix>& weights, Index layer, RankGroup* ranks,
           BasicWorkspace<Scalar>& workspace) noexcept {
    kernels::MatmulContext& context = workspace.context();
    const kernels::Equations<Scalar>& ops = kernels::equations_of<Scalar>(context);
    const Index tokens = workspace.batch().tokens();
    const auto x = workspace.x(tokens), normed = workspace.normed(tokens), out = workspace.out(tokens);
    const auto add_out = [&](Index begin, Index end) {
        for (Index t = begin; t < end; ++t) ops.add(x.rows(), out.col(t), x.col(t));
    };
    const auto norm_x = [&](const LayerNormWeights& norm, Index begin, Index end) {
        layer_norm<Scalar>(ops, norm, x.columns(begin, end), normed.columns(begin, end));
    };

    kernels::prefetch_next(context, {&weights.attention.key, &weights.attention.value, &weights.attention.receptance});
    parallel_for_tokens(context.executor(), tokens, [&](Index begin, Index end) { norm_x(weights.ln1, begin, end); });
    time_mixing(weights.attention, layer, ranks, workspace);

    kernels::prefetch_next(context, {&weights.feed_forward.key, &weights.feed_forward.receptance});
    parallel_for_tokens(context.executor(), tokens, [&](Index begin, Index end) {
        add_out(begin, end);
        norm_x(weights.ln2, begin, end);
    });
    channel_mixing(weights.feed_forward, layer, ranks, workspace);

    parallel_for_tokens(context.executor(), tokens, add_out);
}

}  // namespace rwkv::inline RWKV_ABI::model
