#include <cmath>
#include <cstddef>
#include <cstdint>
#include <vector>

#include "sampling_support.hpp"

using namespace rwkv;
using namespace rwkv::test;

namespace {

/// Mirostat 2.0 as in llama.cpp, in double precision.
struct Reference {
    double tau, eta, mu = 2 * tau;

    /// −log2 p of all tokens.
    static std::vector<double> surprises(const std::vector<double>& p) {
        std::vector<double> result;
        for (double x : p) result.push_back(-std::log2(x));
        return result;
    }
    /// Renormalised surprise of the token drawn among those left, and the step.
    void drawn(const std::vector<double>& left, TokenId token) {
        mu -= eta * (-std::log2(left[static_cast<std::size_t>(token)]) - tau);
    }
};

std::vector<double> softmax(const std::vector<float>& logits, double temperature) {
    double sum = 0;
    std::vector<double> p;
    for (float logit : logits) p.push_back(std::exp(static_cast<double>(logit) / temperature));
    for (double x : p) sum += x;
    for (double& x : p) x /= sum;
    return p;
}

}  // namespace

TEST_CASE("mirostat is that of llama.cpp", "[sampler]") {
    struct Setting {
        float tau, eta, temperature, spread;
    };
    for (const auto& [tau, eta, temperature, spread] :
         {Setting{3.0f, 0.1f, 1.0f, 4.0f}, Setting{5.0f, 0.1f, 0.8f, 2.0f}, Setting{1.0f, 1.0f, 1.0f, 8.0f},
          Setting{0.5f, 0.3f, 1.0f, 1.0f}, Setting{7.5f, 0.25f, 1.5f, 0.125f}, Setting{4.0f, 0.0f, 1.0f, 4.0f},
          Setting{64.0f, 0.5f, 1.0f, 4.0f}}) {
        INFO(tau << " " << eta << " " << temperature << " " << spread);
        Sampler sampler({.temperature = temperature, .mirostat_tau = tau, .mirostat_eta = eta, .seed = 11});
        Reference reference{static_cast<double>(tau), static_cast<double>(eta)};
        std::size_t fewest = 1'000, most = 0;
        double worst = 0;
        bool same_sets = true;
        for (int step = 0; step < 400; ++step) {
            const std::vector<float> logits = some_logits(300, static_cast<std::uint64_t>(step % 7), spread);
            const auto p = softmax(logits, static_cast<double>(temperature)), surprises = Reference::surprises(p);
            const auto found = probabilities(sampler, logits);
            double sum = 0;
            std::size_t count = 0, likeliest = 0;
            for (std::size_t i = 0; i < p.size(); ++i) {
                if (p[i] > p[likeliest]) likeliest = i;
                sum += found[i] > 0 ? p[i] : 0;
                count += found[i] > 0;
            }
            for (std::size_t i = 0; i < p.size(); ++i) {
                const bool wanted = surprises[i] <= reference.mu || i == likeliest;
                // Surprises are counted in whole 2^-20 bits, rounded down: over the steps, mu falls behind by that
                // much.
                const bool close = std::abs(surprises[i] - reference.mu) < 1e-4 || surprises[i] > 37;
                if (!close && wanted != found[i] > 0) same_sets = false;
                if (found[i] > 0) worst = std::max(worst, std::abs(found[i] - p[i] / sum));
            }
            fewest = std::min(fewest, count);
            most = std::max(most, count);
            reference.drawn(found, sampler.sample(logits));
        }
        CHECK(same_sets);
        CHECK(worst < 1e-8);
        // The comparison is worth something: the cut was at work, but for tau 64, which lets all through.
        CHECK((tau == 64.0f ? fewest == 300 : fewest < 300));
        if (eta > 0.0f && tau < 64.0f) CHECK(most > fewest);
    }
}

TEST_CASE("mirostat steers the mean surprise to tau", "[sampler]") {
    for (const float tau : {1.0f, 2.5f, 4.0f}) {
        Sampler sampler({.temperature = 1.0f, .mirostat_tau = tau, .seed = 6});
        double sum = 0;
        const int steps = 4'000;
        for (int step = 0; step < steps; ++step) {
            const std::vector<float> logits = some_logits(200, static_cast<std::uint64_t>(step % 5), 4.0f);
            const auto p = probabilities(sampler, logits);
            sum -= std::log2(p[static_cast<std::size_t>(sampler.sample(logits))]);
        }
        CHECK(std::abs(sum / steps - static_cast<double>(tau)) < 0.05);
    }
}

TEST_CASE("mirostat comes after the cuts, leaves at least the likeliest, and is off at tau 0", "[sampler]") {
    const std::vector<float> logits = some_logits(300, 3, 2.0f);
    const auto kept = [](const std::vector<double>& p) {
        std::size_t count = 0;
        for (double x : p) count += x > 0;
        return count;
    };
    CHECK(kept(probabilities({.temperature = 1.0f, .top_k = 5, .mirostat_tau = 20.0f}, logits)) == 5);
    const auto one = probabilities({.temperature = 1.0f, .mirostat_tau = 1e-6f}, logits);
    CHECK(kept(one) == 1);
    CHECK(one[static_cast<std::size_t>(Sampler().sample(logits))] == 1);
    CHECK(kept(probabilities({.temperature = 1.0f, .mirostat_tau = 1e-6f}, std::vector<float>(10, 1.0f))) == 1);
    // A flat distribution of 1,024 tokens: 10 bits each, within 2 tau or not.
    CHECK(kept(probabilities({.temperature = 1.0f, .mirostat_tau = 5.001f}, std::vector<float>(1'024, 1.0f))) == 1'024);
    CHECK(kept(probabilities({.temperature = 1.0f, .mirostat_tau = 4.999f}, std::vector<float>(1'024, 1.0f))) == 1);
    CHECK(kept(probabilities({.temperature = 1.0f, .mirostat_eta = 1.0f}, logits)) == 300);
    // Typical sampling may have taken the likeliest.
    std::vector<float> peaked(1'001, 0.0f);
    peaked[0] = 6.0f;
    const auto rest = probabilities({.temperature = 0.1f, .typical_p = 0.5f, .mirostat_tau = 20.0f}, peaked);
    CHECK(rest[0] == 0);
    CHECK(kept(rest) == 1'000);
    // And left tokens that surprise too much, each of them: one is drawn all the same.
    for (const SamplingOrder order : {SamplingOrder::rwkv, SamplingOrder::hugging_face})
        for (const float temperature : {0.7f, 1.0f, 1.3f}) {
            const SamplingOptions options{
                .temperature = temperature, .typical_p = 0.2f, .mirostat_tau = 2.0f, .order = order};
            CHECK(kept(probabilities(options, peaked)) == 1);
            Sampler sampler(options);
            for (int i = 0; i < 50; ++i) CHECK(sampler.sample(peaked) >= 0);
        }
}
