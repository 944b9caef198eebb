#pragma once

#include <algorithm>
#include <span>

#include <rwkv/kernels/matmul.hpp>
#include <rwkv/model/block.hpp>
#include <rwkv/model/weights.hpp>
#include <rwkv/version.hpp>

namespace rwkv::inline RWKV_ABI::model {

// The whole network (model.hpp has the picture) over float or double activations, a column for each token of the
// workspace's batch. Token ids, states and workspace have been checked by the caller (`Model` does).

/// x ← pre_ln(embeddings[token]), in workspace.x(T). Where ranks share the model, each computes it for its own rows of
/// the embeddings.
template <class Matrix, class Scalar>
void embed(const BasicWeights<Matrix>& weights, BasicWorkspace<Scalar>& workspace) noexcept {
    kernels::MatmulContext& context = workspace.context();
    const auto x = workspace.x(workspace.batch().tokens());
    const RowSpan own = own_rows(weights.ranks.get(), weights.config.vocab_size);
    parallel_for_tokens(context.executor(), x.cols(), [&](Index begin, Index end) {
        workspace.batch().for_each_column(begin, end, [&](const ColumnRange<Scalar>& range, Index t) {
            const Index row = range.tokens[t - range.begin];
            if (row < own.begin || row >= own.end) {
                std::fill_n(x.col(t), x.rows(), Scalar(0));
                return;
            }
            weights.embeddings.copy_row(row - own.begin, 0, x.rows(), x.col(t));
            const auto column = x.columns(t, t + 1);
            layer_norm<Scalar>(kernels::equations_of<Scalar>(context), weights.pre_ln, column, column);
        });
    });
    all_combine(weights.ranks.get(), x);
}

/// The blocks [first, last) over x; updates the states of these layers. Calls stop() before each layer; if it is true,
/// leaves x and the states as they are and returns false.
template <class Matrix, class Scalar, class Stop>
bool run_layers(const BasicWeights<Matrix>& weights, Index first, Index last, BasicWorkspace<Scalar>& workspace,
                const Stop& stop) noexcept {
    for (Index layer = first; layer < last; ++layer) {
        if (stop()) return false;
        block(weights.blocks[static_cast<std::size_t>(layer)], layer, weights.ranks.get(), workspace);
    }
    if (first < last && last == static_cast<Index>(weights.blocks.size())) workspace.batch().complete_checkpoints();
    return true;
}

/// ln_out of some columns of x, in workspace.normed(columns.size()): hidden states.
template <class Matrix, class Scalar>
MatrixView<Scalar> hidden_states(const BasicWeights<Matrix>& weights, std::span<const Index> columns,
                                 BasicWorkspace<Scalar>& workspace) noexcept {
    kernels::MatmulContext& context = workspace.context();
    const auto x = workspace.x(workspace.batch().tokens());
    const auto hidden = workspace.normed(std::ssize(columns));
    parallel_for_tokens(context.executor(), hidden.cols(), [&](Index begin, Index end) {
        for (Index i = begin; i < end; ++i) {
            const Index t = columns[static_cast<std::size_t>(i)];
            layer_norm<Scalar>(kernels::equations_of<Scalar>(context), weights.ln_out, x.columns(t, t + 1),
                               hidden.columns(i, i + 1));
        }
    });
    return hidden;
}

/// The head over the hidden states of some columns of x: logits, in workspace.logits(columns.size()). Allocates
/// where the workspace was not asked for this number of columns before.
template <class Matrix, class Scalar>
MatrixView<Scalar> logits(const BasicWeights<Matrix>& weights, std::span<const Index> columns,
                          BasicWorkspace<Scalar>& workspace) {
    kernels::prefetch_next(workspace.context(), {&*weights.head});
    const auto hidden = hidden_states(weights, columns, workspace);
    const auto out = workspace.logits(std::ssize(columns));
    const RowSpan own = own_rows(weights.ranks.get(), out.rows());
    kernels::multiply<Matrix, Scalar>(workspace.context(), {{*weights.head, hidden, out.rows(own.begin, own.end)}});
    all_gather(weights.ranks.get(), out);
    return out;
}

}  // namespace rwkv::inline RWKV_ABI::model
