// What is left of the tokens and how likely each is, in both orders.

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <fstream>
#include <numeric>
#include <string>
#include <vector>

#include <nlohmann/json.hpp>

#include <rwkv/generation/filters.hpp>

#include "sampling_support.hpp"

using namespace rwkv;
using namespace rwkv::test;

namespace {

void normalize(std::vector<double>& p) {
    const double sum = std::accumulate(p.begin(), p.end(), 0.0);
    for (double& x : p) x /= sum;
}

using Probabilities = std::vector<double>;  // 0 for what is left out

/// Those of the tokens for which `order` is lowest, until they make up `share`: at least one.
template <class Order>
void keep(Probabilities& p, double share, Order order) {
    std::vector<std::size_t> ids;
    for (std::size_t i = 0; i < p.size(); ++i)
        if (p[i] > 0) ids.push_back(i);
    std::sort(ids.begin(), ids.end(), [&](std::size_t a, std::size_t b) { return order(p[a]) < order(p[b]); });
    double reached = 0;
    for (std::size_t i = 0; i < ids.size(); ++i) {
        const bool enough = i > 0 && reached >= share;
        reached += p[ids[i]];
        if (enough) p[ids[i]] = 0;
    }
}

void top_p(Probabilities& p, const SamplingOptions& options) {
    if (options.top_p < 1.0f) keep(p, static_cast<double>(options.top_p), [](double x) { return -x; });
}

void top_k(Probabilities& p, const SamplingOptions& options) {
    const auto k = static_cast<std::size_t>(options.top_k);
    Probabilities sorted = p;
    std::sort(sorted.rbegin(), sorted.rend());
    if (k > 0 && k < sorted.size())
        for (double& x : p) x = x < sorted[k - 1] ? 0 : x;
}

void min_p(Probabilities& p, const SamplingOptions& options) {
    const double least = static_cast<double>(options.min_p) * *std::max_element(p.begin(), p.end());
    for (double& x : p) x = x < least ? 0 : x;
}

void typical(Probabilities& p, const SamplingOptions& options) {
    if (options.typical_p >= 1.0f) return;
    double entropy = 0;
    for (double x : p)
        if (x > 0) entropy -= x * std::log(x);
    keep(p, static_cast<double>(options.typical_p), [&](double x) { return std::abs(-std::log(x) - entropy); });
}

/// softmax(logits / temperature) of the tokens that are left.
Probabilities softmax(const std::vector<float>& logits, double temperature, const Probabilities& left) {
    double top = -HUGE_VAL;
    for (std::size_t i = 0; i < logits.size(); ++i)
        if (left[i] > 0) top = std::max(top, static_cast<double>(logits[i]));
    Probabilities p;
    for (std::size_t i = 0; i < logits.size(); ++i)
        p.push_back(left[i] > 0 ? std::exp((static_cast<double>(logits[i]) - top) / temperature) : 0);
    normalize(p);
    return p;
}

/// In double precision, for logits of which no two are equal. RWKV's order is ChatRWKV's formula (softmax, top-p,
/// top-k, p^(1/temperature), sum) with min-p and typical sampling before the power, which ChatRWKV does not have.
Probabilities reference(const SamplingOptions& options, const std::vector<float>& logits) {
    const bool hugging_face = options.order == SamplingOrder::hugging_face;
    const auto temperature = static_cast<double>(options.temperature);
    Probabilities p = softmax(logits, hugging_face ? temperature : 1.0, Probabilities(logits.size(), 1.0));
    (hugging_face ? top_k : top_p)(p, options);
    normalize(p);
    (hugging_face ? top_p : top_k)(p, options);
    min_p(p, options);
    normalize(p);
    typical(p, options);
    return softmax(logits, temperature, p);
}

void check_against_reference(const SamplingOptions& options, const std::vector<float>& logits) {
    const auto expected = reference(options, logits), found = probabilities(options, logits);
    INFO(logits.size() << " temperature " << options.temperature << " top_k " << options.top_k << " top_p "
                       << options.top_p << " min_p " << options.min_p << " typical_p " << options.typical_p << " order "
                       << static_cast<int>(options.order));
    double worst = 0;
    bool same_set = true;
    for (std::size_t i = 0; i < logits.size(); ++i) {
        worst = std::max(worst, std::abs(expected[i] - found[i]));
        // What is less likely than 2^-38 of the likeliest may be left out.
        if (found[i] != 0 && expected[i] == 0) same_set = false;
        if (found[i] == 0 && expected[i] > 1e-10) same_set = false;
    }
    CHECK(worst < 1e-9);
    CHECK(same_set);
}

}  // namespace

