#pragma once

#include <algorithm>
#include <chrono>
#include <cstddef>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <rwkv/core/error.hpp>
#include <rwkv/core/inline.hpp>
#include <rwkv/generation/generator.hpp>
#include <rwkv/generation/log_probabilities.hpp>
#include <rwkv/generation/sampler.hpp>
#include <rwkv/text/stop_strings.hpp>
#include <rwkv/text/streaming_decoder.hpp>

namespace rwkv::inline RWKV_ABI {

namespace detail {

inline void check_generation(const GenerationOptions& options, Index vocab_size) {
    const auto need = [](bool good, const char* what, const std::string& expected, Index found) {
        if (!good) throw ArgumentError("Generator::generate", what, expected, std::to_string(found));
    };
    need(options.max_new_tokens >= 0, "max_new_tokens", "0 or more", options.max_new_tokens);
    need(options.top_logprobs >= 0, "top_logprobs", "0 or more", options.top_logprobs);
    const auto need_token = [&](TokenId token, const char* what) {
        need(token >= 0 && token < vocab_size, what, "ids from 0 to " + std::to_string(vocab_size - 1), token);
    };
    for (const auto& [token, bias] : options.logit_bias) need_token(token, "logit_bias");
    for (const TokenId token : options.suppress_tokens) need_token(token, "suppress_tokens");
}

/// Whether the token ends a text.
inline bool ends(TokenId token, const GenerationOptions& options, const Config& config) noexcept {
    return token == config.eos_token_id || std::find(options.stop_token_ids.begin(), options.stop_token_ids.end(),
                                                     token) != options.stop_token_ids.end();
}

}  // namespace detail

RWKV_INLINE void check_tokenizer(const Tokenizer& tokenizer, const Config& config, const std::string& where) {
    if (static_cast<Index>(tokenizer.vocab_size()) > config.vocab_size)
        throw ModelError(where, "tokenizer",
                         "at most the " + std::to_string(config.vocab_size) + " tokens of the model",
                         std::to_string(tokenizer.vocab_size()));
}

RWKV_INLINE Generator::Generator(Model model, Tokenizer tokenizer, const WorkspaceOptions& options)
    : Generator(std::move(model), options) {
    check_tokenizer(tokenizer, model_.config(), "Generator");
    tokenizer_ = std::move(tokenizer);
}

RWKV_INLINE Generator::Generator(Model model, const WorkspaceOptions& options)
    : model_(std::move(model)), state_(model_.config()), workspace_(model_.config(), options) {}

RWKV_INLINE Generation Generator::generate(std::string_view prompt, const GenerationOptions& options,
                                           const OnPiece& on_piece) {
    if (!tokenizer_) throw ArgumentError("Generator::generate", "tokenizer", "one", "none");
    StreamingDecoder decoder(*tokenizer_);
    StopStrings stops(options.stop_strings);
    std::string text;
    bool heard = true;  // false from the moment the callback wants no more
    const auto say = [&](std::string_view piece) {
        if (piece.empty() || !heard) return;
        text += piece;
        if (on_piece) heard = on_piece(piece);
    };
    Generation result = generate_tokens(tokenizer_->encode(prompt), options, [&](TokenId token) {
        if (tokenizer_->contains(token)) say(stops.push(decoder.push(token)));  // an unused output says nothing
        return stops.found() ? Verdict::stop : heard ? Verdict::go_on : Verdict::callback;
    });
    say(stops.push(decoder.finish()));
    say(stops.finish());
    result.text = std::move(text);
    return result;
}

RWKV_INLINE Generation Generator::generate(std::span<const TokenId> prompt, const GenerationOptions& options,
                                           const OnToken& on_token) {
    if (!options.stop_strings.empty())
        throw ArgumentError("Generator::generate", "stop_strings", "none where tokens are generated",
                            std::to_string(options.stop_strings.size()));
    return generate_tokens(prompt, options, [&](TokenId token) {
        return !on_token || on_token(token) ? Verdict::go_on : Verdict::callback;
    });
}

RWKV_INLINE Conversation Generator::conversation() const {
    return {state_.copy(), tokens_, std::vector<float>(logits_.begin(), logits_.end())};
}

RWKV_INLINE void Generator::resume(const Conversation& conversation) {
    const Config& config = model_.config();
    const bool logits_fit = conversation.logits.empty() || std::ssize(conversation.logits) == config.vocab_size;
    if (!conversation.state.fits(config) || !logits_fit)
        throw ArgumentError("Generator::resume", "conversation", "one with this model", "one of other sizes");
    std::vector<TokenId> tokens = conversation.tokens;
    resumed_logits_ = conversation.logits;
    state_.assign(conversation.state);
    tokens_ = std::move(tokens);
    logits_ = resumed_logits_;
}

RWKV_INLINE void Generator::reset() noexcept {
    state_.reset();
    tokens_.clear();
    logits_ = {};
}

template <class OnEach>
Generation Generator::generate_tokens(std::span<const TokenId> prompt, const GenerationOptions& options,
                                      OnEach on_each) {
    using Clock = std::chrono::steady_clock;
    const Config& config = model_.config();
    Sampler sampler(options);
    detail::check_generation(options, config.vocab_size);
    std::vector<TokenId> unread(prompt.begin(), prompt.end());
    if (has_unread()) unread.insert(unread.begin(), tokens_.back());
    if (unread.empty() && logits_.empty())
        throw ArgumentError("Generator::generate", "prompt", "at least one token", "none");

    Generation result;
    const auto start = Clock::now();
    tokens_.reserve(tokens_.size() + prompt.size());  // what the model has read is to be remembered for certain
    if (!unread.empty()) logits_ = model_.forward(unread, state_, workspace_, options.progress);
    tokens_.insert(tokens_.end(), prompt.begin(), prompt.end());
    sampler.observe(tokens_);
    result.prompt_tokens = std::ssize(unread);
    const auto prompt_read = Clock::now();
    result.prompt_seconds = std::chrono::duration<double>(prompt_read - start).count();

    while (std::ssize(result.tokens) < options.max_new_tokens) {
        if (has_unread()) {
            logits_ = model_.forward({&tokens_.back(), 1}, state_, workspace_);
            ++result.decode_steps;
        }
        const TokenId token = sampler.sample(logits_);
        if (detail::ends(token, options, config)) {
            result.finish_reason = FinishReason::eos;
            break;
        }
        const LogProbabilities log_probabilities(logits_);
        result.log_probabilities.push_back(log_probabilities(token));
        if (options.top_logprobs > 0)
            result.top_logprobs.push_back(log_probabilities.top(static_cast<std::size_t>(options.top_logprobs)));
        result.tokens.push_back(token);
        tokens_.push_back(token);
        logits_ = {};
        if (const Verdict verdict = on_each(token); verdict != Verdict::go_on) {
            result.finish_reason = verdict == Verdict::stop ? FinishReason::stop : FinishReason::callback;
            break;
        }
    }
    result.decode_seconds = std::chrono::duration<double>(Clock::now() - prompt_read).count();
    return result;
}

}  // namespace rwkv::inline RWKV_ABI
