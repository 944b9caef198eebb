#pragma once

#include <algorithm>
#include <span>

#include <rwkv/kernels/matmul.hpp>
#include <rwkv/model/block.hpp>
#include <rwkv/model/weights.hpp>
#include <rwkv/version.hpp>

namespace rwkv::inline RWKV_ABI {

// The whole network (model.hpp has the picture) over float or double activations, a column for each token, in any
// weight format. Token ids, state and workspace have been checked by the caller (`Model` does). What throws is a
// visitor, or logits that find no room.

/// Embedding, pre_ln and every block for the next tokens of some texts: leaves x in workspace.x(T) and moves the states
/// on.
template <class Format, class Scalar>
void forward_chunk(const Weights<Format>& weights, std::span<const TokenId> tokens, const Texts<Scalar>& texts,
                   BasicWorkspace<Scalar>& workspace) noexcept {
    kernels::Engine& engine = workspace.engine();
    auto x = workspace.x(texts.tokens());
    over_tokens(engine.pool(), texts.tokens(), [&](Index begin, Index end) {
        for (Index t = begin; t < end; ++t)
            weights.embeddings.copy_row(tokens[static_cast<std::size_t>(t)], 0, x.rows(), x.col(t).data());
        auto slice = x.middleCols(begin, end - begin);
        layer_norm<Scalar>(engine.isa(), weights.pre_ln, slice, slice);
    });
    for (Index layer = 0; layer < static_cast<Index>(weights.blocks.size()); ++layer)
        block<Format, Scalar>(weights.blocks[static_cast<std::size_t>(layer)], layer, texts, workspace);
}

/// All tokens of one text, as many at a time as the chunk and the threads allow (see kernels::parts_of). After each
/// such piece it calls visit(position of its first token, T), with x of its T tokens in workspace.x(T).
template <class Format, class Scalar, class Visit>
void forward_chunks(const Weights<Format>& weights, std::span<const TokenId> tokens, BasicState<Scalar>& state,
                    BasicWorkspace<Scalar>& workspace, Visit&& visit) {
    BasicState<Scalar>* const states[] = {&state};
    const Index size = static_cast<Index>(tokens.size());
    for (Index first = 0; first < size; first += workspace.chunk()) {
        const kernels::Parts parts = kernels::parts_of(std::min(size - first, workspace.chunk()), workspace.chunk());
        for (Index part = 0, next; part < parts.count; part = next) {
            next = std::min<Index>(part + workspace.threads(), parts.count);
            const Index begin = first + parts.begin(part), count = first + parts.begin(next) - begin;
            const auto some = tokens.subspan(static_cast<std::size_t>(begin), static_cast<std::size_t>(count));
            forward_chunk<Format, Scalar>(weights, some, {states, count}, workspace);
            visit(begin, count);
        }
    }
}

/// ln_out of the tokens [begin, end) of the chunk of T in workspace.x(T): hidden states, in workspace.normed(end −
/// begin).
template <class Format, class Scalar>
ActivationsView<Scalar> hidden_states(const Weights<Format>& weights, Index begin, Index end, Index tokens,
                                      BasicWorkspace<Scalar>& workspace) noexcept {
    const auto x = workspace.x(tokens);
    auto hidden = workspace.normed(end - begin);
    over_tokens(workspace.engine().pool(), end - begin, [&](Index from, Index to) {
        layer_norm<Scalar>(workspace.engine().isa(), weights.ln_out, x.middleCols(begin + from, to - from),
                           hidden.middleCols(from, to - from));
    });
    return hidden;
}

/// The head over those hidden states: logits, in workspace.logits(end − begin).
template <class Format, class Scalar>
ActivationsView<Scalar> logits(const Weights<Format>& weights, Index begin, Index end, Index tokens,
                               BasicWorkspace<Scalar>& workspace) {
    kernels::expect<Format>(workspace.engine(), {&*weights.head});
    const auto hidden = hidden_states<Format, Scalar>(weights, begin, end, tokens, workspace);
    auto out = workspace.logits(end - begin);
    kernels::multiply<Format, Scalar>(workspace.engine(), {{*weights.head, hidden, out}});
    return out;
}

}  // namespace rwkv::inline RWKV_ABI
