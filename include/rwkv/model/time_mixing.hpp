#pragma once

#include <algorithm>

#include <rwkv/kernels/matmul.hpp>
#include <rwkv/model/batch.hpp>
#include <rwkv/model/parallel.hpp>
#include <rwkv/model/rank_group.hpp>
#include <rwkv/model/token_shift.hpp>
#include <rwkv/model/weights.hpp>
#include <rwkv/model/workspace.hpp>
#include <rwkv/version.hpp>

namespace rwkv::inline RWKV_ABI::model {

/// WKV of the channels [begin, end) for the tokens of one sequence: v becomes wkv. Where there are checkpoints it goes
/// token by token, to keep the sums after each.
template <class Matrix, class Scalar>
void wkv(const AttentionWeights<Matrix>& weights, Index layer, const kernels::Equations<Scalar>& ops,
         const ColumnRange<Scalar>& range, Index begin, Index end, MatrixView<Scalar> k,
         MatrixView<Scalar> v) noexcept {
    const auto a = range.state->numerator(), b = range.state->denominator(), p = range.state->maximum();
    const Index some = range.checkpoints ? 1 : range.end - range.begin;
    for (Index t = range.begin; t < range.end; t += some) {
        ops.wkv(weights.decay.data(), weights.time_first.data(), begin, end, some, k.col(t), k.stride(), v.col(t),
                v.stride(), a.col(layer), b.col(layer), p.col(layer));
        if (!range.checkpoints) continue;
        BasicState<Scalar>& kept = range.checkpoint(t);
        std::copy(a.col(layer) + begin, a.col(layer) + end, kept.numerator().col(layer) + begin);
        std::copy(b.col(layer) + begin, b.col(layer) + end, kept.denominator().col(layer) + begin);
        std::copy(p.col(layer) + begin, p.col(layer) + end, kept.maximum().col(layer) + begin);
    }
}

/// Time mixing, RWKV's counterpart of attention, for T tokens:
///
///   k = K·shift(x, mix_k)   v = V·shift(x, mix_v)   r = σ(R·shift(x, mix_r))   out = O·(r ∘ wkv(k, v))
///
/// The letters are those of model.hpp. x is the layer-normed input in workspace.normed(T); the result is left in
/// workspace.out(T). Continues from the states of `layer` and leaves them after the last token of each sequence. Where
/// `ranks` share the model, each computes its own rows of a product, and so its own channels of WKV.
template <class Matrix, class Scalar>
void time_mixing(const AttentionWeights<Matrix>& weights, Index layer, RankGroup* ranks,
                 BasicWorkspace<Scalar>& workspace) noexcept {
    kernels::MatmulContext& context = workspace.context();
    const kernels::Equations<Scalar>& ops = kernels::equations_of<Scalar>(context);
    const Batch<Scalar>& batch = workspace.batch();
    const Index tokens = batch.tokens(), hidden = weights.key.cols(), attention = weights.output.cols();
    const RowSpan own = own_rows(ranks, attention), own_out = own_rows(ranks, hidden);
    const auto shifted_k = workspace.shifted(0, tokens), shifted_v = workspace.shifted(1, tokens),
               shifted_r = workspace.shifted(2, tokens);
    const auto k = workspace.key(attention, tokens), v = workspace.value(tokens),
               r = workspace.receptance(attention, tokens), out = workspace.out(tokens);

    const TokenShift shift(batch, layer, workspace.normed(tokens),
                           [](BasicState<Scalar>& state) { return state.attention_shift(); });
    parallel_for_tokens(context.executor(), tokens, [&](Index begin, Index end) {
        shift.for_each_column(begin, end, [&](Index t, const Scalar* x, const Scalar* previous) {
            ops.token_shift(weights.time_mix_key.data(), hidden, x, previous, shifted_k.col(t));
            ops.token_shift(weights.time_mix_value.data(), hidden, x, previous, shifted_v.col(t));
            ops.token_shift(weights.time_mix_receptance.data(), hidden, x, previous, shifted_r.col(t));
        });
    });
    shift.save_last_columns();  // only now: until here the states' columns were the first tokens' predecessors

    kernels::multiply<Matrix, Scalar>(context, {{weights.key, shifted_k, k.rows(own.begin, own.end)},
                                                {weights.value, shifted_v, v.rows(own.begin, own.end)},
                                                {weights.receptance, shifted_r, r.rows(own.begin, own.end)}});
    kernels::prefetch_next(context, {&weights.output});

    // In place: v becomes wkv, then σ(r) ∘ wkv.
    parallel_for_channels(context.executor(), own, tokens, [&](Index begin, Index end) {
        for (const ColumnRange<Scalar>& range : batch.ranges()) wkv(weights, layer, ops, range, begin, end, k, v);
        for (Index t = 0; t < tokens; ++t) ops.gate(begin, end, r.col(t), v.col(t));
    });
    all_gather(ranks, v);

    kernels::multiply<Matrix, Scalar>(context, {{weights.output, v, out.rows(own_out.begin, own_out.end)}});
    all_gather(ranks, out);
}

}  // namespace rwkv::inline RWKV_ABI::model
