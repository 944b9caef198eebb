#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <iterator>
#include <span>
#include <string_view>
#include <utility>

#include <rwkv/core/matrix_view.hpp>
#include <rwkv/core/tensor.hpp>
#include <rwkv/generation/conversation.hpp>
#include <rwkv/generation/generation.hpp>
#include <rwkv/generation/options.hpp>
#include <rwkv/generation/pass_times.hpp>
#include <rwkv/generation/sequence.hpp>
#include <rwkv/model/batch.hpp>
#include <rwkv/model/model.hpp>
#include <rwkv/model/state.hpp>
#include <rwkv/model/workspace.hpp>
#include <rwkv/text/tokenizer.hpp>
#include <rwkv/version.hpp>

namespace rwkv::inline RWKV_ABI {

class TextStream;

/// A conversation with a model: reads prompts (many tokens at once), continues them (token by token), and remembers
/// everything, so that each call reads only new tokens. It is a Sequence with a model and a workspace.
///
/// Thread safety: one call at a time. `generate`, `stream`, `resume` and `reset` throw ArgumentError, and change
/// nothing, when called by a callback of a call in progress or while a stream is open.
class Generator {
  public:
    /// Receives each chunk of text as soon as it is certain, always whole characters. Return false to end the text
    /// there.
    using OnPiece = std::function<bool(std::string_view text)>;
    /// Receives each token; return false to end the text there.
    using OnToken = std::function<bool(TokenId token)>;

    /// Throws: ModelError if model and tokenizer do not belong together; ArgumentError for workspace options out of
    /// range.
    Generator(Model model, Tokenizer tokenizer, const WorkspaceOptions& options = {});

    /// For token ids only.
    explicit Generator(Model model, const WorkspaceOptions& options = {});

    /// Continues the conversation with the prompt and then with tokens of the model.
    ///
    /// Where GenerationOptions::progress returns false, or a stop is requested, while the prompt is read, the result is
    /// empty with FinishReason::callback, and the conversation is as before the call.
    /// Throws: ArgumentError, and nothing is changed, for a prompt that the tokenizer refuses, an empty one where
    /// nothing was read before, or options out of range. What is thrown while the prompt is read leaves the
    /// conversation as before the call; what is thrown later (all tokens forbidden, a logits_processor, constraint or
    /// callback that throws) leaves the prompt and the tokens so far in the conversation, and std::bad_alloc may do
    /// either.
    Generation generate(std::string_view prompt, const GenerationOptions& options = {}, const OnPiece& on_piece = {});

    /// The same in token ids; the text of the result stays empty, and `stop_strings` must be.
    Generation generate(std::span<const TokenId> prompt, const GenerationOptions& options = {},
                        const OnToken& on_token = {});

    /// The same as a range of chunks of text, each decoded when it is asked for:
    ///
    ///     for (std::string_view text : generator.stream(prompt, options)) std::cout << text;
    ///
    /// Leaving the loop early ends the text as a callback that returns false does. `result()` has everything else.
    /// Throws: as `generate`, the options and the prompt being checked here, and everything else while iterating.
    [[nodiscard]] TextStream stream(std::string_view prompt, const GenerationOptions& options = {});

    /// The result of the latest `generate` or `stream`, so far.
    [[nodiscard]] Generation result() const;

    /// A copy of the current position, to `resume` from any number of times: for several continuations of one prompt,
    /// to take an answer back, or to continue later (`save_conversation`).
    /// Throws: ArgumentError if called while the model computes, from `progress` or a logits_processor.
    [[nodiscard]] Conversation conversation() const;

    /// Continues from that position and forgets the present conversation.
    /// Throws: ArgumentError for the conversation of a model of another shape, or std::bad_alloc; then nothing is
    /// changed.
    void resume(const Conversation& conversation);

    /// Forgets the conversation.
    void reset();

    /// The model.
    [[nodiscard]] const Model& model() const noexcept { return model_; }
    /// What the model remembers; the very last token drawn may not be in it yet.
    [[nodiscard]] const State& state() const noexcept { return sequence_.state(); }
    /// All tokens that were read or drawn, in order.
    [[nodiscard]] std::span<const TokenId> tokens() const noexcept { return sequence_.tokens(); }

  private:
    friend class TextStream;
    enum class Activity { idle, between_steps, computing };
    class Running;
    class Computing;

    void check_idle(const char* call) const;
    template <class Prompt>
    void start(Prompt prompt, const GenerationOptions& options);
    template <class WantsMore>
    Generation run(WantsMore wants_more);
    Step step();
    void next_piece();
    void end() noexcept;

    Model model_;
    Sequence sequence_;
    Workspace workspace_;
    Activity activity_ = Activity::idle;
    PassOptions pass_options_;  // of the call in progress
    PassTimes pass_times_;
    MatrixView<const float> logits_{nullptr, 0, 0, 0};  // of the latest pass
    double prompt_seconds_ = 0, decode_seconds_ = 0;
    std::string_view piece_;        // the present one of a stream
    std::uint64_t generation_ = 0;  // counts calls, so that a stream knows whether it is still the latest
};

/// The text of Generator::stream: an input range of std::string_view, each valid until the next. The generator must
/// outlive it and not be moved. Move only.
class TextStream {
  public:
    /// Where the stream stands.
    class Iterator {
      public:
        using value_type = std::string_view;     ///< a chunk of text
        using difference_type = std::ptrdiff_t;  ///< as the standard wants it
        Iterator() = default;                    ///< of no stream
        /// The present chunk.
        std::string_view operator*() const noexcept { return generator_->piece_; }
        /// Decodes the next. Throws: what Generator::generate throws.
        Iterator& operator++() {
            generator_->next_piece();
            return *this;
        }
        /// Likewise.
        void operator++(int) { generator_->next_piece(); }
        /// Whether the text is finished.
        friend bool operator==(const Iterator& it, std::default_sentinel_t) noexcept { return it.ended(); }

      private:
        friend class TextStream;
        explicit Iterator(Generator& generator) noexcept : generator_(&generator) {}
        bool ended() const noexcept { return generator_->piece_.empty(); }
        Generator* generator_ = nullptr;
    };

    /// Leaves a stream that can only be assigned to or destroyed.
    TextStream(TextStream&& other) noexcept
        : generator_(std::exchange(other.generator_, nullptr)),
          generation_(other.generation_),
          started_(other.started_) {}
    /// Likewise.
    TextStream& operator=(TextStream&& other) noexcept {
        close();
        generator_ = std::exchange(other.generator_, nullptr);
        generation_ = other.generation_;
        started_ = other.started_;
        return *this;
    }
    ~TextStream() { close(); }

    /// Reads the prompt and decodes the first chunk. Throws: what Generator::generate throws.
    Iterator begin() {
        if (!std::exchange(started_, true)) generator_->next_piece();
        return Iterator(*generator_);
    }
    /// After the last chunk.
    [[nodiscard]] std::default_sentinel_t end() const noexcept { return {}; }

    /// Ends the text here if it is not finished, as the destructor does.
    void close() noexcept {
        if (generator_ && generator_->generation_ == generation_) generator_->end();
        generator_ = nullptr;
    }

  private:
    friend class Generator;
    explicit TextStream(Generator& generator) noexcept : generator_(&generator), generation_(generator.generation_) {}

    Generator* generator_;
    std::uint64_t generation_;
    bool started_ = false;
};

}  // namespace rwkv::inline RWKV_ABI

#ifndef RWKV_COMPILED
#include <rwkv/generation/generator.inl>
#endif
