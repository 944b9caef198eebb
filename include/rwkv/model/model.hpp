#pragma once

#include <functional>
#include <memory>
#include <span>
#include <stop_token>
#include <string>
#include <string_view>
#include <vector>

#include <rwkv/core/config.hpp>
#include <rwkv/core/matrix_view.hpp>
#include <rwkv/core/progress.hpp>
#include <rwkv/model/batch.hpp>
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
//   shift(y, mix) = mix ∘ y + (1 − mix) ∘ previous        previous: y of the token before, in the same layer
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
// A token depends on those before it only by `previous` (two of them a layer) and by a and b. These are the State,
// zeros before the first token; so a token costs the same memory and time however long the sequence. All else is done
// to each token by itself. So several tokens of a sequence can go through a layer together (parallel mode) with the
// same sums as one at a time (RNN mode): the products read each weight once for all of them, `previous` is the column
// to the left, and only a and b are computed token after token, in independent channels.
//
// Read on in weights.hpp, state.hpp, ../kernels/simd/equations.inl, time_mixing.hpp, channel_mixing.hpp, block.hpp and
// forward.hpp. The other files are not about RWKV: batch.hpp and token_shift.hpp (which sequence a column belongs to),
// parallel.hpp (which thread computes it), workspace.hpp (scratch memory), model.inl (checks, chunks, cancellation).

/// A loaded model: immutable, cheap to copy (copies share the weights), and usable by any number of threads at once,
/// each with states and a workspace of its own.
///
/// Every pass continues from the states it is given and leaves them after the last token, so a sequence may be split
/// into any pieces. How it is computed (threads, token by token or in chunks) is up to the workspace, and changes the
/// result by rounding at most.
///
/// Throws: every pass throws ArgumentError before anything is computed, for a token outside the vocabulary, or a state
/// or workspace of another shape; and std::bad_alloc, likewise, where there is no memory. Passes allocate nothing,
/// except one that needs more memory for logits, or for states to be restored, than any before it. After an exception
/// from a callback, the states are as before the pass if it had PassOptions; otherwise reset or replace them.
class Model {
  public:
    /// Receives numbers for each token, in order; `position` counts from the first token of the call. The span is valid
    /// during the call. Return false to end the pass after the tokens computed so far.
    using PositionCallback = std::function<bool(Index position, std::span<const float> numbers)>;

    /// Shares the weights with its copies. `warnings` are returned by warnings().
    explicit Model(model::Weights weights, std::vector<std::string> warnings = {});
    // A model that was moved from is still one: moving copies.
    Model(const Model&) noexcept = default;             ///< shares the weights
    Model& operator=(const Model&) noexcept = default;  ///< shares the weights
    ~Model() = default;

    /// Shape and settings.
    [[nodiscard]] const Config& config() const noexcept { return weights_->config; }
    /// False for a base model saved without its head: hidden states only.
    [[nodiscard]] bool has_head() const noexcept { return weights_->head.has_value(); }
    /// The weights, for tests and benchmarks; their types are not part of the stable interface.
    [[nodiscard]] const model::Weights& weights() const noexcept { return *weights_; }
    /// Warnings about the model's files, a sentence each: ignored tensors, for example.
    [[nodiscard]] const std::vector<std::string>& warnings() const noexcept { return *warnings_; }

    /// The logits after the last token: vocab_size numbers, owned by the workspace and valid until its next pass; empty
    /// if the pass was cancelled. Needs at least one token.
    [[nodiscard]] std::span<const float> forward(std::span<const TokenId> tokens, State& state, Workspace& workspace,
                                                 const PassOptions& options = {}) const;

    /// The logits after one token.
    [[nodiscard]] std::span<const float> forward(TokenId token, State& state, Workspace& workspace) const;

    /// Reads a ragged batch: any number of tokens of each of several sequences, for example chunks of some prompts
    /// beside single tokens of other sequences. The weights are read once for all of them, or for as many as fit the
    /// workspace's chunk. The callback receives the logits that each sequence wants, in the order of the batch. Returns
    /// false where the pass was cancelled, or ended by the callback. Throws: ArgumentError also where two sequences
    /// share a state.
    bool forward(std::span<const SequenceTokens> batch, Workspace& workspace, const LogitsCallback& callback,
                 const PassOptions& options = {}) const;

    /// The logits that one sequence wants, a column each, owned by the workspace and valid until its next pass; no
    /// columns if the pass was cancelled. If more than one is wanted, the tokens are at most min(workspace.chunk(),
    /// 128).
    [[nodiscard]] MatrixView<const float> forward_sequence(const SequenceTokens& sequence, Workspace& workspace,
                                                           const PassOptions& options = {}) const;

    /// The logits after every token of one sequence. Returns as the batch does.
    bool forward_all(std::span<const TokenId> tokens, State& state, Workspace& workspace,
                     const PositionCallback& callback, const PassOptions& options = {}) const;

    /// Continues several sequences by one token each, tokens[i] after *states[i]; the callback receives the logits of
    /// each, with the number of the sequence as the position. Returns as the batch does.
    bool forward_batch(std::span<const TokenId> tokens, std::span<State* const> states, Workspace& workspace,
                       const PositionCallback& callback, const PassOptions& options = {}) const;

    /// The hidden state (ln_out of the residual stream, hidden_size numbers) after every token of one sequence; the
    /// head is not computed. Returns as the batch does.
    bool forward_hidden(std::span<const TokenId> tokens, State& state, Workspace& workspace,
                        const PositionCallback& callback, const PassOptions& options = {}) const;

    /// Reads the tokens into the state and computes nothing else. Returns false where the pass was cancelled.
    bool forward_state(std::span<const TokenId> tokens, State& state, Workspace& workspace,
                       const PassOptions& options = {}) const;

    // A pass in pieces, for a host that computes a few layers per frame, or whose layers are on several machines:
    // embed, then all layers in order, then head. All get the same batch, of at most workspace.chunk() tokens in all.
    // Between the pieces the residual stream is workspace.x(tokens of the batch), a column a token, and may be moved to
    // another workspace. The states are moved on layer by layer.

    /// Fills the residual stream with the embeddings of the tokens.
    void embed(std::span<const SequenceTokens> batch, Workspace& workspace) const;

    /// Computes the layers [first, last). Returns false where `stop` was requested: then the residual stream and the
    /// states of some of these layers have been changed.
    bool run_layers(Index first, Index last, std::span<const SequenceTokens> batch, Workspace& workspace,
                    const std::stop_token& stop = {}) const;

    /// Computes the logits that the sequences want. Returns false where the callback does.
    bool head(std::span<const SequenceTokens> batch, Workspace& workspace, const LogitsCallback& callback) const;

    /// Computes the hidden state after every token of the batch, as `forward_hidden` does, beside `head` or in its
    /// place. Returns false where the callback does.
    bool hidden(std::span<const SequenceTokens> batch, Workspace& workspace, const LogitsCallback& callback) const;

  private:
    void check_batch(std::string_view call, std::span<const SequenceTokens> batch, Workspace& workspace,
                     bool needs_head) const;
    void set_batch(std::string_view call, std::span<const SequenceTokens> batch, Workspace& workspace,
                   bool needs_head) const;

    std::shared_ptr<const model::Weights> weights_;
    std::shared_ptr<const std::vector<std::string>> warnings_;
};

}  // namespace rwkv::inline RWKV_ABI

#ifndef RWKV_COMPILED
#include <rwkv/model/model.inl>
#endif
