#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <rwkv/error.hpp>
#include <rwkv/generation/sampler.hpp>
#include <rwkv/model/model.hpp>
#include <rwkv/model/state.hpp>
#include <rwkv/model/workspace.hpp>
#include <rwkv/progress.hpp>
#include <rwkv/text/streaming_decoder.hpp>
#include <rwkv/text/tokenizer.hpp>

namespace rwkv {

/// How a text is continued. Greedy unless a temperature is given; see SamplingOptions for what the numbers mean.
struct GenerationOptions {
    Index max_new_tokens = 256;  ///< 0: the prompt is read, and nothing said
    float temperature = 0.0f;    ///< 0: greedy
    int top_k = 0;               ///< 0: no limit
    float top_p = 1.0f;          ///< 1: no limit
    std::uint64_t seed = 0;      ///< of the random numbers, begun afresh by each call
    /// Told of prompt tokens read ("prompt").
    Progress progress = {};
};

/// Why a text ended.
enum class FinishReason {
    length,    ///< max_new_tokens
    eos,       ///< the model's eos_token_id, which is neither printed nor kept
    callback,  ///< the caller asked to stop
};

/// What came of a prompt.
struct Generation {
    std::string text;
    std::vector<TokenId> tokens;
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

/// A conversation with a model: reads prompts, continues them, and remembers what was said, so that each call feeds
/// the model only what is new. Holds a state and a workspace of its own; one call at a time.
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

    /// Continues the conversation with the prompt and then the model's own words. Throws ArgumentError for a prompt
    /// that is not UTF-8, an empty one where nothing was said before, or options out of range. After an exception from
    /// a callback the conversation is to be `reset()`.
    Generation generate(std::string_view prompt, const GenerationOptions& options = {}, const OnPiece& on_piece = {}) {
        if (!tokenizer_) throw ArgumentError("Generator::generate", "tokenizer", "one", "none");
        StreamingDecoder decoder(*tokenizer_);
        std::string text;
        bool heard = true;  // false from the moment the callback wants no more
        const auto say = [&](std::string_view piece) {
            text += piece;
            if (heard && on_piece && !piece.empty()) heard = on_piece(piece);
            return heard;
        };
        Generation result = generate(tokenizer_->encode(prompt), options, [&](TokenId token) {
            return !tokenizer_->contains(token) || say(decoder.push(token));  // an unused output says nothing
        });
        say(decoder.finish());
        result.text = std::move(text);
        return result;
    }

    /// The same in token ids; the text of the result stays empty.
    Generation generate(std::span<const TokenId> prompt, const GenerationOptions& options = {},
                        const OnToken& on_token = {}) {
        using Clock = std::chrono::steady_clock;
        Sampler sampler(
            {.temperature = options.temperature, .top_k = options.top_k, .top_p = options.top_p, .seed = options.seed});
        if (options.max_new_tokens < 0)
            throw ArgumentError("Generator::generate", "max_new_tokens", "0 or more",
                                std::to_string(options.max_new_tokens));
        std::vector<TokenId> unread(prompt.begin(), prompt.end());
        if (last_) unread.insert(unread.begin(), *last_);
        if (unread.empty() && logits_.empty())
            throw ArgumentError("Generator::generate", "prompt", "at least one token", "none");

        Generation result;
        const auto start = Clock::now();
        if (!unread.empty()) read(unread, options.progress);
        result.prompt_tokens = std::ssize(unread);
        const auto prompt_read = Clock::now();
        result.prompt_seconds = std::chrono::duration<double>(prompt_read - start).count();
        while (std::ssize(result.tokens) < options.max_new_tokens) {
            if (last_) {
                read({&*last_, 1}, {});
                ++result.decode_steps;
            }
            const TokenId token = sampler.sample(logits_);
            if (token == model_.config().eos_token_id) {
                result.finish_reason = FinishReason::eos;
                break;
            }
            last_ = token;
            result.tokens.push_back(token);
            if (on_token && !on_token(token)) {
                result.finish_reason = FinishReason::callback;
                break;
            }
        }
        result.decode_seconds = std::chrono::duration<double>(Clock::now() - prompt_read).count();
        return result;
    }

    /// Forgets the conversation.
    void reset() noexcept {
        state_.reset();
        last_.reset();
        logits_ = {};
    }

    /// The model it speaks for.
    const Model& model() const noexcept { return model_; }
    /// What the model remembers; the very last token said is not in it yet.
    const State& state() const noexcept { return state_; }

  private:
    void read(std::span<const TokenId> tokens, const Progress& progress) {
        logits_ = model_.forward(tokens, state_, workspace_, progress);
        last_.reset();
    }

    Model model_;
    std::optional<Tokenizer> tokenizer_;
    State state_;
    Workspace workspace_;
    std::optional<TokenId> last_;    // said, but not read by the model yet
    std::span<const float> logits_;  // after all that was read; they lie in the workspace
};

}  // namespace rwkv
