#pragma once

#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include <rwkv/core/config.hpp>
#include <rwkv/core/tensor.hpp>
#include <rwkv/generation/conversation.hpp>
#include <rwkv/generation/drafter.hpp>
#include <rwkv/generation/generation.hpp>
#include <rwkv/generation/log_probabilities.hpp>
#include <rwkv/generation/options.hpp>
#include <rwkv/generation/pass_times.hpp>
#include <rwkv/generation/sampler.hpp>
#include <rwkv/model/batch.hpp>
#include <rwkv/model/checkpoints.hpp>
#include <rwkv/model/state.hpp>
#include <rwkv/text/stop_strings.hpp>
#include <rwkv/text/streaming_decoder.hpp>
#include <rwkv/text/tokenizer.hpp>
#include <rwkv/version.hpp>

namespace rwkv::inline RWKV_ABI {

/// The result of one decode step.
struct Step {
    std::optional<TokenId> token;          ///< the new token; none where the text ended without one
    std::string_view text;                 ///< whole characters that are now certain, perhaps none; valid until the
                                           ///< next call
    std::optional<FinishReason> finished;  ///< set by the last step
    const State* state = nullptr;          ///< what the model remembers of the tokens before this one; valid until the
                                           ///< next call
    double log_probability = 0;            ///< of the token, as in Generation::log_probabilities
    std::span<const TokenLogProbability> top_logprobs = {};  ///< as in Generation, if asked for; valid until the next
                                                             ///< call
};

/// Checks that a tokenizer and a model belong together. `where` names them in the message.
/// Throws: ModelError if a World vocabulary has more tokens than the model has outputs, or another tokenizer more than
/// 1.5 times as many. (Tokens may have been added to the tokenizer alone; a prompt with one of them is rejected.)
void check_tokenizer(const Tokenizer& tokenizer, const Config& config, const std::string& where);

/// A conversation that is decoded step by step, without a model or threads of its own, so that a server can decode many
/// of them in one batched pass. `begin` gives it a prompt; then, until a step is `finished`:
///
///     logits = model.forward(sequence.pending(), sequence.state(), workspace)
///     step = sequence.accept(logits)
///
/// With speculation, or a constraint that forces tokens, a pass reads drafted tokens besides, and gives a step for each
/// token that is accepted. A driver of any number of sequences, with speculation or without:
///
///     for (each sequence that is not finished) batch.push_back(sequence.next_pass(times, tokens in the batch so far));
///     model.forward(batch, workspace, [&](Index i, Index position, std::span<const float> logits) {
///         step = sequence i .accept(logits, position);   // neither token nor finished: logits after a wrong draft
///         return true;
///     });
///     times.add(tokens in the batch, seconds of the pass);
///
/// The next `begin` continues the conversation. A warm step allocates nothing but room for the token history.
/// Thread safety: one thread at a time.
class Sequence {
  public:
    /// For token ids only.
    /// Throws: ArgumentError for a config without layers or features.
    explicit Sequence(const Config& config);
    /// For text.
    /// Throws: ModelError if config and tokenizer do not belong together.
    Sequence(const Config& config, Tokenizer tokenizer);

    /// Continues the conversation with a prompt, of which everything up to the next token of the model is `pending`.
    /// A generation that was not finished is finished first, as by `finish`.
    /// Throws: ArgumentError, and nothing is changed, for a prompt that the tokenizer refuses, an empty one where
    /// nothing was read before, or options out of range.
    void begin(std::string_view prompt, GenerationOptions options = {});
    /// The same in token ids; the text of the steps stays empty, and `stop_strings` must be.
    void begin(std::span<const TokenId> prompt, GenerationOptions options = {});
    /// As `begin` with a text that is encoded already. Throws: ArgumentError also where there is no tokenizer.
    void begin_encoded(std::span<const TokenId> prompt, GenerationOptions options = {});

    /// The known tokens that the model has to read into `state()` next: the prompt, then one by one the new tokens.
    /// Empty where the logits of the next token are known already (`logits`), and when the generation is finished.
    [[nodiscard]] std::span<const TokenId> pending() const noexcept;

    /// What the model has to read next, for Model::forward_sequence or a batch: the pending tokens, the logits wanted
    /// after the last one; and, where a constraint forces tokens or GenerationOptions::speculation finds something that
    /// pays, at most `max_draft` drafted tokens behind them, with logits after each and checkpoints. `times` are those
    /// of the passes it will be part of, `beside` is the number of other tokens in the same pass. The spans are valid
    /// until the next call of `next_pass` or `begin`, so that logits can be accepted while the pass goes on. No tokens
    /// where nothing is pending: then `logits()` are to be accepted. If the pass was not made, or cancelled, call this
    /// again.
    /// Throws: std::bad_alloc, and then nothing is changed.
    [[nodiscard]] SequenceTokens next_pass(const PassTimes& times = {}, Index beside = 0,
                                           Index max_draft = max_draft_tokens);
    /// The position, among the tokens of the latest `next_pass`, whose logits are to be accepted next, while drafted
    /// tokens are right; −1 where `next_pass` comes first.
    [[nodiscard]] Index next_position() const noexcept { return draft_position_; }

