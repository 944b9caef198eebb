#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include <rwkv/core/error.hpp>
#include <rwkv/core/finite.hpp>
#include <rwkv/core/inline.hpp>
#include <rwkv/core/message.hpp>
#include <rwkv/generation/sampler.hpp>

namespace rwkv::inline RWKV_ABI {

namespace generation {

/// Throws: ArgumentError for an option out of its range.
inline void check_sampling(const SamplingOptions& options) {
    const auto need = [](bool good, const char* name, const char* expected, double found) {
        if (!good) core::fail<ArgumentError>("Sampler", {name}, {expected}, {found});
    };
    const auto need_part = [&](const float& value, const char* name) {
        need(core::is_finite(value) && value >= 0.0f && value <= 1.0f, name, "a number from 0 to 1",
             static_cast<double>(value));
    };
    const auto need_finite = [&](const float& value, bool good, const char* name, const char* expected) {
        need(core::is_finite(value) && good, name, expected, static_cast<double>(value));
    };
    need_finite(options.temperature, options.temperature >= 0.0f, "temperature", "0 or a positive number");
    need(options.top_k >= 0, "top_k", "0 or a positive number", options.top_k);
    need_part(options.top_p, "top_p");
    need_part(options.min_p, "min_p");
    need_part(options.typical_p, "typical_p");
    need(core::is_finite(options.mirostat_tau) && options.mirostat_tau >= 0.0f && options.mirostat_tau <= 64.0f,
         "mirostat_tau", "0 to 64 bits", static_cast<double>(options.mirostat_tau));
    need_part(options.mirostat_eta, "mirostat_eta");
    need_finite(options.presence_penalty, true, "presence_penalty", "a number");
    need_finite(options.frequency_penalty, true, "frequency_penalty", "a number");
    need_part(options.penalty_decay, "penalty_decay");
    need_finite(options.repetition_penalty, options.repetition_penalty > 0.0f, "repetition_penalty",
                "a positive number");
    need(options.no_repeat_ngram_size >= 0, "no_repeat_ngram_size", "0 or a positive number",
         options.no_repeat_ngram_size);
    for (const auto& [token, bias] : options.logit_bias)
        need(core::is_finite(bias) || core::is_minus_infinity(bias), "logit_bias", "numbers, or −∞",
             static_cast<double>(bias));
}

}  // namespace generation

RWKV_INLINE Sampler::Sampler(SamplingOptions options)
    : options_(std::move(options)), random_(options_.seed), constraint_(options_.constraint.get()) {
    generation::check_sampling(options_);
    if (options_.temperature == 0.0f) return;
    filters_.emplace(options_);
    if (options_.mirostat_tau > 0.0f) mirostat_.emplace(options_.mirostat_tau, options_.mirostat_eta);
}

RWKV_INLINE void Sampler::observe(std::span<const TokenId> tokens) {
    penalties_.observe(tokens, options_);
}

RWKV_INLINE TokenId Sampler::sample(std::span<const float> logits) {
    const auto [tokens, weights] = distribution(logits);
    std::uint64_t total = 0;
    for (const std::uint64_t weight : weights) total += weight;
    Random random = random_;
    std::uint64_t left = random.below(total);
    std::size_t drawn = 0;
    while (left >= weights[drawn]) left -= weights[drawn++];
    const TokenId token = tokens[drawn];
    penalties_.reserve_drawn(options_);
    if (constraint_.get()) constraint_.get()->accept(token);
    // From here on nothing throws.
    penalties_.drawn(token, options_);
    if (mirostat_) mirostat_->update(total, weights[drawn]);
    random_ = random;
    return token;
}

RWKV_INLINE std::vector<Candidate> Sampler::candidates(std::span<const float> logits) {
    const auto [tokens, weights] = distribution(logits);
    std::vector<Candidate> result;
    for (std::size_t i = 0; i < tokens.size(); ++i)
        if (weights[i] > 0) result.push_back({tokens[i], weights[i]});
    return result;
}

RWKV_INLINE Sampler::Weighted Sampler::distribution(std::span<const float> logits) {
    const std::span<const float> adjusted = penalties_.apply(logits, options_, constraint_.get());
    if (!filters_) {
        const auto best = std::find(adjusted.begin(), adjusted.end(), generation::largest_logit(adjusted));
        greedy_ = {static_cast<TokenId>(best - adjusted.begin()), 1};
        return {{&greedy_.token, 1}, {&greedy_.weight, 1}};
    }
    filters_->apply(adjusted, candidates_);
    if (mirostat_) mirostat_->apply(candidates_);
    return {candidates_.tokens(), candidates_.weights()};
}

}  // namespace rwkv::inline RWKV_ABI