TEST_CASE("probabilities are ChatRWKV's", "[sampler]") {
    for (std::size_t count : {1U, 2U, 7U, 100U, 3'000U}) {
        const std::vector<float> logits = some_logits(count, count);
        for (float temperature : {1.0f, 0.5f, 0.8f, 2.0f, 100.0f})
            for (int top_k : {0, 1, 2, 40, 2'999, 3'000, 100'000})
                for (float top_p : {0.0f, 0.1f, 0.5f, 0.85f, 0.999f, 1.0f})
                    check_against_reference({.temperature = temperature, .top_k = top_k, .top_p = top_p}, logits);
    }
}

TEST_CASE("RWKV's order is the default", "[sampler]") {
    CHECK(SamplingOptions().order == SamplingOrder::rwkv);
    CHECK(SamplingOptions().temperature == 0.0f);
    const std::vector<float> logits = some_logits(100, 3);
    const SamplingOptions options{.temperature = 0.3f, .top_p = 0.8f};
    SamplingOptions other = options;
    other.order = SamplingOrder::hugging_face;
    CHECK(probabilities(options, logits) != probabilities(other, logits));
}

TEST_CASE("all cuts together, in both orders", "[sampler]") {
    for (std::size_t count : {1U, 2U, 7U, 100U, 3'000U})
        for (float spread : {0.25f, 4.0f, 16.0f}) {
            const std::vector<float> logits = some_logits(count, count + 1, spread);
            for (float temperature : {1.0f, 0.1f, 3.0f})
                for (float top_p : {0.7f, 1.0f})
                    for (int top_k : {0, 30})
                        for (float min_p : {0.0f, 0.01f, 0.3f, 1.0f})
                            for (float typical_p : {0.0f, 0.15f, 0.6f, 0.95f, 1.0f})
                                for (SamplingOrder order : {SamplingOrder::rwkv, SamplingOrder::hugging_face})
                                    check_against_reference({.temperature = temperature,
                                                             .top_k = top_k,
                                                             .top_p = top_p,
                                                             .min_p = min_p,
                                                             .typical_p = typical_p,
                                                             .order = order},
                                                            logits);
        }
}

TEST_CASE("typical sampling may leave out the likeliest token, at any temperature", "[sampler]") {
    std::vector<float> logits(1'001, 0.0f);
    logits[0] = 6.0f;  // far likelier than the entropy would have it
    for (float temperature : {1e-30f, 0.01f, 0.1f, 1.0f, 10.0f}) {
        const auto found = probabilities({.temperature = temperature, .typical_p = 0.5f}, logits);
        CHECK(found[0] == 0);
        CHECK(found[1] == Catch::Approx(0.001).epsilon(1e-9));
        CHECK(std::accumulate(found.begin(), found.end(), 0.0) == Catch::Approx(1.0));
        CHECK(draw({.temperature = temperature, .typical_p = 0.5f}, logits, 1)[0] > 0);
    }
}

TEST_CASE("top-p after top-k counts what min-p strikes off later", "[sampler]") {
    std::vector<float> logits(3'003, -6.25f);  // together likelier than all others
    logits[5] = 0.0f;
    logits[6] = -1.0f;
    logits[7] = -2.0f;
    const auto p = probabilities(
        {.temperature = 1.0f, .top_k = 3'002, .top_p = 0.5f, .min_p = 0.01f, .order = SamplingOrder::hugging_face},
        logits);
    CHECK(std::count(p.begin(), p.end(), 0.0) == 3'000);
    CHECK(p[7] > 0);
}

TEST_CASE("the Hugging Face order is what transformers' logits processors make of logits", "[sampler]") {
    const auto file = nlohmann::json::parse(std::ifstream(std::string(RWKV_FIXTURES_DIR) + "/sampling/cases.json"));
    const auto unit = file["unit"].get<float>();
    REQUIRE(file["cases"].size() >= 60);
    for (const auto& each : file["cases"]) {
        INFO(each["logits"] << " " << each["options"]);
        std::vector<float> logits;
        for (const auto& units : file["logits"].at(each["logits"].get<std::string>()))
            logits.push_back(units.is_null() ? -infinity : static_cast<float>(units.get<int>()) * unit);

        const auto& given = each["options"];
        SamplingOptions options;
        options.order = SamplingOrder::hugging_face;
        std::size_t known = 0;
        const auto take = [&](const char* name, auto& value) {
            if (!given.contains(name)) return;
            given[name].get_to(value);
            ++known;
        };
        take("temperature", options.temperature);
        take("top_k", options.top_k);
        take("top_p", options.top_p);
        take("min_p", options.min_p);
        take("typical_p", options.typical_p);
        take("repetition_penalty", options.repetition_penalty);
        take("no_repeat_ngram_size", options.no_repeat_ngram_size);
        take("suppress_tokens", options.suppress_tokens);
        if (given.contains("logit_bias")) {
            for (const auto& pair : given["logit_bias"])
                options.logit_bias[pair[0].get<TokenId>()] = pair[1].is_null() ? -infinity : pair[1].get<float>();
            ++known;
        }
        REQUIRE(known == given.size());

        Sampler sampler(options);
        sampler.observe(each["tokens"].get<std::vector<TokenId>>());
        const std::vector<double> found = probabilities(sampler, logits);
        std::vector<double> expected(logits.size(), -1.0);  // where transformers leaves nothing
        for (std::size_t i = 0; i < each["survivors"].size(); ++i)
            expected[each["survivors"][i].get<std::size_t>()] = each["probabilities"][i].get<double>();
        double worst = 0;
        bool same_set = true;
        for (std::size_t i = 0; i < logits.size(); ++i) {
            worst = std::max(worst, std::abs(std::max(expected[i], 0.0) - found[i]));
            // What is less likely than 2^-38 of the likeliest may be left out.
            if (found[i] != 0 && expected[i] < 0) same_set = false;
            if (found[i] == 0 && expected[i] > 4e-12) same_set = false;
        }
        CHECK(worst < 1e-6);
        CHECK(same_set);
    }
}

TEST_CASE("of equals, RWKV's top-k takes the lowest ids and its top-p all", "[sampler]") {
    const std::vector<float> equal(6, 1.0f);
    const float t = 1.0f;
    CHECK(probabilities({.temperature = t, .top_k = 2}, equal) == std::vector<double>{0.5, 0.5, 0, 0, 0, 0});
    CHECK(probabilities({.temperature = t, .top_p = 0.0f}, equal) == std::vector<double>(6, 1.0 / 6));
    CHECK(probabilities({.temperature = t, .top_k = 4, .top_p = 0.2f}, equal) ==
          std::vector<double>{0.25, 0.25, 0.25, 0.25, 0, 0});
    CHECK(probabilities({.temperature = t, .top_k = 2}, std::vector{0.0f, -0.0f, 0.0f}) ==
          std::vector<double>{0.5, 0.5, 0});
    const std::vector<float> logits{0.0f, 9.0f, 0.0f, 9.0f, 0.0f};
    CHECK(probabilities({.temperature = t, .top_p = 0.0f}, logits) == std::vector<double>{0, 0.5, 0, 0.5, 0});
    CHECK(probabilities({.temperature = 1e6f, .top_k = 3}, logits)[2] == 0);
    CHECK(probabilities({.temperature = t, .top_k = 3}, logits)[0] > 0);
    for (const SamplingOrder order : {SamplingOrder::rwkv, SamplingOrder::hugging_face}) {
        CHECK(probabilities({.temperature = t, .min_p = 1.0f, .order = order}, logits) ==
              std::vector<double>{0, 0.5, 0, 0.5, 0});
        CHECK(probabilities({.temperature = t, .typical_p = 0.0f, .order = order}, equal) ==
              std::vector<double>(6, 1.0 / 6));
    }
}

TEST_CASE("of equals, the Hugging Face order's top-k takes all and its top-p the highest ids", "[sampler]") {
    const std::vector<float> equal(6, 1.0f);
    const auto found = [&](int top_k, float top_p, float temperature = 1.0f) {
        return probabilities(
            {.temperature = temperature, .top_k = top_k, .top_p = top_p, .order = SamplingOrder::hugging_face}, equal);
    };
    CHECK(found(2, 1.0f) == std::vector<double>(6, 1.0 / 6));
    CHECK(found(0, 0.0f) == std::vector<double>{0, 0, 0, 0, 0, 1});
    CHECK(found(0, 0.4f) == std::vector<double>{0, 0, 0, 1.0 / 3, 1.0 / 3, 1.0 / 3});
    CHECK(found(1, 0.4f, 0.2f) == std::vector<double>{0, 0, 0, 1.0 / 3, 1.0 / 3, 1.0 / 3});
}

TEST_CASE("a token at the edge of a cut is kept where it is needed to reach the sum", "[sampler]") {
    const auto ln2 = static_cast<float>(std::log(2.0));
    const std::vector<float> logits{-3.25f * ln2, -1 * ln2, -2 * ln2, -3 * ln2};  // p = 0.510, 0.255, 0.128, 0.107
    for (const SamplingOrder order : {SamplingOrder::rwkv, SamplingOrder::hugging_face}) {
        const auto kept = [&](float top_p) {
            const auto p = probabilities({.temperature = 1.0f, .top_p = top_p, .order = order}, logits);
            return 4 - std::count(p.begin(), p.end(), 0.0);
        };
        CHECK(kept(0.0f) == 1);
        CHECK(kept(0.509f) == 1);
        CHECK(kept(0.512f) == 2);
        CHECK(kept(0.764f) == 2);
        CHECK(kept(0.767f) == 3);
        CHECK(kept(0.892f) == 3);
        CHECK(kept(0.895f) == 4);
        CHECK(kept(1.0f) == 4);
    }
}

TEST_CASE("tokens that are impossible are never left", "[sampler]") {
    const std::vector<float> logits{-infinity, 1.0f, -infinity, 1.0f, -infinity};
    const std::vector<double> expected{0, 0.5, 0, 0.5, 0};
    for (const SamplingOrder order : {SamplingOrder::rwkv, SamplingOrder::hugging_face}) {
        const auto found = [&](SamplingOptions options) {
            options.temperature = 0.7f;
            options.order = order;
            return probabilities(options, logits);
        };
        CHECK(found({}) == expected);
        CHECK(found({.top_k = 4}) == expected);
        CHECK(found({.top_k = 5}) == expected);
        CHECK(found({.top_k = 1'000'000}) == expected);
        CHECK(found({.top_p = 0.99f}) == expected);
        CHECK(found({.min_p = 1e-6f}) == expected);
        CHECK(found({.typical_p = 0.99f}) == expected);
        CHECK(found({.mirostat_tau = 60.0f}) == expected);
    }
}

TEST_CASE("candidates do not depend on those before them", "[sampler]") {
    generation::Candidates used;
    const auto same = [](generation::Candidates& a, generation::Candidates& b) {
        const auto a_tokens = a.tokens(), b_tokens = b.tokens();
        const auto a_weights = a.weights(), b_weights = b.weights();
        return std::equal(a_tokens.begin(), a_tokens.end(), b_tokens.begin(), b_tokens.end()) &&
               std::equal(a_weights.begin(), a_weights.end(), b_weights.begin(), b_weights.end());
    };
    std::uint64_t seed = 0;
    for (std::size_t count : {1'000U, 3U, 500U, 1U, 2'000U})
        for (const SamplingOptions& options :
             {SamplingOptions{.temperature = 1.0f}, SamplingOptions{.temperature = 0.5f, .top_p = 0.9f},
              SamplingOptions{.temperature = 2.0f, .top_k = 20, .typical_p = 0.5f},
              SamplingOptions{.temperature = 2.0f, .top_k = 20, .min_p = 0.1f, .order = SamplingOrder::hugging_face}}) {
            const auto logits = some_logits(count, ++seed);
            const generation::FilterChain filters(options);
            generation::Candidates fresh;
            filters.apply(logits, used);
            filters.apply(logits, fresh);
            CHECK(same(used, fresh));
        }
}
