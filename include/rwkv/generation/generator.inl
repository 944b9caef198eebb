#pragma once

#include <algorithm>
#include <chrono>
#include <cstdint>
#include <span>
#include <string_view>
#include <utility>

#include <rwkv/core/error.hpp>
#include <rwkv/core/inline.hpp>
#include <rwkv/generation/generator.hpp>

namespace rwkv::inline RWKV_ABI {

/// A call in progress: ends the generation however the call is left.
class Generator::Running {
  public:
    explicit Running(Generator& generator) noexcept : generator_(generator) {}
    Running(const Running&) = delete;
    Running& operator=(const Running&) = delete;
    ~Running() { generator_.end(); }

  private:
    Generator& generator_;
};

/// While the model computes or a token is drawn, state and tokens may not agree.
class Generator::Computing {
  public:
    explicit Computing(Generator& generator) noexcept : generator_(generator) {
        generator_.activity_ = Activity::computing;
    }
    Computing(const Computing&) = delete;
    Computing& operator=(const Computing&) = delete;
    ~Computing() { generator_.activity_ = Activity::between_steps; }

  private:
    Generator& generator_;
};

RWKV_INLINE Generator::Generator(Model model, Tokenizer tokenizer, const WorkspaceOptions& options)
    : Generator(std::move(model), options) {
    check_tokenizer(tokenizer, model_.config(), "Generator");
    sequence_ = Sequence(model_.config(), std::move(tokenizer));
}

RWKV_INLINE Generator::Generator(Model model, const WorkspaceOptions& options)
    : model_(std::move(model)), sequence_(model_.config()), workspace_(model_.config(), options) {}

RWKV_INLINE Generation Generator::generate(std::string_view prompt, const GenerationOptions& options,
                                           const OnPiece& on_piece) {
    check_idle("Generator::generate");
    start(prompt, options);
    return run([&](const Step& step) { return step.text.empty() || !on_piece || on_piece(step.text); });
}

RWKV_INLINE Generation Generator::generate(std::span<const TokenId> prompt, const GenerationOptions& options,
                                           const OnToken& on_token) {
    check_idle("Generator::generate");
    start(prompt, options);
    return run([&](const Step& step) { return !step.token || !on_token || on_token(*step.token); });
}

RWKV_INLINE TextStream Generator::stream(std::string_view prompt, const GenerationOptions& options) {
    check_idle("Generator::stream");
    start(prompt, options);
    return TextStream(*this);
}

RWKV_INLINE Generation Generator::result() const {
    Generation result = sequence_.result();
    result.prompt_seconds = prompt_seconds_;
    result.decode_seconds = decode_seconds_;
    return result;
}

RWKV_INLINE Conversation Generator::conversation() const {
    if (activity_ == Activity::computing)
        throw ArgumentError("Generator::conversation", "", "to be called between two tokens", "a pass in progress");
    return sequence_.conversation();
}

RWKV_INLINE void Generator::resume(const Conversation& conversation) {
    check_idle("Generator::resume");
    sequence_.resume(conversation);
}

RWKV_INLINE void Generator::reset() {
    check_idle("Generator::reset");
    sequence_.reset();
}

RWKV_INLINE void Generator::check_idle(const char* call) const {
    if (activity_ != Activity::idle)
        throw ArgumentError(call, "", "no other call or open stream of this generator", "one in progress");
}

template <class Prompt>
void Generator::start(Prompt prompt, const GenerationOptions& options) {
    PassOptions pass_options{.progress = options.progress, .stop = options.stop};
    if (options.speculation.max_draft_tokens > 0 && model_.weights().ranks)
        throw ArgumentError("GenerationOptions", "speculation", "none with a model that several ranks share",
                            "drafts, whose lengths follow the clock of each rank");
    sequence_.begin(prompt, options);
    pass_options_ = std::move(pass_options);
    prompt_seconds_ = decode_seconds_ = 0;
    piece_ = {};
    ++generation_;
    activity_ = Activity::between_steps;
}

RWKV_INLINE void Generator::end() noexcept {
    if (!sequence_.finished()) sequence_.finish();
    activity_ = Activity::idle;
}

template <class WantsMore>
Generation Generator::run(WantsMore wants_more) {
    const Running running(*this);
    while (!sequence_.finished())
        if (!wants_more(step())) sequence_.finish();
    return result();
}

RWKV_INLINE Step Generator::step() {
    using Clock = std::chrono::steady_clock;
    const auto seconds_since = [](Clock::time_point start) {
        return std::chrono::duration<double>(Clock::now() - start).count();
    };
    const Computing computing(*this);
    const auto start = Clock::now();
    const bool first = sequence_.result().tokens.empty();
    std::span<const float> logits = sequence_.logits();
    if (!sequence_.pending().empty()) {
        if (sequence_.next_position() < 0) {  // else the latest pass has read what is pending
            const SequenceTokens pass = sequence_.next_pass(
                pass_times_, 0, (std::min)(max_draft_tokens, workspace_.chunk() - 1));  // in one chunk
            const auto pass_start = Clock::now();
            logits_ = model_.forward_sequence(pass, workspace_, pass_options_);
            pass_options_.progress = {};  // is of the prompt only
            if (logits_.cols() == 0) {
                sequence_.finish();
                return {.token = {}, .text = {}, .finished = FinishReason::callback};
            }
            if (!first) pass_times_.add(std::ssize(pass.tokens), seconds_since(pass_start));
        }
        logits = {logits_.col((std::max<Index>)(sequence_.next_position(), 0)),
                  static_cast<std::size_t>(logits_.rows())};
    }
    const auto read = Clock::now();
    if (first) prompt_seconds_ += seconds_since(start);
    const Step step = sequence_.accept(logits);
    decode_seconds_ += seconds_since(first ? read : start);
    return step;
}

RWKV_INLINE void Generator::next_piece() {
    piece_ = {};
    while (piece_.empty() && !sequence_.finished()) piece_ = step().text;
    if (piece_.empty()) activity_ = Activity::idle;
}

}  // namespace rwkv::inline RWKV_ABI
