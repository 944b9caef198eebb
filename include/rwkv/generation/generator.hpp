#pragma once

#include <algorithm>
#include <chrono>
#include <cstddef>
#include <functional>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <rwkv/config.hpp>
#include <rwkv/error.hpp>
#include <rwkv/generation/conversation.hpp>
#include <rwkv/generation/log_probabilities.hpp>
#include <rwkv/generation/options.hpp>
#include <rwkv/generation/sampler.hpp>
#include <rwkv/model/model.hpp>
#include <rwkv/model/state.hpp>
#include <rwkv/model/workspace.hpp>
#include <rwkv/progress.hpp>
#include <rwkv/tensor.hpp>
#include <rwkv/text/stop_strings.hpp>
#include <rwkv/text/streaming_decoder.hpp>
#include <rwkv/text/tokenizer.hpp>

namespace rwkv {

/// Why a text ended.
enum class FinishReason {
    length,    ///< max_new_tokens
    eos,       ///< the model's eos_token_id or one of stop_token_ids, which is neither printed nor kept
    stop,      ///< one of stop_strings: not printed, but its tokens are part of the conversation
    callback,  ///< the caller asked to stop
};

/// Its name: "length", "eos", "stop", "callback".
inline std::string_view name(FinishReason reason) noexcept {
    switch (reason) {
        case FinishReason::length:
            return "length";
        case FinishReason::eos:
            return "eos";
        case FinishReason::stop:
            return "stop";
        case FinishReason::callback:
            return "callback";
    }
    return "unknown";
}

/// What came of a prompt.
struct Generation {
    std::string text;
    std::vector<TokenId> tokens;
    std::vector<double>
        log_probabilities;  ///< of the tokens, as the model itself finds them, before any sampling option
    std::vector<std::vector<TokenLogProbability>> top_logprobs;  ///< the likeliest at each token's place, if asked for
    FinishReason finish_reason = FinishReason::length;
    Index prompt_tokens = 0;    ///< read by this call before its first word, the last word of the call before included
    Index decode_steps = 0;     ///< tokens read one by one after that; the first word needs none
    double prompt_seconds = 0;  ///< spent on the former
    double decode_seconds = 0;  ///< and on the latter, sampling included
};

/// Throws ModelError if the tokenizer knows tokens the model has no output for: they do not belong together, and what
/// they would make together is gibberish. `where` names them in the message.
inline void check_tokenizer(const Tokenizer& tokenizer, const Config& config, const std::string& where) {
    if (static_cast<Index>(tokenizer.vocab_size()) > config.vocab_size)
        throw ModelError(where, "tokenizer",
                         "at most the " + std::to_string(config.vocab_size) + " tokens of the model",
                         std::to_string(tokenizer.vocab_size()));
}

/// A conversation with a model: reads prompts (many tokens at once), continues them (token by token), and remembers
/// what was said, so that each call feeds the model only what is new. Holds a state and a workspace of its own; one
/// call at a time.
class Generator {
  public:
    /// Told of each piece of text as it is certain, always whole characters; returning false ends the text there.
    using OnPiece = std::function<bool(std::string_view piece)>;
    /// Likewise, of each token.
    using OnToken = std::function<bool(TokenId token)>;

    /// Throws ModelError if model and tokenizer do not belong together.
    Generator(Model model, Tokenizer tokenizer, const WorkspaceOptions& options = {})
        : Generator(std::move(model), options) {
        check_tokenizer(tokenizer, model_.config(), "Generator");
        tokenizer_ = std::move(tokenizer);
    }

    /// For token ids only.
    explicit Generator(Model model, const WorkspaceOptions& options = {})
        : model_(std::move(model)), state_(model_.config()), workspace_(model_.config(), options) {}

