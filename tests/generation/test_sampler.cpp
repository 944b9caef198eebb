// Drawing: random numbers, frequencies, greedy, what is refused, copies, memory.

#include <algorithm>
#include <array>
#include <cmath>
#include <cstdint>
#include <limits>
#include <string>
#include <utility>
#include <vector>

#include <rwkv/core/error.hpp>

#include "sampling_support.hpp"

using namespace rwkv;
using namespace rwkv::test;

TEST_CASE("random numbers are those of xoshiro256++", "[sampler]") {
    // The published generator, from the state SplitMix64 makes of seed 0: e220a8397b1dcdaf, 6e789e6aa1b965f4, …
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

TEST_CASE("tokens come as often as they are likely", "[sampler]") {
    const std::vector<float> logits{0.0f, 1.0f, 2.0f, -infinity, 1.5f, -3.0f, 0.25f};
    for (const SamplingOptions& options :
         {SamplingOptions{.temperature = 1.0f, .seed = 1}, SamplingOptions{.temperature = 0.7f, .seed = 2},
          SamplingOptions{.temperature = 1.0f, .top_k = 3, .seed = 3},
          SamplingOptions{.temperature = 1.5f, .top_p = 0.8f, .seed = 4},
          SamplingOptions{.temperature = 1.5f, .typical_p = 0.8f, .seed = 5},
          SamplingOptions{.temperature = 1.5f, .min_p = 0.1f, .order = SamplingOrder::hugging_face, .seed = 6},
          SamplingOptions{.temperature = 1.0f, .logit_bias = {{5, 4.0f}}, .seed = 7}}) {
        const auto expected = probabilities(options, logits);  // which test_distribution.cpp proves
        std::vector<int> count(logits.size());
        for (TokenId token : draw(options, logits, 200'000)) ++count.at(static_cast<std::size_t>(token));
        for (std::size_t i = 0; i < logits.size(); ++i) {
            const double mean = 200'000 * expected[i];
            CHECK(std::abs(count[i] - mean) <= 5 * std::sqrt(mean));
        }
    }
}

TEST_CASE("candidates use up no random number, and seeds differ", "[sampler]") {
    const std::vector<float> logits = some_logits(5'000, 9, 4.0f);
    const SamplingOptions options{.temperature = 1.0f, .top_p = 0.9f, .seed = 42};
    Sampler one(options), other(options);
    for (int i = 0; i < 5; ++i) {
        CHECK_FALSE(other.candidates(logits).empty());
        CHECK(other.sample(logits) == one.sample(logits));
    }
    SamplingOptions seeded = options;
    seeded.seed = 43;
    CHECK(draw(options, logits, 20) == draw(options, logits, 20));
    CHECK(draw(options, logits, 20) != draw(seeded, logits, 20));
}

TEST_CASE("copies of a sampler go on alike, and do not disturb each other", "[sampler]") {
    const std::vector<float> logits = some_logits(200, 9, 2.0f);
    const std::vector<SamplingOptions> table{
        {.temperature = 1.0f, .top_p = 0.9f},
        {.temperature = 1.0f, .mirostat_tau = 3.0f},
        {.temperature = 1.0f, .presence_penalty = 1.0f, .frequency_penalty = 2.0f},
        {.temperature = 0.0f, .presence_penalty = 1.0f, .frequency_penalty = 2.0f},
        {.temperature = 1.0f, .repetition_penalty = 3.0f, .no_repeat_ngram_size = 2},
    };
    for (const SamplingOptions& options : table) {
        Sampler one(options);
        one.observe(std::vector<TokenId>{5, 6, 7});
        draw(one, logits, 20);
        Sampler copy = one, assigned;
        assigned = copy;
        Sampler moved = std::move(assigned);
        const auto expected = draw(one, logits, 50);
        draw(copy, some_logits(10, 1), 0);
        CHECK(draw(copy, logits, 50) == expected);
        CHECK(draw(moved, logits, 50) == expected);
    }
}

TEST_CASE("temperature 0 and top-k 1 take the most likely", "[sampler]") {
    const std::vector<float> logits{1.0f, 3.0f, -2.0f, 3.0f, 2.0f};
    CHECK(draw(SamplingOptions(), logits, 3) == std::vector<TokenId>{1, 1, 1});
    CHECK(draw({.temperature = 0.0f, .top_k = 2, .top_p = 0.5f}, logits, 1) == std::vector<TokenId>{1});
    CHECK(draw({.temperature = 0.0f, .typical_p = 0.1f, .mirostat_tau = 5.0f}, logits, 3) ==
          std::vector<TokenId>{1, 1, 1});
    CHECK(draw({.temperature = 1.0f, .top_k = 1}, logits, 20) == std::vector<TokenId>(20, 1));
    CHECK(probabilities({.temperature = 0.0f}, logits) == std::vector<double>{0, 1, 0, 0, 0});
    CHECK(draw({.temperature = std::numeric_limits<float>::denorm_min(), .top_k = 1}, logits, 20) ==
          std::vector<TokenId>(20, 1));
    for (const SamplingOrder order : {SamplingOrder::rwkv, SamplingOrder::hugging_face}) {
        CHECK(probabilities({.temperature = 1e-30f, .order = order}, logits) == std::vector<double>{0, 0.5, 0, 0.5, 0});
        CHECK(probabilities({.temperature = 1e-30f, .top_p = 0.99f, .order = order}, logits)[1] > 0);
    }
    CHECK(draw(SamplingOptions(), std::vector{-infinity, -3e38f, 3e38f}, 1) == std::vector<TokenId>{2});
    CHECK(draw({.temperature = std::numeric_limits<float>::max()}, std::vector{-infinity, -3e38f, 3e38f, 1.0f}, 1)
              .size() == 1);
}

TEST_CASE("greedy finds the largest wherever it lies", "[sampler]") {
    for (std::size_t size : {1U, 2U, 3U, 7U, 8U, 9U, 31U, 64U, 100U})
        for (std::size_t at = 0; at < size; ++at) {
            std::vector<float> logits = some_logits(size, size);
            logits[at] = 20.0f;
            CHECK(Sampler().sample(logits) == static_cast<TokenId>(at));
            logits.back() = 20.0f;  // of equals, the lowest id
            CHECK(Sampler().sample(logits) == static_cast<TokenId>(at));
            for (float bad : {not_a_number, infinity}) {
                logits[at] = bad;
                CHECK_THROWS_WITH(Sampler().sample(logits),
                                  Catch::Matchers::ContainsSubstring("logit " + std::to_string(at)) &&
                                      Catch::Matchers::ContainsSubstring(bad == infinity ? "found +∞" : "found NaN"));
            }
        }
}

TEST_CASE("logits that make no sense are refused, and nothing has changed", "[sampler]") {
    const std::vector<std::vector<float>> bad{{},
                                              {not_a_number},
                                              {not_a_number, 1.0f},
                                              {1.0f, 2.0f, not_a_number},
                                              {-infinity},
                                              {-infinity, -infinity},
                                              {infinity},
                                              {1.0f, infinity, 2.0f},
                                              {not_a_number, infinity},
                                              {-infinity, not_a_number}};
    const std::vector<float> good = some_logits(100, 1, 2.0f);
    std::vector<SamplingOptions> table;
    for (float temperature : {0.0f, 1.0f})
        for (float top_p : {0.0f, 0.9f, 1.0f})
            for (const SamplingOrder order : {SamplingOrder::rwkv, SamplingOrder::hugging_face})
                table.push_back({.temperature = temperature, .top_p = top_p, .order = order});
    table.push_back({.temperature = 1.0f, .mirostat_tau = 3.0f});
    table.push_back({.temperature = 1.0f, .presence_penalty = 0.5f, .frequency_penalty = 0.5f});
    table.push_back({.temperature = 1.0f, .repetition_penalty = 2.0f, .no_repeat_ngram_size = 1});
    table.push_back({.temperature = 1.0f, .typical_p = 0.7f, .logit_bias = {{0, 1.0f}}});
    for (const SamplingOptions& options : table) {
        Sampler sampler(options), untouched(options);
        for (int i = 0; i < 5; ++i) CHECK(sampler.sample(good) == untouched.sample(good));
        for (const auto& logits : bad) {
            CHECK_THROWS_AS(sampler.sample(logits), ArgumentError);
            CHECK_THROWS_AS(sampler.candidates(logits), ArgumentError);
        }
        for (int i = 0; i < 20; ++i) CHECK(sampler.sample(good) == untouched.sample(good));
    }
    CHECK(draw({.temperature = 1.0f}, std::vector{-infinity, 5.0f}, 5) == std::vector<TokenId>(5, 1));
}

TEST_CASE("options out of range are refused by name", "[sampler]") {
    const auto refused = [](const char* name, const SamplingOptions& options) {
        INFO(name);
        CHECK_THROWS_AS(Sampler(options), ArgumentError);
        CHECK_THROWS_WITH(Sampler(options), Catch::Matchers::ContainsSubstring(name));
    };
    for (float bad : {-1.0f, -1e-30f, not_a_number, infinity, -infinity}) refused("temperature", {.temperature = bad});
    for (int bad : {-1, std::numeric_limits<int>::min()}) {
        refused("top_k", {.top_k = bad});
        refused("no_repeat_ngram_size", {.no_repeat_ngram_size = bad});
    }
    for (float bad : {-0.1f, 1.1f, not_a_number, infinity, -infinity}) {
        refused("top_p", {.top_p = bad});
        refused("min_p", {.min_p = bad});
        refused("typical_p", {.typical_p = bad});
        refused("mirostat_eta", {.mirostat_eta = bad});
        refused("penalty_decay", {.penalty_decay = bad});
    }
    for (float bad : {-0.1f, 64.5f, not_a_number, infinity}) refused("mirostat_tau", {.mirostat_tau = bad});
    for (float bad : {not_a_number, infinity, -infinity}) {
        refused("presence_penalty", {.presence_penalty = bad});
        refused("frequency_penalty", {.frequency_penalty = bad});
    }
    for (float bad : {0.0f, -1.0f, not_a_number, infinity}) refused("repetition_penalty", {.repetition_penalty = bad});
    for (float bad : {not_a_number, infinity}) refused("logit_bias", {.logit_bias = {{1, 1.0f}, {2, bad}}});
    // The ends of the ranges are fine.
    const std::vector<float> logits{1.0f, 2.0f};
    for (float end : {0.0f, 1.0f})
        for (float temperature : {0.0f, 1.0f})
            CHECK(draw({.temperature = temperature,
                        .top_k = std::numeric_limits<int>::max(),
                        .top_p = end,
                        .min_p = end,
                        .typical_p = end,
                        .mirostat_tau = 64.0f,
                        .mirostat_eta = end,
                        .penalty_decay = end,
                        .no_repeat_ngram_size = std::numeric_limits<int>::max()},
                       logits, 2)
                      .size() == 2);
}