    /// What the model remembers of `tokens()`, the last of which may not be in it yet, nor are drafted tokens that were
    /// not accepted. If logits of a draft are still to be accepted, this call gives them up.
    [[nodiscard]] State& state() noexcept {
        roll_back();
        return state_;
    }
    /// To read only; gives up nothing.
    [[nodiscard]] const State& state() const noexcept {
        return checkpoint_ < 0 ? state_ : checkpoints_->state(checkpoint_);
    }
    /// The logits of the next token where all tokens were read, else empty. [vocab_size]
    [[nodiscard]] std::span<const float> logits() const noexcept { return logits_; }

    /// Says that the model has read the first `count` pending tokens into the state, without logits, so that a long
    /// prompt can be read in parts. `finish` does not take these tokens back: after it, give the conversation more
    /// prompt, or resume or reset it. Throws: ArgumentError unless at least one token stays pending.
    void advance(Index count);

    /// Takes the logits after the last pending token, or `logits()` where nothing is pending, and draws the next token.
    /// Throws: ArgumentError, and nothing is changed, if there is no generation to continue or the logits are not
    /// vocab_size many. What is thrown while drawing (all tokens forbidden, a logits_processor or constraint that
    /// throws, std::bad_alloc) leaves the conversation before the token, with its logits in `logits()`, to be accepted
    /// again; std::bad_alloc may also leave it after the token, whose text is then missing from the result.
    Step accept(std::span<const float> logits);
    /// The same for the logits after a position of the tokens of `next_pass`, which come in the order of positions:
    /// returns a step with neither a token nor an end, and changes nothing, for logits after a drafted token that was
    /// not accepted, or after the end of the generation.
    Step accept(std::span<const float> logits, Index position);

    /// Ends the generation here, with FinishReason::callback: text that was held back for a stop string is dropped, and
    /// so is a prompt of which nothing was read. No effect after eos, a stop string or the constraint.
    void finish() noexcept;
    /// Whether there is no step to take.
    [[nodiscard]] bool finished() const noexcept { return !active_; }

    /// The result of the latest `begin` so far. The times are 0, as only the caller, who runs the model, knows them.
    [[nodiscard]] const Generation& result() const noexcept { return result_; }
    /// All tokens that were read or drawn, in order.
    [[nodiscard]] std::span<const TokenId> tokens() const noexcept { return tokens_; }

    /// A copy of the current position, without the generation in progress.
    /// Throws: ArgumentError while a prompt is read in parts.
    [[nodiscard]] Conversation conversation() const;
    /// Continues from that position and forgets the present conversation.
    /// Throws: ArgumentError for the conversation of a model of another shape, or std::bad_alloc; then nothing is
    /// changed.
    void resume(const Conversation& conversation);
    /// Forgets the conversation.
    void reset() noexcept;

    /// A copy that continues as this one would, including the generation in progress. Throws: std::bad_alloc.
    [[nodiscard]] Sequence copy() const { return Sequence(*this); }

    Sequence(Sequence&&) = default;             ///< moves, leaving one that refuses to begin
    Sequence& operator=(Sequence&&) = default;  ///< likewise
    Sequence& operator=(const Sequence&) = delete;
    ~Sequence() = default;

  private:
    static constexpr Index max_forced_tokens = 16;  // drafted for one pass

    Sequence(const Sequence& other);

    void begin_tokens(std::span<const TokenId> prompt, GenerationOptions& options, bool decode_text);
    void check_not_moved_from(const char* call) const;
    void commit(std::size_t count) noexcept;
    void remember(std::span<const float> logits) noexcept;
    void roll_back() noexcept;
    void end_draft() noexcept;
    void draft(Index max, const PassTimes& times, Index beside);
    void check_draft_is_read() const;
    std::optional<TokenId> draw(std::span<const float> logits, std::optional<FinishReason>& finished);
    bool ends_text(TokenId token) const noexcept;

    Config config_;
    std::optional<Tokenizer> tokenizer_;
    State state_;
    std::vector<TokenId> tokens_;
    std::vector<float> logits_;  // room for them is reserved by `begin`
    bool last_unread_ = false;   // the last of tokens_ is not in the state yet

    // The generation in progress.
    bool active_ = false;
    std::vector<TokenId> pending_;  // begins with the last of tokens_ where that is unread
    std::size_t pending_begin_ = 0;
    GenerationOptions options_;  // sampling options are the sampler's
    std::optional<Sampler> sampler_;
    std::optional<StreamingDecoder> decoder_;  // none for token ids
    StopStrings stops_{std::vector<std::string>()};
    Generation result_;

    // Speculation.
    std::unique_ptr<generation::Drafter> drafter_;  // none where it was never asked for
    std::unique_ptr<Checkpoints> checkpoints_;      // none where there is no drafter
    std::vector<TokenId> forced_;                   // what the constraint says must come next
    std::vector<TokenId> draft_;                    // the last token and the draft of the latest `next_pass`, or empty
    bool from_drafter_ = false;                     // whether it was asked for the latest draft
    Index draft_position_ = -1;                     // in draft_, of the logits that are accepted next
    Index checkpoint_ = -1;                         // the number of the one that is the state; −1: state_ is
};

}  // namespace rwkv::inline RWKV_ABI

#ifndef RWKV_COMPILED
#include <rwkv/generation/sequence.inl>
#endif
