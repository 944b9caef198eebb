#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <rwkv/core/error.hpp>
#include <rwkv/core/inline.hpp>
#include <rwkv/model/forward.hpp>
#include <rwkv/model/model.hpp>

namespace rwkv::inline RWKV_ABI {

namespace detail {

[[noreturn]] inline void check_failed(std::string_view call, std::string_view subject, std::string expected,
                                      std::string found) {
    throw ArgumentError("Model::" + std::string(call), std::string(subject), std::move(expected), std::move(found));
}

inline std::string shape(Index layers, Index hidden, Index attention) {
    return std::to_string(layers) + " layers of hidden size " + std::to_string(hidden) + " and attention hidden size " +
           std::to_string(attention);
}

inline std::span<const float> column(const ActivationsView<float>& columns, Index t) noexcept {
    return {columns.col(t).data(), static_cast<std::size_t>(columns.rows())};
}

inline void report(const Progress& progress, Index done, std::span<const TokenId> tokens) {
    if (progress && !progress("prompt", static_cast<std::uint64_t>(done), tokens.size())) throw Cancelled("prompt");
}

}  // namespace detail

RWKV_INLINE Model::Model(Weights<Mixed> weights, std::vector<std::string> warnings)
    : weights_(std::make_shared<const Weights<Mixed>>(std::move(weights))), warnings_(std::move(warnings)) {}

RWKV_INLINE void Model::check(std::string_view call, std::span<const TokenId> tokens, const State& state,
                              const Workspace& workspace, bool needs_head) const {
    using detail::check_failed, detail::shape;
    if (!state.fits(config()))
        check_failed(call, "state",
                     shape(config().num_hidden_layers, config().hidden_size, config().attention_hidden_size),
                     shape(state.num_hidden_layers(), state.hidden_size(), state.attention_hidden_size()));
    if (!workspace.fits(config()))
        check_failed(call, "workspace", "one made for this model's config", "one of other sizes");
    if (needs_head && !has_head()) check_failed(call, "head.weight", "a model with a head", "none");
    for (std::size_t i = 0; i < tokens.size(); ++i)
        if (tokens[i] < 0 || tokens[i] >= config().vocab_size)
            check_failed(call, "token " + std::to_string(i),
                         "an id from 0 to " + std::to_string(config().vocab_size - 1), std::to_string(tokens[i]));
}

RWKV_INLINE std::span<const float> Model::forward(std::span<const TokenId> tokens, State& state, Workspace& workspace,
                                                  const Progress& progress) const {
    check("forward", tokens, state, workspace, true);
    if (tokens.empty()) detail::check_failed("forward", "tokens", "at least one", "none");
    std::span<const float> last;
    forward_chunks(*weights_, tokens, state, workspace, [&](Index first, Index count) {
        if (first + count == std::ssize(tokens))
            last = detail::column(logits(*weights_, count - 1, count, count, workspace), 0);
        detail::report(progress, first + count, tokens);
    });
    return last;
}

RWKV_INLINE void Model::forward_all(std::span<const TokenId> tokens, State& state, Workspace& workspace,
                                    const EachPosition& each, const Progress& progress) const {
    check("forward_all", tokens, state, workspace, true);
    constexpr Index most = kernels::best_part * 3 / 2;  // columns of logits at once: they are long
    // Room for them now: later, to find none would leave the state mid-text.
    workspace.logits(std::min({most, workspace.chunk(), static_cast<Index>(tokens.size())}));
    forward_chunks(*weights_, tokens, state, workspace, [&](Index first, Index count) {
        const kernels::Parts parts = kernels::parts_of(count, count);
        for (Index part = 0; part < parts.count; ++part) {
            const Index begin = parts.begin(part), end = parts.begin(part + 1);
            const auto columns = logits(*weights_, begin, end, count, workspace);
            for (Index t = begin; t < end; ++t) each(first + t, detail::column(columns, t - begin));
        }
        detail::report(progress, first + count, tokens);
    });
}

RWKV_INLINE void Model::forward_batch(std::span<const TokenId> tokens, std::span<State* const> states,
                                      Workspace& workspace, const EachPosition& each) const {
    if (tokens.size() != states.size())
        detail::check_failed("forward_batch", "states", "one for each of " + std::to_string(tokens.size()) + " tokens",
                             std::to_string(states.size()));
    for (std::size_t i = 0; i < states.size(); ++i) {
        if (!states[i] || std::ranges::count(states.first(i), states[i]) > 0)
            detail::check_failed("forward_batch", "state " + std::to_string(i), "a state of its own",
                                 states[i] ? "one that is there already" : "none");
        check("forward_batch", tokens.subspan(i, 1), *states[i], workspace, true);
    }
    // Room for them now: later, to find none would leave the states moved on.
    workspace.logits(std::min(workspace.chunk(), static_cast<Index>(tokens.size())));
    for (std::size_t first = 0; first < tokens.size();) {
        const std::size_t count = std::min(tokens.size() - first, static_cast<std::size_t>(workspace.chunk()));
        const auto n = static_cast<Index>(count);
        forward_chunk<Mixed, float>(*weights_, tokens.subspan(first, count), {states.subspan(first, count), 1},
                                    workspace);
        const auto columns = logits(*weights_, 0, n, n, workspace);
        for (Index t = 0; t < n; ++t) each(static_cast<Index>(first) + t, detail::column(columns, t));
        first += count;
    }
}

RWKV_INLINE void Model::forward_hidden(std::span<const TokenId> tokens, State& state, Workspace& workspace,
                                       const EachPosition& each, const Progress& progress) const {
    check("forward_hidden", tokens, state, workspace, false);
    forward_chunks(*weights_, tokens, state, workspace, [&](Index first, Index count) {
        const auto hidden = hidden_states(*weights_, 0, count, count, workspace);
        for (Index t = 0; t < count; ++t) each(first + t, detail::column(hidden, t));
        detail::report(progress, first + count, tokens);
    });
}

RWKV_INLINE void Model::forward_state(std::span<const TokenId> tokens, State& state, Workspace& workspace,
                                      const Progress& progress) const {
    check("forward_state", tokens, state, workspace, false);
    forward_chunks(*weights_, tokens, state, workspace,
                   [&](Index first, Index count) { detail::report(progress, first + count, tokens); });
}

}  // namespace rwkv::inline RWKV_ABI
