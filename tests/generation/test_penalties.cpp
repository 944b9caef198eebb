// What changes logits before tokens are cut and drawn.

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <limits>
#include <map>
#include <set>
#include <span>
#include <string>
#include <vector>

#include <rwkv/core/error.hpp>

#include "sampling_support.hpp"

using namespace rwkv;
using namespace rwkv::test;

namespace {

std::vector<double> softmax(const std::vector<double>& logits) {
    const double max = *std::max_element(logits.begin(), logits.end());
    double sum = 0;
    for (double logit : logits) sum += std::exp(logit - max);
    std::vector<double> p;
    for (double logit : logits) p.push_back(std::exp(logit - max) / sum);
    return p;
}

/// The largest difference of probabilities.
double difference(const std::vector<double>& a, const std::vector<double>& b) {
    REQUIRE(a.size() == b.size());
    double worst = 0;
    for (std::size_t i = 0; i < a.size(); ++i) worst = std::max(worst, std::abs(a[i] - b[i]));
    return worst;
}

std::set<TokenId> forbidden(Sampler& sampler, std::size_t vocabulary) {
    const auto p = probabilities(sampler, std::vector<float>(vocabulary, 0.0f));
    std::set<TokenId> result;
    for (std::size_t i = 0; i < p.size(); ++i)
        if (p[i] == 0) result.insert(static_cast<TokenId>(i));
    return result;
}

}  // namespace

TEST_CASE("presence, frequency and decay are ChatRWKV's", "[sampler]") {
    const std::vector<float> logits = some_logits(40, 4, 2.0f);
    for (const SamplingOptions& options :
         {SamplingOptions{.temperature = 1.0f, .presence_penalty = 0.4f, .frequency_penalty = 0.3f, .seed = 1},
          SamplingOptions{.temperature = 1.0f, .presence_penalty = 0.7f, .seed = 2},
          SamplingOptions{.temperature = 1.0f, .frequency_penalty = 0.5f, .penalty_decay = 0.9f, .seed = 3},
          SamplingOptions{.temperature = 1.0f, .frequency_penalty = 0.5f, .penalty_decay = 1.0f, .seed = 4},
          SamplingOptions{.temperature = 1.0f,
          .presence_penalty = 0.2f,
          .frequency_penalty = 2.0f,
          .penalty_decay = 0.0f,
          .seed = 5},
          SamplingOptions{.temperature = 1.0f,
          .presence_penalty = -0.5f,
          .frequency_penalty = -0.1f,
          .penalty_decay = 0.5f,
          .seed = 6},
          SamplingOptions{.temperature = 1.0f,
          .presence_penalty = 0.4f,
          .frequency_penalty = 0.3f,
          .suppress_tokens = {0, 7},
          .seed = 7}}) {
        Sampler sampler(options);
        sampler.observe(std::vector<TokenId>{1, 2, 3, 1});  // a prompt is not penalized
        std::map<TokenId, double> counts;
        double worst = 0;
        for (int step = 0; step < 300; ++step) {
            std::vector<double> adjusted(logits.begin(), logits.end());
            for (const auto& [token, count] : counts)
                adjusted[static_cast<std::size_t>(token)] -= static_cast<double>(options.presence_penalty) +
                                                             count * static_cast<double>(options.frequency_penalty);
            for (TokenId token : options.suppress_tokens) adjusted[static_cast<std::size_t>(token)] = -HUGE_VAL;
            worst = std::max(worst, difference(probabilities(sampler, logits), softmax(adjusted)));
            const TokenId drawn = sampler.sample(logits);
            for (auto& [token, count] : counts) count *= static_cast<double>(options.penalty_decay);
            counts[drawn] += 1;
        }
        INFO(options.seed);
        CHECK(counts.size() > 10);
        CHECK(worst < 1e-6);
    }
}

TEST_CASE("greedy text heeds penalties", "[sampler]") {
    const std::vector<float> logits{0.0f, 1.0f, 0.875f};
    CHECK(draw(SamplingOptions(), logits, 4) == std::vector<TokenId>{1, 1, 1, 1});
    CHECK(draw({.presence_penalty = 0.5f}, logits, 4) == std::vector<TokenId>{1, 2, 1, 1});
    CHECK(draw({.frequency_penalty = 0.5f, .penalty_decay = 1.0f}, logits, 6) ==
          std::vector<TokenId>{1, 2, 1, 2, 0, 1});
    CHECK(draw({.repetition_penalty = 8.0f}, logits, 3) == std::vector<TokenId>{1, 2, 1});
    CHECK(draw({.logit_bias = {{0, 2.0f}}}, logits, 2) == std::vector<TokenId>{0, 0});
    CHECK(draw({.suppress_tokens = {1}}, logits, 2) == std::vector<TokenId>{2, 2});
    CHECK(draw({.no_repeat_ngram_size = 1}, logits, 3) == std::vector<TokenId>{1, 2, 0});
}

