#pragma once

#include <algorithm>
#include <cstddef>
#include <functional>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <rwkv/error.hpp>
#include <rwkv/model/forward.hpp>
#include <rwkv/model/state.hpp>
#include <rwkv/model/weights.hpp>
#include <rwkv/model/workspace.hpp>
#include <rwkv/progress.hpp>

namespace rwkv {

/// A loaded model of whatever weight format: immutable, cheap to copy (copies share the weights), and usable
/// by any number of threads at once, each with a state and a workspace of its own.
///
/// Every pass continues from `state` and leaves it after the last token, so a text may come in any pieces.
/// How it is computed (threads, token by token or in chunks) is the workspace's affair and does not change
/// the answer beyond rounding. Passes throw ArgumentError before anything is computed: for a token outside
/// the vocabulary, or a state or workspace of another shape; and std::bad_alloc, if there is no room for as many logits
/// as were never asked for before. A callback that throws ends the pass mid-text: the state is then to be reset or
/// replaced. Once a workspace is warm passes allocate nothing.
class Model {
  public:
    /// Told of each position in turn, counted from the first token of the call. The span is gone after the
    /// call.
    using EachPosition = std::function<void(Index position, std::span<const float>)>;

    explicit Model(Weights<Mixed> weights, std::vector<std::string> warnings = {})
        : weights_(std::make_shared<const Weights<Mixed>>(std::move(weights))), warnings_(std::move(warnings)) {}

    const Config& config() const noexcept { return weights_->config; }
    /// False for a base model saved without its head: hidden states and states only.
    bool has_head() const noexcept { return weights_->head.has_value(); }
    /// The weights themselves.
    const Weights<Mixed>& weights() const noexcept { return *weights_; }
    /// What was odd but harmless in the model's files, a sentence each: tensors of no RWKV-4, say, left
    /// alone.
    const std::vector<std::string>& warnings() const noexcept { return warnings_; }

    /// The logits after the last token, vocab_size of them; they stay in the workspace until its next pass.
    /// Needs at least one token. `progress`, if given, is told of tokens done ("prompt").
    std::span<const float> forward(std::span<const TokenId> tokens, State& state, Workspace& workspace,
                                   const Progress& progress = {}) const {
        check("forward", tokens, state, workspace, true);
        if (tokens.empty()) check_failed("forward", "tokens", "at least one", "none");
        std::span<const float> last;
        forward_chunks(*weights_, tokens, state, workspace, [&](Index first, Index count) {
            if (first + count == std::ssize(tokens))
                last = column(logits(*weights_, count - 1, count, count, workspace), 0);
            report(progress, first + count, tokens);
        });
        return last;
    }

    /// The logits after every token, in order.
    void forward_all(std::span<const TokenId> tokens, State& state, Workspace& workspace, const EachPosition& each,
                     const Progress& progress = {}) const {
        check("forward_all", tokens, state, workspace, true);
        constexpr Index best = 64, most = best + best / 2;  // columns of logits at once: they are long
        workspace.logits(std::min({most, workspace.chunk(), static_cast<Index>(tokens.size())}));
        forward_chunks(*weights_, tokens, state, workspace, [&](Index first, Index count) {
            const kernels::Parts parts = kernels::parts_of(count, count, best);
            for (Index part = 0; part < parts.count; ++part) {
                const Index begin = parts.begin(part), end = parts.begin(part + 1);
                const auto columns = logits(*weights_, begin, end, count, workspace);
                for (Index t = begin; t < end; ++t) each(first + t, column(columns, t - begin));
            }
            report(progress, first + count, tokens);
        });
    }

    /// Continues several texts at once by a token each, tokens[i] after *states[i], and tells `each` the logits of text
    /// i: what a server does with many conversations. The weights are read once for all of them, or for as many as
    /// the workspace's chunk. No state may be there twice.
    void forward_batch(std::span<const TokenId> tokens, std::span<State* const> states, Workspace& workspace,
                       const EachPosition& each) const {
        if (tokens.size() != states.size())
            check_failed("forward_batch", "states", "one for each of " + std::to_string(tokens.size()) + " tokens",
                         std::to_string(states.size()));
        for (std::size_t i = 0; i < states.size(); ++i) {
            if (!states[i] || std::ranges::count(states.first(i), states[i]) > 0)
                check_failed("forward_batch", "state " + std::to_string(i), "a state of its own",
                             states[i] ? "one that is there already" : "none");
            check("forward_batch", tokens.subspan(i, 1), *states[i], workspace, true);
        }
        workspace.logits(std::min(workspace.chunk(), static_cast<Index>(tokens.size())));
        for (std::size_t first = 0; first < tokens.size();) {
            const std::size_t count = std::min(tokens.size() - first, static_cast<std::size_t>(workspace.chunk()));
            const auto n = static_cast<Index>(count);
            forward_chunk<Mixed, float>(*weights_, tokens.subspan(first, count), {states.subspan(first, count), 1},
                                        workspace);
            const auto columns = logits(*weights_, 0, n, n, workspace);
            for (Index t = 0; t < n; ++t) each(static_cast<Index>(first) + t, column(columns, t));
            first += count;
        }
    }

    /// The hidden state (after ln_out, hidden_size numbers) of every token, in order; the head is not
    /// computed.
    void forward_hidden(std::span<const TokenId> tokens, State& state, Workspace& workspace, const EachPosition& each,
                        const Progress& progress = {}) const {
        check("forward_hidden", tokens, state, workspace, false);
        forward_chunks(*weights_, tokens, state, workspace, [&](Index first, Index count) {
            const auto hidden = hidden_states(*weights_, 0, count, count, workspace);
            for (Index t = 0; t < count; ++t) each(first + t, column(hidden, t));
            report(progress, first + count, tokens);
        });
    }

    /// Reads the tokens into the state and computes nothing else.
    void forward_state(std::span<const TokenId> tokens, State& state, Workspace& workspace,
                       const Progress& progress = {}) const {
        check("forward_state", tokens, state, workspace, false);
        forward_chunks(*weights_, tokens, state, workspace,
                       [&](Index first, Index count) { report(progress, first + count, tokens); });
    }

  private:
    [[noreturn]] static void check_failed(std::string_view call, std::string_view subject, std::string expected,
                                          std::string found) {
        throw ArgumentError("Model::" + std::string(call), std::string(subject), std::move(expected), std::move(found));
    }

    void check(std::string_view call, std::span<const TokenId> tokens, const State& state, const Workspace& workspace,
               bool needs_head) const {
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

    static std::string shape(Index layers, Index hidden, Index attention) {
        return std::to_string(layers) + " layers of hidden size " + std::to_string(hidden) +
               " and attention hidden size " + std::to_string(attention);
    }

    static std::span<const float> column(const ActivationsView<float>& columns, Index t) noexcept {
        return {columns.col(t).data(), static_cast<std::size_t>(columns.rows())};
    }

    static void report(const Progress& progress, Index done, std::span<const TokenId> tokens) {
        if (progress) progress("prompt", static_cast<std::uint64_t>(done), tokens.size());
    }

    std::shared_ptr<const Weights<Mixed>> weights_;
    std::vector<std::string> warnings_;
};

}  // namespace rwkv
