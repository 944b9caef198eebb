#pragma once

#include <rwkv/kernels/matmul.hpp>
#include <rwkv/model/batch.hpp>
#include <rwkv/model/parallel.hpp>
#include <rwkv/model/rank_group.hpp>
#include <rwkv/model/token_shift.hpp>
#include <rwkv/model/weights.hpp>
#include <rwkv/model/workspace.hpp>
#include <rwkv/version.hpp>

namespace rwkv::inline RWKV_ABI::model {

/// Channel mixing, RWKV's feed-forward network, for T tokens:
///
///   k = max(K·shift(x, mix_k), 0)²   r = σ(R·shift(x, mix_r))   out = r ∘ (V·k)
///
/// The letters are those of model.hpp. x is the layer-normed input in workspace.normed(T); the result is left in
/// workspace.out(T). Continues from the states of `layer` and leaves them after the last token of each sequence. Where
/// `ranks` share the model, each computes its own rows of a product.
template <class Matrix, class Scalar>
void channel_mixing(const FeedForwardWeights<Matrix>& weights, Index layer, RankGroup* ranks,
                    BasicWorkspace<Scalar>& workspace) noexcept {
    kernels::MatmulContext& context = workspace.context();
    const kernels::Equations<Scalar>& ops = kernels::equations_of<Scalar>(context);
    const Index tokens = workspace.batch().tokens(), hidden = weights.key.cols(), intermediate = weights.value.cols();
    const RowSpan own = own_rows(ranks, intermediate), own_out = own_rows(ranks, hidden);
    const auto shifted_k = workspace.shifted(0, tokens), shifted_r = workspace.shifted(1, tokens);
    const auto k = workspace.key(intermediate, tokens), r = workspace.receptance(hidden, tokens),
               out = workspace.out(tokens);

    const TokenShift shift(workspace.batch(), layer, workspace.normed(tokens),
                           [](BasicState<Scalar>& state) { return state.feed_forward_shift(); });
    parallel_for_tokens(context.executor(), tokens, [&](Index begin, Index end) {
        shift.for_each_column(begin, end, [&](Index t, const Scalar* x, const Scalar* previous) {
            ops.token_shift(weights.time_mix_key.data(), hidden, x, previous, shifted_k.col(t));
            ops.token_shift(weights.time_mix_receptance.data(), hidden, x, previous, shifted_r.col(t));
        });
    });
    shift.save_last_columns();  // only now: until here the states' columns were the first tokens' predecessors

    kernels::multiply<Matrix, Scalar>(context, {{weights.key, shifted_k, k.rows(own.begin, own.end)},
                                                {weights.receptance, shifted_r, r.rows(own_out.begin, own_out.end)}});
    kernels::prefetch_next(context, {&weights.value});
    parallel_for_tokens(context.executor(), tokens, [&](Index begin, Index end) {
        for (Index t = begin; t < end; ++t) ops.squared_relu(own.end - own.begin, k.col(t) + own.begin);
    });
    all_gather(ranks, k);
    workspace.note_keys(k);

    kernels::multiply<Matrix, Scalar>(context, {{weights.value, k, out.rows(own_out.begin, own_out.end)}});
    parallel_for_tokens(context.executor(), tokens, [&](Index begin, Index end) {
        for (Index t = begin; t < end; ++t) ops.gate(own_out.begin, own_out.end, r.col(t), out.col(t));
    });
    all_gather(ranks, out);
}

}  // namespace rwkv::inline RWKV_ABI::model
