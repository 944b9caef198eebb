#pragma once

#include <functional>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <rwkv/core/progress.hpp>
#include <rwkv/model/state.hpp>
#include <rwkv/model/weights.hpp>
#include <rwkv/model/workspace.hpp>
#include <rwkv/version.hpp>

namespace rwkv::inline RWKV_ABI {

// RWKV-4 (Peng et al. 2023, arXiv:2305.13048) is trained like a transformer and run like a recurrent network. V, H, L,
// A and I are sizes (config.hpp), σ the logistic function, ∘ the product element by element; no matrix has a bias.
//
//   x = pre_ln(embeddings[token])                         [H], the residual stream: each block only adds to it
//   L times:  x ← x + time_mixing(ln1(x)),  then  x ← x + channel_mixing(ln2(x))
//   logits = head · ln_out(x)                             [V], scores of the token that comes next
//
//   shift(y, mix) = mix ∘ y + (1 − mix) ∘ before          before: y of the token before, at the same place
//   time_mixing(y):     k = K·shift(y, mix_k)   v = V·shift(y, mix_v)   r = σ(R·shift(y, mix_r))   →   O·(r ∘ wkv)
//   channel_mixing(y):  k = max(K·shift(y, mix_k), 0)²                  r = σ(R·shift(y, mix_r))   →   r ∘ (V·k)
//
//   wkv = (a + e^(u + k) v) / (b + e^(u + k)),  after which  a ← e^w a + e^k v  and  b ← e^w b + e^k
//
// K, V, R and O are the matrices key, value, receptance and output, those of channel mixing others than those of time
// mixing. wkv stands where a transformer has attention: in each of A channels an average of the values v of all tokens
// so far, weighted by e^k, in which the past fades at a rate w that the channel has learned, and the current token
// counts e^u times as much as it will later. The receptance r says how much of the result each channel lets through.
// These letters are the name: R, W, K, V.
//
// A token learns of those before it by `before` (two of them a layer) and by a and b alone. These are the State, zeros
// before the first token; so a token costs the same memory and time however long the text. All else is done to each
// token by itself. So several tokens of a text can go through a layer together (parallel mode) with the same sums as
// one at a time (RNN mode): the products read each weight once for all of them, `before` is the column to the left,
// and only a and b are still computed token after token, in channels that do not need each other.
//
// Read on in weights.hpp, state.hpp, equations.inl, time_mixing.hpp, channel_mixing.hpp, block.hpp and forward.hpp.
// What is left is not about RWKV: texts.hpp (whose tokens are computed together), share_out.hpp (by which threads),
// workspace.hpp (where), elementwise.hpp (for which instruction set), tensors.hpp (names in files), model.inl (checks).

/// A loaded model of whatever weight format: immutable, cheap to copy (copies share the weights), and usable
/// by any number of threads at once, each with a state and a workspace of its own.
///
/// Every pass continues from `state` and leaves it after the last token, so a text may come in any pieces. How it is
/// computed (threads, token by token or in chunks) is the workspace's affair and does not change the answer beyond
/// rounding. Passes throw ArgumentError before anything is computed: for a token outside the vocabulary, or a state or
/// workspace of another shape; and std::bad_alloc, likewise, where they find no room. They allocate nothing, except the
/// first that needs room for more logits than any before. A callback that throws ends the pass mid-text: the state is
/// then to be reset or replaced.
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

    /// The hidden state (x after ln_out, hidden_size numbers; no `State`) of every token, in order; the head is not
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

}  // namespace rwkv::inline RWKV_ABI

#ifndef RWKV_COMPILED
#include <rwkv/model/model.inl>
#endif
