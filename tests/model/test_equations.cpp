#include <bit>
#include <cmath>
#include <limits>
#include <random>
#include <vector>

#include <rwkv/kernels/target.hpp>

#include "../catch.hpp"

using namespace rwkv;
using kernels::Equations;
using kernels::Target;

namespace {

std::vector<float> numbers(Index count, float size, std::mt19937& random) {
    std::normal_distribution<float> normal(0, size);
    std::vector<float> result(static_cast<std::size_t>(count));
    for (float& number : result) number = normal(random);
    return result;
}

std::vector<double> wide(const std::vector<float>& narrow) {
    return {narrow.begin(), narrow.end()};
}

/// The largest difference over the largest magnitude, or 1.
double difference(const std::vector<float>& found, const std::vector<double>& expected) {
    double largest = 0, magnitude = 1;
    for (std::size_t i = 0; i < expected.size(); ++i) {
        if (!std::isfinite(found[i])) return std::numeric_limits<double>::infinity();
        largest = std::max(largest, std::abs(static_cast<double>(found[i]) - expected[i]));
        magnitude = std::max(magnitude, std::abs(expected[i]));
    }
    return largest / magnitude;
}

constexpr Index sizes[] = {1, 3, 7, 8, 9, 15, 16, 17, 31, 37, 64, 129, 768};

}  // namespace

TEST_CASE("the equations are the same on every target, at any width", "[network]") {
    const Equations<double>& oracle = kernels::oracle::equations;
    std::mt19937 random(9);
    for (const Target* target : kernels::available_targets()) {
        const Equations<float>& ops = target->equations;
        for (const Index n : sizes) {
            CAPTURE(target->name, n);
            const auto size = static_cast<std::size_t>(n);
            const auto x = numbers(n, 2, random), y = numbers(n, 2, random), a = numbers(n, 1, random),
                       b = numbers(n, 1, random);
            std::vector<float> found(size + 1, 777);
            std::vector<double> expected(size);
            const auto check = [&] {
                CHECK(difference(found, expected) < 2e-6);
                CHECK(found.back() == 777);  // nothing past the end is written
            };

            ops.layer_norm(a.data(), b.data(), 1e-5f, n, x.data(), found.data());
            oracle.layer_norm(a.data(), b.data(), 1e-5, n, wide(x).data(), expected.data());
            check();

            ops.token_shift(a.data(), n, x.data(), y.data(), found.data());
            oracle.token_shift(a.data(), n, wide(x).data(), wide(y).data(), expected.data());
            check();

            std::copy(y.begin(), y.end(), found.begin());
            expected = wide(y);
            ops.gate(n / 3, n, x.data(), found.data());
            oracle.gate(n / 3, n, wide(x).data(), expected.data());
            check();
            CHECK(std::equal(y.begin(), y.begin() + n / 3, found.begin()));  // nor before the beginning
            ops.squared_relu(n, found.data());
            oracle.squared_relu(n, expected.data());
            check();
            ops.add(n, x.data(), found.data());
            oracle.add(n, wide(x).data(), expected.data());
            check();
        }
    }
}

TEST_CASE("WKV follows the oracle over many tokens, whatever the keys", "[network]") {
    const Equations<double>& oracle = kernels::oracle::equations;
    std::mt19937 random(10);
    for (const Target* target : kernels::available_targets()) {
        for (const Index n : {1, 7, 16, 37, 129}) {
            for (const float key_size : {1.0f, 30.0f}) {
                CAPTURE(target->name, n, key_size);
                constexpr Index tokens = 200;
                auto decay = numbers(n, 2, random);
                for (float& w : decay) w = -std::exp(w);
                const auto first = numbers(n, 1, random), keys = numbers(n * tokens, key_size, random);
                auto values = numbers(n * tokens, 1, random);
                auto expected = wide(values);
                std::vector<float> state(static_cast<std::size_t>(3 * n), 0.0f);
                std::fill(state.begin() + 2 * n, state.end(), -1e38f);
                std::vector<double> state_expected(state.begin(), state.end());
                for (const Index cut : {Index(0), n / 2})  // the channels in two calls, as threads share them
                    target->equations.wkv(decay.data(), first.data(), cut, cut ? n : n / 2, tokens, keys.data(), n,
                                          values.data(), n, state.data(), state.data() + n, state.data() + 2 * n);
                if (n / 2 == 0)
                    target->equations.wkv(decay.data(), first.data(), 0, n, tokens, keys.data(), n, values.data(), n,
                                          state.data(), state.data() + n, state.data() + 2 * n);
                oracle.wkv(decay.data(), first.data(), 0, n, tokens, wide(keys).data(), n, expected.data(), n,
                           state_expected.data(), state_expected.data() + n, state_expected.data() + 2 * n);
                // p runs on in float: 200 sums of numbers about 30 or 60, each rounded by 4e-6 at most.
                const double allowed = key_size > 1 ? 5e-4 : 5e-5;
                CHECK(difference(values, expected) < allowed);
                CHECK(difference(state, state_expected) < allowed);
            }
        }
    }
}

