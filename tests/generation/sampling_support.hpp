#pragma once

#include <cstddef>
#include <cstdint>
#include <limits>
#include <set>
#include <span>
#include <vector>

#include <rwkv/generation/random.hpp>
#include <rwkv/generation/sampler.hpp>

#include "../catch.hpp"

namespace rwkv::test {

inline constexpr float infinity = std::numeric_limits<float>::infinity();
inline constexpr float not_a_number = std::numeric_limits<float>::quiet_NaN();

/// What the sampler would draw from next, as probabilities, one a logit. Checks that every token comes once at most.
inline std::vector<double> probabilities(Sampler& sampler, std::span<const float> logits) {
    std::vector<double> result(logits.size());
    double sum = 0;
    for (const auto& [token, weight] : sampler.candidates(logits)) {
        CHECK(result.at(static_cast<std::size_t>(token)) == 0);
        CHECK(weight > 0);
        result[static_cast<std::size_t>(token)] = static_cast<double>(weight);
        sum += static_cast<double>(weight);
    }
    for (double& p : result) p /= sum;
    return result;
}

inline std::vector<double> probabilities(const SamplingOptions& options, std::span<const float> logits) {
    Sampler sampler(options);
    return probabilities(sampler, logits);
}

inline std::vector<TokenId> draw(Sampler& sampler, std::span<const float> logits, int count) {
    std::vector<TokenId> tokens;
    for (int i = 0; i < count; ++i) tokens.push_back(sampler.sample(logits));
    return tokens;
}

inline std::vector<TokenId> draw(const SamplingOptions& options, std::span<const float> logits, int count) {
    Sampler sampler(options);
    return draw(sampler, logits, count);
}

/// From −spread to spread, exact in float on every platform, and all different.
inline std::vector<float> some_logits(std::size_t count, std::uint64_t seed, float spread = 16.0f) {
    Random random(seed);
    std::set<float> distinct;
    std::vector<float> logits;
    while (logits.size() < count) {
        const auto value =
            spread * static_cast<float>(static_cast<std::int64_t>(random.below(1U << 20U)) - (1 << 19)) / 524288.0f;
        if (distinct.insert(value).second) logits.push_back(value);
    }
    return logits;
}

}  // namespace rwkv::test
