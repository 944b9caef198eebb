#pragma once

#include <algorithm>
#include <cstddef>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <rwkv/core/error.hpp>
#include <rwkv/core/inline.hpp>
#include <rwkv/generation/log_probabilities.hpp>
#include <rwkv/generation/reserve_one.hpp>
#include <rwkv/generation/sequence.hpp>

namespace rwkv::inline RWKV_ABI {

namespace generation {

/// Throws: ArgumentError for options that make no sense for a vocabulary of that size.
inline void check_generation(const GenerationOptions& options, Index vocab_size) {
    const auto need = [](bool good, const char* name, const std::string& expected, Index found) {
        if (!good) throw ArgumentError("GenerationOptions", name, expected, std::to_string(found));
    };
    need(options.max_new_tokens >= 0, "max_new_tokens", "0 or more", options.max_new_tokens);
    need(options.top_logprobs >= 0, "top_logprobs", "0 or more", options.top_logprobs);
    const auto need_token = [&](TokenId token, const char* name) {
        need(token >= 0 && token < vocab_size, name, "ids from 0 to " + std::to_string(vocab_size - 1), token);
    };
    for (const auto& [token, bias] : options.sampling.logit_bias) need_token(token, "logit_bias");
    for (const TokenId token : options.sampling.suppress_tokens) need_token(token, "suppress_tokens");
}

}  // namespace generation

RWKV_INLINE void check_tokenizer(const Tokenizer& tokenizer, const Config& config, const std::string& where) {
    const auto tokens = static_cast<Index>(tokenizer.vocab_size());
    // Users add tokens to a tokenizer and leave the model as it is, but not to a World vocabulary.
    if (tokens > config.vocab_size + (text::is_world_vocabulary(tokenizer) ? 0 : config.vocab_size / 2))
        throw ModelError(where, "tokenizer",
                         "at most the " + std::to_string(config.vocab_size) + " tokens of the model",
                         std::to_string(tokens));
}

RWKV_INLINE Sequence::Sequence(const Config& config) : config_(config), state_(config) {}

RWKV_INLINE Sequence::Sequence(const Config& config, Tokenizer tokenizer) : Sequence(config) {
    check_tokenizer(tokenizer, config, "Sequence");
    tokenizer_ = std::move(tokenizer);
}

RWKV_INLINE Sequence::Sequence(const Sequence& other)
    : config_(other.config_),
      tokenizer_(other.tokenizer_),
      state_(other.state().copy()),
      tokens_(other.tokens_),
      logits_(other.logits_),
      last_unread_(other.last_unread_),
      active_(other.active_),
      pending_(other.pending_),
      pending_begin_(other.pending_begin_),
      options_(other.options_),
      sampler_(other.sampler_),
      decoder_(other.decoder_),
      stops_(other.stops_),
      result_(other.result_),
      drafter_(other.drafter_ ? std::make_unique<generation::Drafter>(*other.drafter_) : nullptr),
      checkpoints_(other.checkpoints_ ? std::make_unique<Checkpoints>(config_, other.checkpoints_->capacity())
                                      : nullptr) {
    // What `begin` reserved, so that `commit` and `remember` cannot fail.
    tokens_.reserve(tokens_.size() + pending_.size());
    logits_.reserve(static_cast<std::size_t>(config_.vocab_size));
    draft_.reserve(other.draft_.capacity());
}

RWKV_INLINE void Sequence::begin(std::string_view prompt, GenerationOptions options) {
    if (!tokenizer_) throw ArgumentError("Sequence::begin", "tokenizer", "one", "none");
    begin_tokens(tokenizer_->encode(prompt), options, true);
}

RWKV_INLINE void Sequence::begin_encoded(std::span<const TokenId> prompt, GenerationOptions options) {
    if (!tokenizer_) throw ArgumentError("Sequence::begin_encoded", "tokenizer", "one", "none");
    begin_tokens(prompt, options, true);
}

RWKV_INLINE void Sequence::begin(std::span<const TokenId> prompt, GenerationOptions options) {
    if (!options.stop_strings.empty())
        throw ArgumentError("Sequence::begin", "stop_strings", "none where tokens are generated",
                            std::to_string(options.stop_strings.size()));
    begin_tokens(prompt, options, false);
}

RWKV_INLINE void Sequence::begin_tokens(std::span<const TokenId> prompt, GenerationOptions& options, bool decode_text) {
    check_not_moved_from("Sequence::begin");
    generation::check_generation(options, config_.vocab_size);
    for (std::size_t i = 0; i < prompt.size(); ++i)
        if (prompt[i] < 0 || prompt[i] >= config_.vocab_size)
            throw ArgumentError("Sequence::begin", "token " + std::to_string(i),
                                "an id from 0 to " + std::to_string(config_.vocab_size - 1), std::to_string(prompt[i]));
    if (prompt.empty() && !last_unread_ && logits_.empty())
        throw ArgumentError("Sequence::begin", "prompt", "at least one token", "none");
    Sampler sampler(std::move(options.sampling));
    sampler.observe(tokens_);
    sampler.observe(prompt);
    StopStrings stops(options.stop_strings);
    std::vector<TokenId> pending;
    pending.reserve(prompt.size() + 1);
    if (last_unread_) pending.push_back(tokens_.back());
    pending.insert(pending.end(), prompt.begin(), prompt.end());
    tokens_.reserve(tokens_.size() + prompt.size());
    logits_.reserve(static_cast<std::size_t>(config_.vocab_size));
    std::optional<StreamingDecoder> decoder;
    if (decode_text) decoder.emplace(*tokenizer_);
    const SpeculationOptions& speculation = options.speculation;
    std::unique_ptr<generation::Drafter> drafter;
    std::unique_ptr<Checkpoints> checkpoints;
    if (speculation.max_draft_tokens != 0 && (!drafter_ || !drafter_->has(speculation))) {
        drafter = std::make_unique<generation::Drafter>(speculation, config_);
        checkpoints = std::make_unique<Checkpoints>(config_, speculation.max_draft_tokens + 1);
        draft_.reserve(static_cast<std::size_t>(speculation.max_draft_tokens + 1));
    }
    // From here on nothing throws.
    roll_back();
    end_draft();
    if (drafter) {
        drafter_ = std::move(drafter);
        checkpoints_ = std::move(checkpoints);
    }
    decoder_ = std::move(decoder);
    sampler_ = std::move(sampler);
    stops_ = std::move(stops);
    pending_ = std::move(pending);
    pending_begin_ = 0;
    options_ = std::move(options);
    result_ = {};
    active_ = true;
}

RWKV_INLINE void Sequence::check_not_moved_from(const char* call) const {
    if (state_.num_hidden_layers() == 0) throw ArgumentError(call, "", "a sequence", "one that was moved from");
}

RWKV_INLINE std::span<const TokenId> Sequence::pending() const noexcept {
    if (!active_ || pending_.empty()) return {};
    return std::span(pending_).subspan(pending_begin_);
}

RWKV_INLINE SequenceTokens Sequence::next_pass(const PassTimes& times, Index beside, Index max_draft) {
    roll_back();
    end_draft();
    if (pending().size() == 1 && last_unread_) {
        // Besides the tokens of the draft, the logits after the last of them give one.
        const Index left = options_.max_new_tokens - std::ssize(result_.tokens) - 1;
        draft((std::max<Index>)(0, (std::min)(left, max_draft)), times, beside);
    }
    if (draft_.empty()) return {pending(), &state_, LogitsFor::last};
    draft_position_ = 0;
    checkpoints_->clear();
    return {draft_, &state_, LogitsFor::all, checkpoints_.get()};
}

/// Puts the last token into `draft_`, and behind it those that must come next, or else guesses; nothing where there are
/// neither.
RWKV_INLINE void Sequence::draft(Index max, const PassTimes& times, Index beside) {
    std::span<const TokenId> next;
    forced_.clear();
    if (max > 0) sampler_->forced(result_.tokens, forced_);
    const auto has_no_output = [&](TokenId token) { return token < 0 || token >= config_.vocab_size; };
    forced_.erase(std::find_if(forced_.begin(), forced_.end(), has_no_output), forced_.end());
    if (!forced_.empty()) {
        const Index count = (std::min)({std::ssize(forced_), max, max_forced_tokens});
        if (!checkpoints_ || checkpoints_->capacity() <= count)
            checkpoints_ = std::make_unique<Checkpoints>(config_, max_forced_tokens + 1);
        next = std::span(forced_).first(static_cast<std::size_t>(count));
    } else if (const Index most = options_.speculation.max_draft_tokens; most > 0) {
        next = drafter_->draft(tokens_, (std::min)(max, most), times, beside);
        from_drafter_ = true;
    }
    if (next.empty()) return;
    draft_.reserve(next.size() + 1);
    draft_.push_back(tokens_.back());
    draft_.insert(draft_.end(), next.begin(), next.end());
}

/// Forgets what was drafted after the tokens that are known.
RWKV_INLINE void Sequence::roll_back() noexcept {
    if (checkpoint_ < 0) return;
    checkpoints_->restore(checkpoint_, state_);
    checkpoint_ = draft_position_ = -1;
}

RWKV_INLINE void Sequence::end_draft() noexcept {
    draft_.clear();
    draft_position_ = -1;
    from_drafter_ = false;
}

/// The state holds the next `count` pending tokens now.
RWKV_INLINE void Sequence::commit(std::size_t count) noexcept {
    if (count == 0) return;
    const std::span<const TokenId> read = pending().first(count);
    tokens_.insert(tokens_.end(), read.begin() + (last_unread_ ? 1 : 0), read.end());
    last_unread_ = false;
    pending_begin_ += count;
    logits_.clear();
    (result_.tokens.empty() ? result_.prompt_tokens : result_.decode_steps) += static_cast<Index>(count);
}

RWKV_INLINE void Sequence::remember(std::span<const float> logits) noexcept {
    if (logits.data() != logits_.data()) logits_.assign(logits.begin(), logits.end());
}

RWKV_INLINE void Sequence::advance(Index count) {
    const std::size_t max = pending().empty() ? 0 : pending().size() - 1;
    if (count < 0 || static_cast<std::size_t>(count) > max)
        throw ArgumentError("Sequence::advance", "count", "0 to " + std::to_string(max), std::to_string(count));
    commit(static_cast<std::size_t>(count));
}

RWKV_INLINE Step Sequence::accept(std::span<const float> logits, Index position) {
    if (!draft_.empty() && position != draft_position_) return {};
    return accept(logits);
}

/// Throws: ArgumentError where a draft is to be accepted that no pass has read.
RWKV_INLINE void Sequence::check_draft_is_read() const {
    if (draft_.empty()) return;
    if (draft_position_ < 0 && !pending().empty())
        throw ArgumentError("Sequence::accept", "", "a call of next_pass before further logits", "none");
    if (checkpoints_->size() <= draft_position_)
        throw ArgumentError("Sequence::accept", "", "a pass over what next_pass returned", "another one, or none");
}

RWKV_INLINE Step Sequence::accept(std::span<const float> logits) {
    check_not_moved_from("Sequence::accept");
    if (!active_) throw ArgumentError("Sequence::accept", "", "a generation in progress", "none");
    if (std::ssize(logits) != config_.vocab_size)
        throw ArgumentError("Sequence::accept", "logits", std::to_string(config_.vocab_size),
                            std::to_string(logits.size()));
    check_draft_is_read();
    commit(pending().size());
    // Until a token is drawn that equals the drafted one, the state is that before the draft's next token.
    const Index position = std::exchange(draft_position_, -1), drafted = std::ssize(draft_) - 1;
    if (position >= 0) checkpoint_ = position < drafted ? position : -1;
    if (position == 0) result_.drafted_tokens += drafted;
    Step step;
    step.token = draw(logits, step.finished);
    if (step.token) {
        step.log_probability = result_.log_probabilities.back();
        if (options_.top_logprobs > 0) step.top_logprobs = result_.top_logprobs.back();
    }
    if (step.token && from_drafter_) drafter_->drawn(draft_.empty() ? 0 : position, *step.token);
    const bool accepted = step.token && position >= 0 && position < drafted &&
                          draft_[static_cast<std::size_t>(position) + 1] == *step.token;
    if (accepted) ++result_.accepted_tokens;

    const std::size_t text_begin = result_.text.size();
    if (decoder_) {
        if (step.token && tokenizer_->contains(*step.token))  // an unused output of the model has no text
            result_.text += stops_.push(decoder_->push(*step.token));
        if (stops_.found()) step.finished = FinishReason::stop;
    }
    if (step.token && !step.finished) {
        if (sampler_->finished())
            step.finished = FinishReason::constraint;
        else if (std::ssize(result_.tokens) >= options_.max_new_tokens)
            step.finished = FinishReason::length;
    }
    if (step.finished) {
        if (decoder_ && *step.finished != FinishReason::callback) {
            result_.text += stops_.push(decoder_->finish());
            result_.text += stops_.finish();
        }
        result_.finish_reason = *step.finished;
        active_ = false;
    }
    if (accepted && !step.finished) draft_position_ = position + 1;
    step.text = std::string_view(result_.text).substr(text_begin);
    step.state = &std::as_const(*this).state();
    return step;
}

/// The next token, appended to the conversation as not read yet; or none, and why the text is finished.
RWKV_INLINE std::optional<TokenId> Sequence::draw(std::span<const float> logits,
                                                  std::optional<FinishReason>& finished) {
    try {
        if (options_.stop.stop_requested())
            finished = FinishReason::callback;
        else if (std::ssize(result_.tokens) >= options_.max_new_tokens)
            finished = FinishReason::length;
        else if (sampler_->finished())
            finished = FinishReason::constraint;
        if (!finished) {
            // Whatever may throw comes before the token is drawn.
            const LogProbabilities log_probabilities(logits);
            std::vector<TokenLogProbability> top;
            if (options_.top_logprobs > 0) {
                top = log_probabilities.top(static_cast<std::size_t>(options_.top_logprobs));
                generation::reserve_one(result_.top_logprobs);
            }
            generation::reserve_one(result_.log_probabilities);
            generation::reserve_one(result_.tokens);
            generation::reserve_one(tokens_);
            const TokenId token = sampler_->sample(logits);
            if (!ends_text(token)) {
                result_.log_probabilities.push_back(log_probabilities(token));
                if (options_.top_logprobs > 0) result_.top_logprobs.push_back(std::move(top));
                result_.tokens.push_back(token);
                tokens_.push_back(token);
                last_unread_ = true;
                pending_.assign(1, token);
                pending_begin_ = 0;
                logits_.clear();
                return token;
            }
            finished = FinishReason::eos;
        }
    } catch (...) {
        remember(logits);
        throw;
    }
    remember(logits);
    return std::nullopt;
}

RWKV_INLINE bool Sequence::ends_text(TokenId token) const noexcept {
    const auto is_in = [token](const std::vector<TokenId>& ids) {
        return std::find(ids.begin(), ids.end(), token) != ids.end();
    };
    return token == config_.eos_token_id || is_in(config_.other_eos_token_ids) || is_in(options_.stop_token_ids);
}

RWKV_INLINE void Sequence::finish() noexcept {
    if (active_ || result_.finish_reason == FinishReason::length) result_.finish_reason = FinishReason::callback;
    active_ = false;
    draft_position_ = -1;
}

RWKV_INLINE Conversation Sequence::conversation() const {
    if (!tokens_.empty() && !last_unread_ && logits_.empty())
        throw ArgumentError("Sequence::conversation", "prompt", "to be read to its end", "a part of it");
    return {state().copy(), tokens_, logits_};
}

RWKV_INLINE void Sequence::resume(const Conversation& conversation) {
    const bool logits_fit = conversation.logits.empty() || std::ssize(conversation.logits) == config_.vocab_size;
    if (!conversation.state.fits(config_) || !logits_fit)
        throw ArgumentError("Sequence::resume", "conversation", "one with this model", "one of other sizes");
    std::vector<TokenId> tokens = conversation.tokens;
    std::vector<float> logits = conversation.logits;
    end_draft();
    checkpoint_ = -1;
    if (drafter_) drafter_->reset();
    state_.assign(conversation.state);
    tokens_ = std::move(tokens);
    logits_ = std::move(logits);
    last_unread_ = logits_.empty() && !tokens_.empty();
    active_ = false;
}

RWKV_INLINE void Sequence::reset() noexcept {
    end_draft();
    checkpoint_ = -1;
    if (drafter_) drafter_->reset();
    state_.reset();
    tokens_.clear();
    logits_.clear();
    last_unread_ = active_ = false;
}

}  // namespace rwkv::inline RWKV_ABI
