#include <algorithm>
#include <cmath>
#include <cstdint>
#include <limits>
#include <numeric>
#include <set>
#include <vector>

#include "../catch.hpp"

#include <rwkv/error.hpp>
#include <rwkv/generation/sampler.hpp>

using rwkv::ArgumentError;
using rwkv::Random;
using rwkv::Sampler;
using rwkv::SamplingOptions;
using rwkv::TokenId;

namespace {

constexpr float infinity = std::numeric_limits<float>::infinity();
constexpr float not_a_number = std::numeric_limits<float>::quiet_NaN();

/// Probabilities as the sampler has them.
std::vector<double> probabilities(const SamplingOptions& options, const std::vector<float>& logits) {
    Sampler sampler(options);
    const auto weights = sampler.weights(logits);
    const double sum = std::accumulate(weights.begin(), weights.end(), 0.0,
                                       [](double a, std::uint64_t b) { return a + static_cast<double>(b); });
    std::vector<double> result;
    for (std::uint64_t weight : weights) result.push_back(static_cast<double>(weight) / sum);
    return result;
}

/// ChatRWKV's formula in double precision: softmax, top-p by the probability at which the sum is reached,
/// top-k, power, sum. `unique` logits only.
std::vector<double> reference(const SamplingOptions& options, const std::vector<float>& logits) {
    std::vector<double> p;
    const double max = *std::max_element(logits.begin(), logits.end());
    for (float logit : logits) p.push_back(std::exp(static_cast<double>(logit) - max));
    const double sum = std::accumulate(p.begin(), p.end(), 0.0);
    for (double& x : p) x /= sum;
    std::vector<double> sorted = p;
    std::sort(sorted.rbegin(), sorted.rend());
    double cutoff = 0, reached = 0;
    if (options.top_p < 1.0f)
        for (double x : sorted) {
            cutoff = x;
            reached += x;
            if (reached >= static_cast<double>(options.top_p)) break;
        }
    const auto k = static_cast<std::size_t>(options.top_k);
    if (k > 0 && k < sorted.size()) cutoff = std::max(cutoff, sorted[k - 1]);
    double total = 0;
    for (double& x : p) {
        x = x < cutoff ? 0 : std::pow(x, 1.0 / static_cast<double>(options.temperature));
        total += x;
    }
    for (double& x : p) x /= total;
    return p;
}

/// Exact in float on every platform, and all different.
std::vector<float> some_logits(std::size_t count, std::uint64_t seed) {
    Random random(seed);
    std::set<float> distinct;
    std::vector<float> logits;
    while (logits.size() < count) {
        const auto value =
            static_cast<float>(static_cast<std::int64_t>(random.below(1U << 20U)) - (1 << 19)) / 32768.0f;
        if (distinct.insert(value).second) logits.push_back(value);
    }
    return logits;
}

std::vector<TokenId> draw(const SamplingOptions& options, const std::vector<float>& logits, int count) {
    Sampler sampler(options);
    std::vector<TokenId> tokens;
    for (int i = 0; i < count; ++i) tokens.push_back(sampler.sample(logits));
    return tokens;
}

}  // namespace

TEST_CASE("random numbers are those of xoshiro256++", "[sampler]") {
    // The published generator, from the state SplitMix64 makes of seed 0: e220a8397b1dcdaf, 6e789e6aa1b965f4,
    // …
    Random random(0);
    CHECK(random.next() == 0x53175d61490b23dfU);
    CHECK(random.next() == 0x61da6f3dc380d507U);
    CHECK(random.next() == 0x5c0fdf91ec9a7bfcU);
    Random copy = random;
    CHECK(copy.next() == random.next());
    CHECK(Random(1).next() != Random(0).next());
}

