#pragma once

#include <algorithm>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include <rwkv/core/error.hpp>
#include <rwkv/core/inline.hpp>
#include <rwkv/core/message.hpp>
#include <rwkv/generation/draft_model.hpp>
#include <rwkv/generation/drafter.hpp>

namespace rwkv::inline RWKV_ABI::generation {

RWKV_INLINE void check_speculation(const SpeculationOptions& options, const Config& config) {
    if (options.max_draft_tokens < 0 || options.max_draft_tokens > max_draft_tokens)
        core::fail<ArgumentError>("SpeculationOptions", {"max_draft_tokens"}, {"0 to ", max_draft_tokens},
                                  {options.max_draft_tokens});
    if (!options.draft_model) return;
    const Model& model = options.draft_model->model();
    if (!model.has_head())
        core::fail<ArgumentError>("SpeculationOptions", {"draft_model"}, {"a model with a head"}, {"one without"});
    if (model.config().vocab_size != config.vocab_size)
        core::fail<ArgumentError>("SpeculationOptions", {"draft_model"},
                                  {"one with the vocabulary of the model, ", config.vocab_size, " tokens"},
                                  {model.config().vocab_size, " tokens"});
}

RWKV_INLINE Drafter::Drafter(const SpeculationOptions& options, const Config& config) : options_(options) {
    check_speculation(options, config);
    reserve();
}

RWKV_INLINE Drafter::Drafter(const Drafter& other)
    : options_(other.options_),
      index_(other.index_),
      match_(other.match_),
      lookup_rates_(other.lookup_rates_),
      model_rate_(other.model_rate_),
      model_seconds_(other.model_seconds_) {
    reserve();
}

RWKV_INLINE void Drafter::reserve() {
    const Index most = options_.max_draft_tokens;
    guesses_.reserve(static_cast<std::size_t>(most) + 1);
    if (!options_.draft_model) return;
    const Config& config = options_.draft_model->model().config();
    model_state_.emplace(config);
    model_checkpoints_.emplace(config, most + 1);
    model_draft_.reserve(static_cast<std::size_t>(most));
}

RWKV_INLINE bool Drafter::has(const SpeculationOptions& options) const noexcept {
    return options.max_draft_tokens == options_.max_draft_tokens && options.prompt_lookup == options_.prompt_lookup &&
           options.draft_model == options_.draft_model;
}

RWKV_INLINE void Drafter::reset() noexcept {
    index_.clear();
    match_ = {};
    guesses_.clear();
    model_draft_.clear();
    model_read_ = 0;
    if (model_state_) model_state_->reset();
    if (model_checkpoints_) model_checkpoints_->clear();
}

RWKV_INLINE Drafter::Rate& Drafter::lookup_rate(Index match_length) noexcept {
    if (match_length < 2) return lookup_rates_[0];
    std::size_t rate = 1;  // of matches of two tokens, of three, of up to five, of up to nine …
    for (Index rest = match_length - 2; rest > 0; rest /= 2) ++rate;
    return lookup_rates_[(std::min)(rate, lookup_rates_.size() - 1)];
}

/// Of the longest match and one that goes on after a replaced token, the one that was right more often.
RWKV_INLINE void Drafter::find_match(std::span<const TokenId> tokens) noexcept {
    index_.update(tokens);
    match_ = index_.find(tokens);
    const LookupIndex::Match& resumed = index_.resumed();
    if (resumed.next == 0 || resumed.next >= std::ssize(tokens)) return;
    if (match_.next == 0 || lookup_rate(resumed.length).rate > lookup_rate(match_.length).rate) match_ = resumed;
}

/// The length of a draft, at most `max`, that brings the largest number of tokens a second; 0 where that is not above
/// what a pass without draft brings. rate_of(i) is the rate of the i-th token of the draft where those before are
/// right.
template <class RateOf>
Drafter::Plan Drafter::plan(Index max, const PassTimes& times, Index beside, double seconds_per_token,
                            const RateOf& rate_of) const {
    const double without = static_cast<double>(beside + 1);
    Plan best{0, 1.03 * without / times(beside + 1)};  // a draft that is no better but by chance is worse
    double reached = 1, expected = without;
    for (Index length = 1; length <= max; ++length) {
        reached *= rate_of(length - 1);
        expected += reached;
        const double seconds = times(beside + 1 + length) + seconds_per_token * static_cast<double>(length);
        if (expected / seconds > best.tokens_per_second) best = {length, expected / seconds};
    }
    return best;
}

RWKV_INLINE std::span<const TokenId> Drafter::draft(std::span<const TokenId> tokens, Index max, const PassTimes& times,
                                                    Index beside) {
    guesses_.clear();
    by_model_ = false;
    match_ = {};
    Plan lookup{}, model{};
    if (options_.prompt_lookup) {
        find_match(tokens);
        if (match_.next > 0)
            lookup = plan(max, times, beside, 0, [&](Index i) { return lookup_rate(match_.length + i).rate; });
    }
    if (options_.draft_model && max > 0) {
        // Where it does not pay, it is tried again now and then.
        constexpr Index passes_to_next_trial = 128;
        model = plan(max, times, beside, model_seconds_, [&](Index) { return model_rate_.rate; });
        if (model.length == 0 && ++passes_without_model_ >= passes_to_next_trial) model.length = 1;
        if (model.length > 0 && (lookup.length == 0 || model.tokens_per_second > lookup.tokens_per_second)) {
            draft_by_model(tokens, model.length);
            by_model_ = true;
            passes_without_model_ = 0;
            return guesses_;
        }
    }
    if (match_.next == 0) return {};
    look_up(tokens, (std::max<Index>)(lookup.length, 1));
    return std::span(guesses_).first(static_cast<std::size_t>(lookup.length));
}

RWKV_INLINE void Drafter::drawn(Index i, TokenId token) noexcept {
    if (i < 0 || i >= std::ssize(guesses_)) return;
    const bool right = guesses_[static_cast<std::size_t>(i)] == token;
    (by_model_ ? model_rate_ : lookup_rate(match_.length + i)).add(right);
    if (!right || i + 1 == std::ssize(guesses_)) guesses_.clear();
}

/// The tokens that followed the match; where these reach the end of all tokens, the draft goes on from its own.
RWKV_INLINE void Drafter::look_up(std::span<const TokenId> tokens, Index count) {
    const Index size = std::ssize(tokens);
    for (Index i = 0, from = match_.next; i < count; ++i, ++from)
        guesses_.push_back(from < size ? tokens[static_cast<std::size_t>(from)]
                                       : guesses_[static_cast<std::size_t>(from - size)]);
}

RWKV_INLINE void Drafter::draft_by_model(std::span<const TokenId> tokens, Index count) {
    const Model& model = options_.draft_model->model();
    Workspace& workspace = options_.draft_model->workspace();
    const auto part = [&](Index begin, Index end) {
        return tokens.subspan(static_cast<std::size_t>(begin), static_cast<std::size_t>(end - begin));
    };
    // Back to the last token of its latest draft that was right.
    const Index last = std::ssize(tokens) - 1;
    Index right = 0;
    while (right < std::ssize(model_draft_) && model_read_ + right < last &&
           model_draft_[static_cast<std::size_t>(right)] == tokens[static_cast<std::size_t>(model_read_ + right)])
        ++right;
    if (right < std::ssize(model_draft_)) model_checkpoints_->restore(model_known_ + right, *model_state_);
    model_read_ += right;
    model_draft_.clear();
    model_checkpoints_->clear();
    if (model_read_ > last) {  // a second draft after the same tokens: the state before the last one is gone
        model_state_->reset();
        model_read_ = 0;
    }
    // What is unread goes with the first step of the draft, or, where that is long, before it.
    if (last - model_read_ > 1) {
        model.forward_state(part(model_read_, last), *model_state_, workspace);
        model_read_ = last;
    }
    model_known_ = last - model_read_;

    TokenId next = tokens.back();
    const auto start = std::chrono::steady_clock::now();
    for (Index i = 0; i < count; ++i) {
        const std::span<const TokenId> unread =
            i == 0 ? part(model_read_, last + 1) : std::span<const TokenId>(&next, 1);
        const auto logits =
            model.forward_sequence({unread, &*model_state_, LogitsFor::last, &*model_checkpoints_}, workspace);
        if (i == 0)
            model_read_ = last + 1;
        else
            model_draft_.push_back(next);
        next = static_cast<TokenId>(std::max_element(logits.col(0), logits.col(0) + logits.rows()) - logits.col(0));
        guesses_.push_back(next);
    }
    const double seconds =
        std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count() / static_cast<double>(count);
    model_seconds_ += (seconds - model_seconds_) * (model_seconds_ == 0 ? 1.0 : 0.125);
}

}  // namespace rwkv::inline RWKV_ABI::generation