    /// Continues the conversation with the prompt and then the model's own words. Throws ArgumentError, and nothing is
    /// changed, for a prompt that the tokenizer refuses, an empty one where nothing was said before, or options out of
    /// range. What is thrown while drawing (all tokens forbidden, a logits_processor or `on_piece` that throws) leaves
    /// the prompt and the words so far in the conversation, and std::bad_alloc does that or changes nothing; after an
    /// exception from `progress` it is to be reset or resumed.
    Generation generate(std::string_view prompt, const GenerationOptions& options = {}, const OnPiece& on_piece = {}) {
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

    /// The same in token ids; the text of the result stays empty, and `stop_strings` must be.
    Generation generate(std::span<const TokenId> prompt, const GenerationOptions& options = {},
                        const OnToken& on_token = {}) {
        if (!options.stop_strings.empty())
            throw ArgumentError("Generator::generate", "stop_strings", "none where tokens are generated",
                                std::to_string(options.stop_strings.size()));
        return generate_tokens(prompt, options, [&](TokenId token) {
            return !on_token || on_token(token) ? Verdict::go_on : Verdict::callback;
        });
    }

    /// A copy of where the conversation stands, to `resume` from it any number of times: the way to several
    /// continuations of one prompt, to take an answer back, and to go on another day (`save_conversation`).
    Conversation conversation() const {
        return {state_.copy(), tokens_, std::vector<float>(logits_.begin(), logits_.end())};
    }

    /// Goes on from there, forgetting the present conversation. Throws ArgumentError for the conversation of a model of
    /// another shape, or std::bad_alloc, and then nothing is changed.
    void resume(const Conversation& conversation) {
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

    /// Forgets the conversation.
    void reset() noexcept {
        state_.reset();
        tokens_.clear();
        logits_ = {};
    }

    /// The model it speaks for.
    const Model& model() const noexcept { return model_; }
    /// What the model remembers; the very last token said may not be in it yet.
    const State& state() const noexcept { return state_; }
    /// All that was read and said, in order.
    std::span<const TokenId> tokens() const noexcept { return tokens_; }

  private:
    enum class Verdict { go_on, stop, callback };

    template <class OnEach>
    Generation generate_tokens(std::span<const TokenId> prompt, const GenerationOptions& options, OnEach on_each) {
        using Clock = std::chrono::steady_clock;
        Sampler sampler(options);
        check(options, model_.config().vocab_size);
        std::vector<TokenId> unread(prompt.begin(), prompt.end());
        if (has_unread()) unread.insert(unread.begin(), tokens_.back());
        if (unread.empty() && logits_.empty())
            throw ArgumentError("Generator::generate", "prompt", "at least one token", "none");

        Generation result;
        const auto start = Clock::now();
        tokens_.reserve(tokens_.size() + prompt.size());  // what the model has read is to be remembered for certain
        if (!unread.empty()) read(unread, options.progress);
        tokens_.insert(tokens_.end(), prompt.begin(), prompt.end());
        sampler.observe(tokens_);
        result.prompt_tokens = std::ssize(unread);
        const auto prompt_read = Clock::now();
        result.prompt_seconds = std::chrono::duration<double>(prompt_read - start).count();

        while (std::ssize(result.tokens) < options.max_new_tokens) {
            if (has_unread()) {
                read({&tokens_.back(), 1}, {});
                ++result.decode_steps;
            }
            const TokenId token = sampler.sample(logits_);
            if (ends(token, options)) {
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

    static void check(const GenerationOptions& options, Index vocab_size) {
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

    bool ends(TokenId token, const GenerationOptions& options) const noexcept {
        return token == model_.config().eos_token_id ||
               std::find(options.stop_token_ids.begin(), options.stop_token_ids.end(), token) !=
                   options.stop_token_ids.end();
    }

    void read(std::span<const TokenId> tokens, const Progress& progress) {
        logits_ = model_.forward(tokens, state_, workspace_, progress);
    }

    /// Whether the last token was said, but not read by the model yet.
    bool has_unread() const noexcept { return logits_.empty() && !tokens_.empty(); }

    Model model_;
    std::optional<Tokenizer> tokenizer_;
    State state_;
    Workspace workspace_;
    std::vector<TokenId> tokens_;        // all that was read and said
    std::span<const float> logits_;      // for the next token, once all are read; they lie in the workspace, or are
    std::vector<float> resumed_logits_;  // those of a conversation taken up again
};

}  // namespace rwkv
