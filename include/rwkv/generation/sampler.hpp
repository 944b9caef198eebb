#pragma once

#include <algorithm>
#include <array>
#include <bit>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <span>
#include <string>
#include <vector>

#include <rwkv/error.hpp>
#include <rwkv/generation/random.hpp>
#include <rwkv/tensor.hpp>

namespace rwkv {

/// How a token is drawn from logits, in RWKV's order: probabilities p = softmax(logits), of which top-k and
/// top-p (each looking at p itself) leave some, drawn in proportion to p^(1/temperature).
struct SamplingOptions {
    float temperature =
        1.0f;            ///< 0: always the most likely token (of equals, the lowest id), whatever else is set
    int top_k = 0;       ///< only so many of the most likely (of equals, the lowest ids); 0: no limit
    float top_p = 1.0f;  ///< only the most likely that make up this much of the probability, and any as
                         ///< likely as the last of them; 0: the single most likely (and its equals), 1: all
    std::uint64_t seed = 0;  ///< of the random numbers
};

/// Draws tokens. The same options and the same logits in the same order give the same tokens on every
/// platform: random numbers and weights are integers, and no sum depends on an order. A copy goes on as the
/// original would. One thread at a time. Allocates only where it meets more logits than before.
class Sampler {
  public:
    /// ArgumentError for a temperature that is negative or not finite, a negative top_k, or a top_p outside 0
    /// … 1.
    explicit Sampler(const SamplingOptions& options = {}) : options_(options), random_(options.seed) {
        const auto check = [](bool good, const char* name, const char* expected, const std::string& found) {
            if (!good) throw ArgumentError("Sampler", name, expected, found);
        };
        check(std::isfinite(options.temperature) && options.temperature >= 0.0f, "temperature",
              "0 or a positive number", std::to_string(options.temperature));
        check(options.top_k >= 0, "top_k", "0 or a positive number", std::to_string(options.top_k));
        check(options.top_p >= 0.0f && options.top_p <= 1.0f, "top_p", "a number from 0 to 1",
              std::to_string(options.top_p));
    }

    /// Draws the next token: an index into `logits`. A logit of −∞ is never drawn. ArgumentError, and no
    /// random number used up, where there is no logit, all are −∞, or one is NaN or +∞.
    TokenId sample(std::span<const float> logits) {
        if (options_.temperature == 0.0f) return likeliest(logits);
        std::uint64_t left = random_.below(weigh(logits));
        std::size_t i = 0;
        while (left >= weights_[i]) left -= weights_[i++];
        return static_cast<TokenId>(i);
    }

    /// What `sample` would draw in proportion to: a whole number for each logit, 0 for what is left out. Uses
    /// up no random number; lives until the next call. Throws as `sample` does.
    std::span<const std::uint64_t> weights(std::span<const float> logits) {
        if (options_.temperature == 0.0f) {
            const auto chosen = static_cast<std::size_t>(likeliest(logits));
            weights_.assign(logits.size(), 0);
            weights_[chosen] = 1;
        } else {
            weigh(logits);
        }
        return weights_;
    }

    const SamplingOptions& options() const noexcept { return options_; }

  private:
    /// Weights count in units of 2^-38 of the largest: the sum of so many of them fits in 64 bits.
    static constexpr std::size_t most_logits = std::size_t{1} << 24U;

    static TokenId likeliest(std::span<const float> logits) {
        if (logits.empty() || logits.size() > most_logits)
            throw ArgumentError("sample", "logits", "1 to " + std::to_string(most_logits),
                                std::to_string(logits.size()));
        std::size_t best = 0;
        bool all_below = true;  // false for NaN too
        for (std::size_t i = 0; i < logits.size(); ++i) {
            all_below &= logits[i] < std::numeric_limits<float>::infinity();
            if (logits[i] > logits[best]) best = i;
        }
        if (!all_below) {
            const auto bad = std::find_if_not(logits.begin(), logits.end(), [](float logit) {
                return logit < std::numeric_limits<float>::infinity();
            });
            throw ArgumentError("sample", "logit " + std::to_string(bad - logits.begin()),
                                "a number below +∞", std::isnan(*bad) ? "NaN" : "+∞");
        }
        if (!std::isfinite(logits[best])) throw ArgumentError("sample", "logits", "one above −∞", "none");
        return static_cast<TokenId>(best);
    }

