#pragma once

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include <rwkv/core/error.hpp>
#include <rwkv/core/inline.hpp>
#include <rwkv/generation/fixed_point.hpp>
#include <rwkv/generation/sampler.hpp>

namespace rwkv::inline RWKV_ABI {

namespace detail {

/// Throws ArgumentError for an option out of its range.
inline void check_sampling(const GenerationOptions& options) {
    const auto need = [](bool good, const char* name, const char* expected, double found) {
        if (!good) throw ArgumentError("Sampler", name, expected, std::to_string(found));
    };
    const auto share = [&](float value, const char* name) {
        need(value >= 0.0f && value <= 1.0f, name, "a number from 0 to 1", static_cast<double>(value));
    };
    const auto finite = [&](float value, bool good, const char* name, const char* expected) {
        need(std::isfinite(value) && good, name, expected, static_cast<double>(value));
    };
    finite(options.temperature, options.temperature >= 0.0f, "temperature", "0 or a positive number");
    need(options.top_k >= 0, "top_k", "0 or a positive number", options.top_k);
    share(options.top_p, "top_p");
    share(options.min_p, "min_p");
    share(options.typical_p, "typical_p");
    need(options.mirostat_tau >= 0.0f && options.mirostat_tau <= 64.0f, "mirostat_tau", "0 to 64 bits",
         static_cast<double>(options.mirostat_tau));
    share(options.mirostat_eta, "mirostat_eta");
    finite(options.presence_penalty, true, "presence_penalty", "a number");
    finite(options.frequency_penalty, true, "frequency_penalty", "a number");
    share(options.penalty_decay, "penalty_decay");
    finite(options.repetition_penalty, options.repetition_penalty > 0.0f, "repetition_penalty", "a positive number");
    need(options.no_repeat_ngram_size >= 0, "no_repeat_ngram_size", "0 or a positive number",
         options.no_repeat_ngram_size);
    for (const auto& [token, bias] : options.logit_bias)
        need(bias < std::numeric_limits<float>::infinity(), "logit_bias", "numbers, or −∞", static_cast<double>(bias));
}

}  // namespace detail

RWKV_INLINE Sampler::Sampler(GenerationOptions options)
    : options_(std::move(options)), random_(options_.seed), mu_(2 * static_cast<double>(options_.mirostat_tau)) {
    detail::check_sampling(options_);
}

RWKV_INLINE void Sampler::observe(std::span<const TokenId> tokens) {
    penalties_.observe(tokens, options_);
}

RWKV_INLINE TokenId Sampler::sample(std::span<const float> logits) {
    const WeightedTokens among = distribution(logits);
    std::uint64_t total = 0;
    for (const std::uint64_t weight : among.weights) total += weight;
    Random random = random_;
    std::uint64_t left = random.below(total);
    std::size_t chosen = 0;
    while (left >= among.weights[chosen]) left -= among.weights[chosen++];
    penalties_.drawn(among.tokens[chosen], options_);
    if (steered()) steer(total, among.weights[chosen]);
    random_ = random;
    return among.tokens[chosen];
}

RWKV_INLINE std::vector<Candidate> Sampler::candidates(std::span<const float> logits) {
    const WeightedTokens among = distribution(logits);
    std::vector<Candidate> result;
    for (std::size_t i = 0; i < among.tokens.size(); ++i)
        if (among.weights[i] > 0) result.push_back({among.tokens[i], among.weights[i]});
    return result;
}

RWKV_INLINE WeightedTokens Sampler::distribution(std::span<const float> logits) {
    const std::span<const float> adjusted = penalties_.apply(logits, options_);
    if (options_.temperature == 0.0f) {
        const auto best = std::find(adjusted.begin(), adjusted.end(), largest_logit(adjusted));
        likeliest_ = {static_cast<TokenId>(best - adjusted.begin()), 1};
        return {{&likeliest_.token, 1}, {&likeliest_.weight, 1}};
    }
    const WeightedTokens all = distribution_(adjusted, options_);
    if (!steered()) return all;
    kept_tokens_.reserve(logits.size());
    kept_weights_.reserve(logits.size());
    return unsurprising(all);
}

/// Mirostat's cut: those whose surprise −log2 p is at most mu, or else the likeliest.
RWKV_INLINE WeightedTokens Sampler::unsurprising(const WeightedTokens& all) {
    std::uint64_t total = 0;
    likeliest_ = {0, 0};
    for (std::size_t i = 0; i < all.weights.size(); ++i) {
        total += all.weights[i];
        if (all.weights[i] > likeliest_.weight) likeliest_ = {all.tokens[i], all.weights[i]};
    }
    // w ≥ total · 2^−mu, the right side being 2^(38 − depth).
    const auto depth = (std::int64_t{fixed_point::weight_bits} << 32U) - fixed_point::log2(total) +
                       static_cast<std::int64_t>(mu_ * 0x1p32);
    const std::uint64_t least =
        std::max(fixed_point::weight(static_cast<std::uint64_t>(std::max(depth, std::int64_t{0}))), std::uint64_t{1});
    // Other cuts may have left no token of the largest weight there can be.
    if (depth < 0 || least > likeliest_.weight) return {{&likeliest_.token, 1}, {&likeliest_.weight, 1}};
    kept_tokens_.clear();
    kept_weights_.clear();
    for (std::size_t i = 0; i < all.weights.size(); ++i)
        if (all.weights[i] >= least) {
            kept_tokens_.push_back(all.tokens[i]);
            kept_weights_.push_back(all.weights[i]);
        }
    return {kept_tokens_, kept_weights_};
}

/// Mirostat's feedback, from the surprise at the token drawn among those left. In units of 2^-20 bits the products
/// are exact: fusing them with the sum changes nothing.
RWKV_INLINE void Sampler::steer(std::uint64_t total, std::uint64_t weight) noexcept {
    const auto surprise = static_cast<double>((fixed_point::log2(total) - fixed_point::log2(weight) + (1 << 11)) >> 12);
    const double target = std::floor(static_cast<double>(options_.mirostat_tau) * 0x1p20 + 0.5);
    const double error = (surprise - target) * 0x1p-20;
    mu_ = std::min(mu_ - static_cast<double>(options_.mirostat_eta) * error, 64.0);  // nothing surprises more
}

}  // namespace rwkv::inline RWKV_ABI