TEST_CASE("numbers below a bound are even", "[sampler]") {
    Random random(4);
    CHECK(random.below(1) == 0);
    for (std::uint64_t bound : {2U, 3U, 5U, 8U, 13U}) {
        std::vector<int> count(bound);
        for (int i = 0; i < 100'000; ++i) ++count.at(random.below(bound));
        const double expected = 100'000.0 / static_cast<double>(bound);
        for (int n : count) CHECK(std::abs(n - expected) < 5 * std::sqrt(expected));
    }
    for (int i = 0; i < 100; ++i) CHECK(random.below(0x8000000000000001U) <= 0x8000000000000000U);
}

TEST_CASE("probabilities are ChatRWKV's", "[sampler]") {
    for (std::size_t count : {1U, 2U, 7U, 100U, 3'000U}) {
        const std::vector<float> logits = some_logits(count, count);
        for (float temperature : {1.0f, 0.5f, 0.8f, 2.0f, 100.0f})
            for (int top_k : {0, 1, 2, 40, 2'999, 3'000, 100'000})
                for (float top_p : {0.0f, 0.1f, 0.5f, 0.85f, 0.999f, 1.0f}) {
                    const SamplingOptions options{.temperature = temperature, .top_k = top_k, .top_p = top_p};
                    const auto expected = reference(options, logits), found = probabilities(options, logits);
                    INFO(count << " " << temperature << " " << top_k << " " << top_p);
                    double worst = 0;
                    bool same_set = true;
                    for (std::size_t i = 0; i < count; ++i) {
                        worst = std::max(worst, std::abs(expected[i] - found[i]));
                        // What is less likely than 2^-38 of the likeliest may be left out.
                        if (found[i] != 0 && expected[i] == 0) same_set = false;
                        if (found[i] == 0 && expected[i] > 1e-10) same_set = false;
                    }
                    CHECK(worst < 1e-9);
                    CHECK(same_set);
                }
    }
}

TEST_CASE("tokens come as often as they are likely", "[sampler]") {
    const std::vector<float> logits{0.0f, 1.0f, 2.0f, -infinity, 1.5f, -3.0f, 0.25f};
    for (const SamplingOptions& options :
         {SamplingOptions{.seed = 1}, SamplingOptions{.temperature = 0.7f, .seed = 2},
          SamplingOptions{.top_k = 3, .seed = 3}, SamplingOptions{.temperature = 1.5f, .top_p = 0.8f, .seed = 4}}) {
        const auto expected = reference(options, logits);
        std::vector<int> count(logits.size());
        for (TokenId token : draw(options, logits, 200'000)) ++count.at(static_cast<std::size_t>(token));
        for (std::size_t i = 0; i < logits.size(); ++i) {
            const double mean = 200'000 * expected[i];
            CHECK(std::abs(count[i] - mean) <= 5 * std::sqrt(mean));
        }
    }
}

TEST_CASE("a seed gives the same tokens everywhere", "[sampler]") {
    const std::vector<float> logits = some_logits(50'277, 9);
    const auto options = [](float temperature, int top_k, float top_p) {
        return SamplingOptions{.temperature = temperature, .top_k = top_k, .top_p = top_p, .seed = 42};
    };
    CHECK(draw(options(1.0f, 0, 1.0f), logits, 6) == std::vector<TokenId>{21711, 46207, 38902, 8865, 40039, 13530});
    CHECK(draw(options(0.8f, 0, 0.9f), logits, 6) == std::vector<TokenId>{28154, 11181, 18726, 48800, 6410, 35497});
    CHECK(draw(options(1.2f, 40, 1.0f), logits, 6) == std::vector<TokenId>{27413, 47778, 10163, 50191, 13780, 44154});
    std::uint64_t digest = 0;
    Sampler sampler(options(1.7f, 0, 0.95f));
    for (std::uint64_t weight : sampler.weights(logits)) digest = (digest ^ weight) * 0x100000001B3U;
    CHECK(digest == 0x12dbf2e139e5acd9U);

    Sampler one(options(1.0f, 0, 0.9f)), other(options(1.0f, 0, 0.9f));
    one.sample(logits);
    Sampler copy = one;
    CHECK(copy.sample(logits) == one.sample(logits));
    other.weights(logits);  // uses up no random number
    other.sample(logits);
    other.sample(logits);
    CHECK(other.sample(logits) == one.sample(logits));
}

TEST_CASE("temperature 0 and top-k 1 take the most likely", "[sampler]") {
    const std::vector<float> logits{1.0f, 3.0f, -2.0f, 3.0f, 2.0f};
    CHECK(draw({.temperature = 0.0f}, logits, 3) == std::vector<TokenId>{1, 1, 1});
    CHECK(draw({.temperature = 0.0f, .top_k = 2, .top_p = 0.5f}, logits, 1) == std::vector<TokenId>{1});
    CHECK(draw({.top_k = 1}, logits, 20) == std::vector<TokenId>(20, 1));
    CHECK(probabilities({.temperature = 0.0f}, logits) == std::vector<double>{0, 1, 0, 0, 0});
    CHECK(draw({.temperature = std::numeric_limits<float>::denorm_min(), .top_k = 1}, logits, 20) ==
          std::vector<TokenId>(20, 1));
    CHECK(probabilities({.temperature = 1e-30f}, logits) == std::vector<double>{0, 0.5, 0, 0.5, 0});
    CHECK(draw({.temperature = 0.0f}, {-infinity, -3e38f, 3e38f}, 1) == std::vector<TokenId>{2});
    CHECK(draw({.temperature = std::numeric_limits<float>::max()}, {-infinity, -3e38f, 3e38f, 1.0f}, 1).size() == 1);
}

TEST_CASE("of equals, top-k takes the lowest ids and top-p all", "[sampler]") {
    const std::vector<float> equal(6, 1.0f);
    CHECK(probabilities({.top_k = 2}, equal) == std::vector<double>{0.5, 0.5, 0, 0, 0, 0});
    CHECK(probabilities({.top_p = 0.0f}, equal) == std::vector<double>(6, 1.0 / 6));
    CHECK(probabilities({.top_k = 4, .top_p = 0.2f}, equal) == std::vector<double>{0.25, 0.25, 0.25, 0.25, 0, 0});
    CHECK(probabilities({.top_k = 2}, {0.0f, -0.0f, 0.0f}) == std::vector<double>{0.5, 0.5, 0});
    const std::vector<float> logits{0.0f, 9.0f, 0.0f, 9.0f, 0.0f};
    CHECK(probabilities({.top_p = 0.0f}, logits) == std::vector<double>{0, 0.5, 0, 0.5, 0});
    CHECK(probabilities({.temperature = 1e6f, .top_k = 3}, logits)[2] == 0);
    CHECK(probabilities({.top_k = 3}, logits)[0] > 0);
}

TEST_CASE("logits and options that make no sense are refused", "[sampler]") {
    for (float temperature : {0.0f, 1.0f})
        for (float top_p : {0.0f, 0.9f, 1.0f}) {
            Sampler sampler({.temperature = temperature, .top_p = top_p});
            const std::vector<std::vector<float>> bad{{},
                                                      {not_a_number},
                                                      {not_a_number, 1.0f},
                                                      {1.0f, 2.0f, not_a_number},
                                                      {-infinity},
                                                      {-infinity, -infinity},
                                                      {infinity},
                                                      {1.0f, infinity, 2.0f},
                                                      {not_a_number, infinity}};
            for (const auto& logits : bad) {
                CHECK_THROWS_AS(sampler.sample(logits), ArgumentError);
                CHECK_THROWS_AS(sampler.weights(logits), ArgumentError);
            }
            // No random number went.
            CHECK(sampler.sample(some_logits(100, 1)) == draw(sampler.options(), some_logits(100, 1), 1)[0]);
            CHECK(sampler.sample(std::vector{-infinity, 5.0f}) == 1);
        }
    CHECK_THROWS_WITH(Sampler().sample(std::vector{1.0f, not_a_number}),
                      Catch::Matchers::ContainsSubstring("logit 1") && Catch::Matchers::ContainsSubstring("NaN"));
    for (float temperature : {-1.0f, not_a_number, infinity})
        CHECK_THROWS_AS(Sampler({.temperature = temperature}), ArgumentError);
    CHECK_THROWS_AS(Sampler({.top_k = -1}), ArgumentError);
    for (float top_p : {-0.1f, 1.1f, not_a_number, infinity}) CHECK_THROWS_AS(Sampler({.top_p = top_p}), ArgumentError);
}

TEST_CASE("once warm, sampling stays within its memory", "[sampler]") {
    Sampler sampler({.temperature = 0.9f, .top_k = 40, .top_p = 0.9f});
    const std::vector<float> many = some_logits(1'000, 1), few = some_logits(10, 2);
    const auto* const memory = sampler.weights(many).data();
    for (int i = 0; i < 10; ++i) {
        sampler.sample(few);
        sampler.sample(many);
        CHECK(sampler.weights(few).data() == memory);
    }
}
