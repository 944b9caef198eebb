#pragma once

#include <functional>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <rwkv/core/config.hpp>
#include <rwkv/core/tensor.hpp>
#include <rwkv/generation/conversation.hpp>
#include <rwkv/generation/log_probabilities.hpp>
#include <rwkv/generation/options.hpp>
#include <rwkv/model/model.hpp>
#include <rwkv/model/state.hpp>
#include <rwkv/model/workspace.hpp>
#include <rwkv/text/tokenizer.hpp>
#include <rwkv/version.hpp>

namespace rwkv::inline RWKV_ABI {

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
    std::string text;             ///< what was said, without the stop string that ended it
    std::vector<TokenId> tokens;  ///< the same in ids
    std::vector<double>
        log_probabilities;  ///< of the tokens, as the model itself finds them, before any sampling option
    std::vector<std::vector<TokenLogProbability>> top_logprobs;  ///< the likeliest at each token's place, if asked for
    FinishReason finish_reason = FinishReason::length;           ///< why there is no more
    Index prompt_tokens = 0;    ///< read by this call before its first word, the last word of the call before included
    Index decode_steps = 0;     ///< tokens read one by one after that; the first word needs none
    double prompt_seconds = 0;  ///< spent on the former
    double decode_seconds = 0;  ///< and on the latter, sampling included
};

/// Throws ModelError if the tokenizer knows tokens the model has no output for: they do not belong together, and what
/// they would make together is gibberish. `where` names them in the message.
void check_tokenizer(const Tokenizer& tokenizer, const Config& config, const std::string& where);

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
    Generator(Model model, Tokenizer tokenizer, const WorkspaceOptions& options = {});

    /// For token ids only.
    explicit Generator(Model model, const WorkspaceOptions& options = {});

    /// Continues the conversation with the prompt and then the model's own words. Throws ArgumentError, and nothing is
    /// changed, for a prompt that the tokenizer refuses, an empty one where nothing was said before, or options out of
    /// range. What is thrown while drawing (all tokens forbidden, a logits_processor or `on_piece` that throws) leaves
    /// the prompt and the words so far in the conversation, and std::bad_alloc does that or changes nothing; after an
    /// exception from `progress` it is to be reset or resumed.
    Generation generate(std::string_view prompt, const GenerationOptions& options = {}, const OnPiece& on_piece = {});

    /// The same in token ids; the text of the result stays empty, and `stop_strings` must be.
    Generation generate(std::span<const TokenId> prompt, const GenerationOptions& options = {},
                        const OnToken& on_token = {});

    /// A copy of where the conversation stands, to `resume` from it any number of times: the way to several
    /// continuations of one prompt, to take an answer back, and to go on another day (`save_conversation`).
    Conversation conversation() const;

    /// Goes on from there, forgetting the present conversation. Throws ArgumentError for the conversation of a model of
    /// another shape, or std::bad_alloc, and then nothing is changed.
    void resume(const Conversation& conversation);

    /// Forgets the conversation.
    void reset() noexcept;

    /// The model it speaks for.
    const Model& model() const noexcept { return model_; }
    /// What the model remembers; the very last token said may not be in it yet.
    const State& state() const noexcept { return state_; }
    /// All that was read and said, in order.
    std::span<const TokenId> tokens() const noexcept { return tokens_; }

  private:
    enum class Verdict { go_on, stop, callback };

    template <class OnEach>
    Generation generate_tokens(std::span<const TokenId> prompt, const GenerationOptions& options, OnEach on_each);

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

}  // namespace rwkv::inline RWKV_ABI

#ifndef RWKV_COMPILED
#include <rwkv/generation/generator.inl>
#endif
