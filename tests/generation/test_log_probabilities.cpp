#include <algorithm>
#include <cmath>
#include <cstddef>
#include <limits>
#include <vector>

#include <rwkv/generation/log_probabilities.hpp>

#include "sampling_support.hpp"

using namespace rwkv;
using namespace rwkv::test;

namespace {

std::vector<double> reference(const std::vector<float>& logits) {
    const double max = *std::max_element(logits.begin(), logits.end());
    double sum = 0;
    for (float logit : logits) sum += std::exp(static_cast<double>(logit) - max);
    std::vector<double> result;
    for (float logit : logits) result.push_back(static_cast<double>(logit) - max - std::log(sum));
    return result;
}

}  // namespace

TEST_CASE("log probabilities are those of double precision", "[sampler]") {
    for (std::size_t size : {1U, 2U, 3U, 17U, 1'023U, 1'024U, 1'025U, 2'048U, 3'001U, 50'277U})
        for (float spread : {0.0f, 0.001f, 1.0f, 16.0f, 60.0f}) {
            std::vector<float> logits =
                spread > 0.0f ? some_logits(size, size, spread) : std::vector<float>(size, 1.5f);
            const auto check = [&] {
                const std::vector<double> expected = reference(logits);
                const LogProbabilities found(logits);
                double worst = 0, sum = 0;
                bool impossible = true;
                for (std::size_t i = 0; i < size; ++i) {
                    const double log_p = found(static_cast<TokenId>(i));
                    sum += std::exp(log_p);
                    if (logits[i] == -infinity)
                        impossible &= log_p == -std::numeric_limits<double>::infinity();
                    else
                        worst = std::max(worst, std::abs(log_p - expected[i]));
                }
                INFO(size << " " << spread);
                CHECK(worst < 1e-6);
                CHECK(std::abs(sum - 1) < 1e-6);
                CHECK(impossible);
            };
            check();
            for (float& logit : logits) logit += 100.0f;  // softmax does not care
            check();
            for (std::size_t i = 0; i + 1 < size; i += 3) logits[i] = -infinity;
            check();
            for (std::size_t i = 0; i + 1 < size; ++i) logits[i] = -infinity;  // whole blocks of them, one left
            check();
            CHECK(LogProbabilities(logits)(static_cast<TokenId>(size - 1)) == 0.0);
        }
}

TEST_CASE("log probabilities of nonsense are NaN", "[sampler]") {
    for (std::size_t size : {1U, 10U, 1'500U})
        for (std::size_t at : {std::size_t{0}, size / 2, size - 1})
            for (float bad : {not_a_number, infinity}) {
                std::vector<float> logits = some_logits(size, 1);
                logits[at] = bad;
                CHECK(std::isnan(LogProbabilities(logits)(0)));
                CHECK(std::isnan(LogProbabilities(logits)(static_cast<TokenId>(at))));
            }
    CHECK(std::isnan(LogProbabilities(std::vector<float>(5, -infinity))(2)));
}

TEST_CASE("the likeliest tokens come first, of equals the lowest ids", "[sampler]") {
    const std::vector<float> logits{1.0f, 3.0f, -infinity, 3.0f, 2.0f, 1.0f, 3.0f};
    const LogProbabilities all(logits);
    const auto ids = [&](std::size_t count) {
        std::vector<TokenId> result;
        for (const auto& [token, log_probability] : all.top(count)) {
            CHECK(log_probability == all(token));
            result.push_back(token);
        }
        return result;
    };
    CHECK(ids(0).empty());
    CHECK(ids(1) == std::vector<TokenId>{1});
    CHECK(ids(2) == std::vector<TokenId>{1, 3});
    CHECK(ids(5) == std::vector<TokenId>{1, 3, 6, 4, 0});
    const std::vector<TokenId> every{1, 3, 6, 4, 0, 5, 2};
    CHECK(ids(7) == every);
    CHECK(ids(8) == every);
    CHECK(ids(std::numeric_limits<std::size_t>::max()) == every);
    CHECK(LogProbabilities(std::span<const float>()).top(3).empty());

    const std::vector<float> many = some_logits(3'000, 5);
    const auto top = LogProbabilities(many).top(20);
    std::vector<float> sorted = many;
    std::sort(sorted.rbegin(), sorted.rend());
    REQUIRE(top.size() == 20);
    for (std::size_t i = 0; i < top.size(); ++i) CHECK(many[static_cast<std::size_t>(top[i].token)] == sorted[i]);
}