TEST_CASE("repetition_penalty looks at the prompt and at the tokens drawn", "[sampler]") {
    const std::vector<float> logits{2.0f, -1.0f, 0.0f, 1.5f, -infinity, 0.5f};
    Sampler sampler({.temperature = 1.0f, .repetition_penalty = 1.5f, .seed = 3});
    std::set<TokenId> seen;
    const auto expected = [&] {
        std::vector<double> adjusted(logits.begin(), logits.end());
        for (TokenId token : seen) {
            double& logit = adjusted[static_cast<std::size_t>(token)];
            logit = logit < 0 ? logit * 1.5 : logit / 1.5;
        }
        return softmax(adjusted);
    };
    CHECK(difference(probabilities(sampler, logits), expected()) < 1e-6);
    sampler.observe(std::vector<TokenId>{1, 4, 1, 2});  // twice counts once
    seen = {1, 4, 2};
    CHECK(difference(probabilities(sampler, logits), expected()) < 1e-6);
    for (int i = 0; i < 10; ++i) {
        seen.insert(sampler.sample(logits));
        CHECK(difference(probabilities(sampler, logits), expected()) < 1e-6);
    }
    sampler.observe(std::vector<TokenId>{0});
    seen.insert(0);
    CHECK(difference(probabilities(sampler, logits), expected()) < 1e-6);
    CHECK(seen.size() == 6);
}

TEST_CASE("no n-gram comes twice in prompt and text", "[sampler]") {
    const std::vector<TokenId> text{1, 2, 3, 1, 2, 4, 1, 2};
    const std::vector<std::set<TokenId>> expected{{}, {1, 2, 3, 4}, {3, 4}, {3, 4}, {}, {}};
    for (int size = 0; size <= 5; ++size) {
        Sampler sampler({.temperature = 1.0f, .no_repeat_ngram_size = size});
        CHECK(forbidden(sampler, 6).empty());
        sampler.observe(std::span(text).first(3));
        sampler.observe(std::span(text).subspan(3));
        CHECK(forbidden(sampler, 6) == expected[static_cast<std::size_t>(size)]);
    }
    // Across the seam of prompt and text, and within the text.
    const std::vector<float> flat(3, 0.0f);
    for (int size : {1, 2, 3}) {
        Sampler sampler({.temperature = 1.0f, .no_repeat_ngram_size = size, .seed = 8});
        std::vector<TokenId> all{0};
        sampler.observe(all);
        std::set<std::vector<TokenId>> grams;
        try {
            for (int i = 0; i < 100; ++i) all.push_back(sampler.sample(flat));
            FAIL("more n-grams than there are");
        } catch (const ArgumentError& error) {  // nothing is left to say
            CHECK_THAT(error.what(), Catch::Matchers::ContainsSubstring("one above −∞"));
        }
        const auto n = static_cast<std::ptrdiff_t>(size);
        CHECK(std::ssize(all) >= 3);
        for (auto from = all.begin(); all.end() - from >= n; ++from) CHECK(grams.emplace(from, from + n).second);
    }
}

TEST_CASE("logit_bias is added, and suppressed tokens are never drawn", "[sampler]") {
    const std::vector<float> logits = some_logits(30, 2, 2.0f);
    std::vector<double> adjusted(logits.begin(), logits.end());
    adjusted[0] += 1.5;
    adjusted[29] -= 0.75;
    adjusted[7] = -HUGE_VAL;
    adjusted[9] = -HUGE_VAL;
    const SamplingOptions options{.temperature = 1.0f,
                                  .logit_bias = {{0, 1.5f}, {29, -0.75f}, {7, -infinity}, {9, 50.0f}},
                                  .suppress_tokens = {9, 9}};
    const auto found = probabilities(options, logits);
    CHECK(difference(found, softmax(adjusted)) < 1e-6);
    CHECK(found[7] == 0);
    CHECK(found[9] == 0);
    CHECK(draw({.logit_bias = {{2, 1.0f}}}, std::vector{1.0f, -infinity, -infinity}, 1)[0] == 0);
}

