#pragma once

#include <algorithm>
#include <cstddef>
#include <random>
#include <string>
#include <vector>

#include <rwkv/rwkv.hpp>
#include <rwkv/scheduler.hpp>

#include "../catch.hpp"
#include "../kernels/support.hpp"
#include "../model/support.hpp"

namespace rwkv::test {

/// Fixture `text`, whose tokens are bytes, in a weight format.
struct Setup {
    explicit Setup(WeightFormat weights = WeightFormat::stored)
        : format(weights), model(load_model(fixture("text"), {.format = weights})) {}

    WeightFormat format;
    Model model;
    Tokenizer tokenizer = load_tokenizer(fixture("text"));

    /// What a request gets alone.
    Generation alone(const std::string& prompt, const GenerationOptions& options) const {
        Generator generator(model, tokenizer, {.threads = 1, .chunk = 64});
        return generator.generate(prompt, options);
    }
    /// Whether numbers must be the same bits however tokens are cut into passes.
    bool is_exact() const { return format != WeightFormat::stored && multiplies_bytes(kernels::best_target()); }
};

/// ASCII letters and blanks.
inline std::string some_text(std::size_t length, unsigned seed) {
    std::mt19937 random(seed);
    std::string text(length, ' ');
    for (char& c : text) c = "etaoin shrdlu cmfwyp vbgkjq"[random() % 27];
    return text;
}

inline std::vector<TokenId> ids(const std::string& text) {
    return {text.begin(), text.end()};
}

/// The text, the tokens and why they ended are the same, and so are the probabilities, in bits where they must be.
inline void check_same(const Generation& found, const Generation& expected, bool exact) {
    CHECK(found.text == expected.text);
    CHECK(found.tokens == expected.tokens);
    CHECK(found.finish_reason == expected.finish_reason);
    if (exact)
        CHECK(found.log_probabilities == expected.log_probabilities);
    else
        CHECK(error_of(found.log_probabilities, expected.log_probabilities) < 1e-3);
}

}  // namespace rwkv::test
