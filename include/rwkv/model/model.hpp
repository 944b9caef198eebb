#pragma once

#include <functional>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

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

    /// Shares the weights with its copies from now on. `warnings` are to be found again below.
    explicit Model(Weights<Mixed> weights, std::vector<std::string> warnings = {});

    /// Shape and settings.
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
                                   const Progress& progress = {}) const;

    /// The logits after every token, in order.
    void forward_all(std::span<const TokenId> tokens, State& state, Workspace& workspace, const EachPosition& each,
                     const Progress& progress = {}) const;

    /// Continues several texts at once by a token each, tokens[i] after *states[i], and tells `each` the logits of text
    /// i: what a server does with many conversations. The weights are read once for all of them, or for as many as
    /// the workspace's chunk. No state may be there twice.
    void forward_batch(std::span<const TokenId> tokens, std::span<State* const> states, Workspace& workspace,
                       const EachPosition& each) const;

    /// The hidden state (after ln_out, hidden_size numbers) of every token, in order; the head is not
    /// computed.
    void forward_hidden(std::span<const TokenId> tokens, State& state, Workspace& workspace, const EachPosition& each,
                        const Progress& progress = {}) const;

    /// Reads the tokens into the state and computes nothing else.
    void forward_state(std::span<const TokenId> tokens, State& state, Workspace& workspace,
                       const Progress& progress = {}) const;

  private:
    void check(std::string_view call, std::span<const TokenId> tokens, const State& state, const Workspace& workspace,
               bool needs_head) const;

    std::shared_ptr<const Weights<Mixed>> weights_;
    std::vector<std::string> warnings_;
};

}  // namespace rwkv

#ifndef RWKV_COMPILED
#include <rwkv/model/model.inl>
#endif