TEST_CASE("WKV passes on keys that are no numbers, as transformers does", "[network]") {
    const float infinity = std::numeric_limits<float>::infinity(), nan = std::numeric_limits<float>::quiet_NaN();
    for (const Target* target : kernels::available_targets()) {
        CAPTURE(target->name);
        const std::vector<float> keys{-infinity, infinity, nan, -infinity, infinity, nan}, decay(6, -1.0f),
            first(6, 0.5f);
        std::vector<float> values(6, 3.0f), numerator(6, 2.0f), denominator(6, 1.0f), maximum(6, 0.25f);
        maximum[3] = maximum[4] = maximum[5] = -1e38f;  // the first token of a text
        target->equations.wkv(decay.data(), first.data(), 0, 6, 1, keys.data(), 6, values.data(), 6, numerator.data(),
                              denominator.data(), maximum.data());
        CHECK(values[0] == 2);
        CHECK(values[3] == 2);
        CHECK(numerator[0] == 2);
        CHECK(denominator[0] == 1);
        CHECK(maximum[0] == -0.75f);
        for (const std::size_t i : {1U, 2U, 4U, 5U}) {
            CAPTURE(i);
            CHECK(std::isnan(values[i]));
            CHECK(std::isnan(numerator[i]));
        }
    }
}

TEST_CASE("the exponential function is within two units in the last place", "[network]") {
    for (const Target* target : kernels::available_targets()) {
        double worst = 0;
        const auto exp_of = [&](float x) {
            // A step of WKV that shows e^x itself: p + w = x ≤ k = 0, so the new numerator is e^x · 1 + e^0 · 0.
            const float w = x, u = 0, key = 0;
            float value = 0, numerator = 1, denominator = 1, maximum = 0;
            target->equations.wkv(&w, &u, 0, 1, 1, &key, 1, &value, 1, &numerator, &denominator, &maximum);
            return numerator;
        };
        for (float x = -87.33f; x <= 0; x += 0.00517f) {
            const double expected = std::exp(static_cast<double>(x));
            const auto unit =
                static_cast<double>(std::nextafter(static_cast<float>(expected), 2.0f) - static_cast<float>(expected));
            worst = std::max(worst, std::abs(static_cast<double>(exp_of(x)) - expected) / unit);
        }
        CAPTURE(target->name);
        CHECK(exp_of(0) == 1);
        if (target->name == "portable") {  // Eigen's own, which ends at the smallest normal number
            CHECK(exp_of(-1e38f) < 2e-38f);
            continue;
        }
        CHECK(worst < 2);
        for (const float x : {-87.34f, -100.0f, -104.0f, -200.0f, -1e38f}) CHECK(exp_of(x) == 0);
    }
}

TEST_CASE("gates close and open fully, and pass NaN on", "[network]") {
    for (const Target* target : kernels::available_targets()) {
        CAPTURE(target->name);
        const float infinity = std::numeric_limits<float>::infinity(), nan = std::numeric_limits<float>::quiet_NaN();
        const std::vector<float> receptance{-infinity, -1e30f, 0, 1e30f, infinity, nan};
        std::vector<float> x(6, 2);
        target->equations.gate(0, 6, receptance.data(), x.data());
        CHECK(std::abs(x[0]) < 1e-30f);
        CHECK(std::abs(x[1]) < 1e-30f);
        CHECK(x[2] == 1);
        CHECK(x[3] == 2);
        CHECK(x[4] == 2);
        CHECK(std::isnan(x[5]));
    }
}