    /// Sets the weights, and returns their sum, which is not 0.
    std::uint64_t weigh(std::span<const float> logits) {
        const float max = logits[static_cast<std::size_t>(likeliest(logits))];
        const double temperature = options_.temperature;
        weights_.resize(logits.size());
        const bool by_mass = options_.top_p < 1.0f;
        const auto k = static_cast<std::size_t>(options_.top_k);
        const bool by_count = k > 0 && k < logits.size();
        if (!by_mass && !by_count)
            return set_weights(logits, max, temperature, [](std::size_t) { return true; });

        std::uint32_t lowest = 0;
        if (by_mass) {
            const std::uint64_t all = set_weights(logits, max, 1.0, [](std::size_t) { return true; });
            const double wanted = static_cast<double>(options_.top_p) * static_cast<double>(all);
            lowest = find_cutoff(logits, static_cast<std::uint64_t>(std::ceil(wanted)), [&](std::size_t i) {
                         return weights_[i];
                     }).key;
        }
        std::size_t equals = logits.size();  // so many of those at the cutoff are taken
        if (by_count) {
            const Cutoff cutoff = find_cutoff(logits, k, [](std::size_t) { return std::uint64_t{1}; });
            if (cutoff.key >= lowest) {
                lowest = cutoff.key;
                equals = static_cast<std::size_t>(k - cutoff.above);
            }
        }
        return set_weights(logits, max, temperature, [&, equals](std::size_t i) mutable {
            const std::uint32_t key = order(logits[i]);
            return key > lowest || (key == lowest && equals > 0 && equals-- > 0);
        });
    }

    /// Sets the weight of each logit taken to exp((logit − max) / temperature), and of the others to 0.
    template <class Taken>
    std::uint64_t set_weights(std::span<const float> logits, float max, double temperature, Taken taken) {
        std::uint64_t sum = 0;
        for (std::size_t i = 0; i < logits.size(); ++i) {
            const double exponent = (static_cast<double>(logits[i]) - static_cast<double>(max)) / temperature;
            weights_[i] = taken(i) ? exponential(exponent) : 0;
            sum += weights_[i];
        }
        return sum;
    }

    /// exp(x) for x ≤ 0 in whole units, rounded. Written out because the standard library's differs by
    /// platform.
    static std::uint64_t exponential(double x) noexcept {
        if (!(x > -27.0)) return 0;  // less than half a unit
        // exp(x) = 2^n · exp(r), |r| ≤ ln 2 / 2, the latter by its series, in an order that a processor can
        // overlap.
        constexpr double log2_e = 1.4426950408889634, ln_2 = 0.6931471805599453;
        const auto n = static_cast<int>(x * log2_e - 0.5);  // rounds to nearest: the number is negative
        const double r = x - n * ln_2, r2 = r * r, r4 = r2 * r2;
        const double low = (1.0 + r) + r2 * (1.0 / 2 + r * (1.0 / 6));
        const double middle = (1.0 / 24 + r * (1.0 / 120)) + r2 * (1.0 / 720 + r * (1.0 / 5040));
        const double high = (1.0 / 40320 + r * (1.0 / 362880)) + r2 * (1.0 / 3628800);
        const double sum = low + r4 * (middle + r4 * high);
        const double scale = std::bit_cast<double>(static_cast<std::uint64_t>(1023 + 38 + n) << 52U);
        return static_cast<std::uint64_t>(static_cast<std::int64_t>(sum * scale + 0.5));
    }

    /// Unsigned numbers in the order of the floats (no NaN), both zeros the same.
    static std::uint32_t order(float value) noexcept {
        const auto bits = std::bit_cast<std::uint32_t>(value + 0.0f);
        return bits >> 31U ? ~bits : bits | 0x80000000U;
    }

    /// The key of a logit, and how much the logits above it amount to.
    struct Cutoff {
        std::uint32_t key;
        std::uint64_t above;
    };

    /// The largest logit such that it, its equals and all above it amount to `wanted` (which they do
    /// together), by a few bits of the key at a time: each time amounts are summed for each value of these
    /// bits, among the logits that agree with what is known. Unlike a sort this takes a few passes whatever
    /// the logits are.
    template <class Amount>
    Cutoff find_cutoff(std::span<const float> logits, std::uint64_t wanted, Amount amount) {
        Cutoff cutoff{0, 0};
        std::uint32_t known = 0;  // the bits of the key found so far
        for (const unsigned shift : {21U, 10U, 0U}) {
            const std::uint32_t mask = shift == 0 ? 0x3FFU : 0x7FFU;
            std::fill_n(sums_.begin(), mask + 1, std::uint64_t{0});
            std::fill_n(present_.begin(), mask + 1, false);
            for (std::size_t i = 0; i < logits.size(); ++i) {
                const std::uint32_t key = order(logits[i]);
                if ((key & known) != (cutoff.key & known)) continue;
                sums_[key >> shift & mask] += amount(i);
                present_[key >> shift & mask] = true;
            }
            std::uint32_t value = mask;
            while (!present_[value] || cutoff.above + sums_[value] < wanted) cutoff.above += sums_[value--];
            cutoff.key |= value << shift;
            known |= mask << shift;
        }
        return cutoff;
    }

    SamplingOptions options_;
    Random random_;
    std::vector<std::uint64_t> weights_;
    std::array<std::uint64_t, 2048> sums_{};
    std::array<bool, 2048> present_{};
};

}  // namespace rwkv