TEST_CASE("tokens that have no logit are refused", "[sampler]") {
    const std::vector<float> logits{0.0f, 1.0f, 2.0f};
    for (TokenId bad : {-1, 3, 1'000'000, std::numeric_limits<TokenId>::max(), std::numeric_limits<TokenId>::min()}) {
        INFO(bad);
        const auto refused = [&](const SamplingOptions& options) {
            Sampler sampler(options);
            sampler.observe(std::vector<TokenId>{bad});
            CHECK_THROWS_AS(sampler.sample(logits), ArgumentError);
            CHECK_THROWS_WITH(sampler.sample(logits), Catch::Matchers::ContainsSubstring(std::to_string(bad)));
        };
        refused({.logit_bias = {{bad, 1.0f}}});
        refused({.suppress_tokens = {0, bad}});
        refused({.repetition_penalty = 2.0f});
        refused({.no_repeat_ngram_size = 1});
        Sampler indifferent({.presence_penalty = 1.0f});  // to what was not drawn
        indifferent.observe(std::vector<TokenId>{bad});
        CHECK(indifferent.sample(logits) == 2);
    }
}

TEST_CASE("the caller's processor has the last word over the logits", "[sampler]") {
    const std::vector<float> logits = some_logits(20, 2, 2.0f);
    std::vector<std::vector<TokenId>> told;
    const auto even = [&](std::span<const TokenId> tokens, std::span<float> mutable_logits) {
        told.emplace_back(tokens.begin(), tokens.end());
        CHECK(mutable_logits[3] == -infinity);  // suppressed before
        CHECK(mutable_logits[5] == logits[5] + 0.5f);
        for (std::size_t i = tokens.size() % 2; i < mutable_logits.size(); i += 2) mutable_logits[i] = -infinity;
    };
    for (float temperature : {0.0f, 1.0f}) {
        told.clear();
        Sampler sampler({.temperature = temperature,
                         .top_p = 0.9f,
                         .logit_bias = {{5, 0.5f}},
                         .suppress_tokens = {3},
                         .logits_processor = even});
        std::vector<TokenId> all{4, 4};
        sampler.observe(all);
        for (int i = 0; i < 20; ++i) {
            const TokenId token = sampler.sample(logits);
            REQUIRE(told.size() == static_cast<std::size_t>(i) + 1);
            CHECK(told.back() == all);
            CHECK(token % 2 == (all.size() % 2 == 0));
            all.push_back(token);
        }
    }
    CHECK(logits == some_logits(20, 2, 2.0f));  // the caller's own are left alone
}

TEST_CASE("a processor that forbids everything, writes nonsense or throws changes nothing", "[sampler]") {
    const std::vector<float> logits = some_logits(50, 2, 2.0f);
    enum class Mood { fine, nan, infinite, silent, angry } mood = Mood::fine;
    const auto processor = [&](std::span<const TokenId>, std::span<float> all) {
        switch (mood) {
            case Mood::fine:
                break;
            case Mood::nan:
                all[7] = not_a_number;
                break;
            case Mood::infinite:
                all[7] = infinity;
                break;
            case Mood::silent:
                std::fill(all.begin(), all.end(), -infinity);
                break;
            case Mood::angry:
                all[0] = 100.0f;
                throw std::string("no");
        }
    };
    for (float temperature : {0.0f, 1.0f}) {
        const SamplingOptions options{.temperature = temperature,
                                      .presence_penalty = 0.5f,
                                      .frequency_penalty = 0.5f,
                                      .repetition_penalty = 1.1f,
                                      .logits_processor = processor,
                                      .seed = 5};
        mood = Mood::fine;
        Sampler untouched(options);
        const auto expected = draw(untouched, logits, 40);
        Sampler sampler(options);
        std::vector<TokenId> found;
        for (int i = 0; i < 40; ++i) {
            mood = Mood::nan;
            CHECK_THROWS_WITH(sampler.sample(logits), Catch::Matchers::ContainsSubstring("logit 7") &&
                                                          Catch::Matchers::ContainsSubstring("NaN"));
            mood = Mood::infinite;
            CHECK_THROWS_WITH(sampler.sample(logits), Catch::Matchers::ContainsSubstring("logit 7") &&
                                                          Catch::Matchers::ContainsSubstring("found +∞"));
            mood = Mood::silent;
            CHECK_THROWS_AS(sampler.sample(logits), ArgumentError);
            mood = Mood::angry;
            CHECK_THROWS_AS(sampler.sample(logits), std::string);
            mood = Mood::fine;
            found.push_back(sampler.sample(logits));
        }
        CHECK(found == expected);
    }
}
