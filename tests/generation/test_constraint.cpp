// Texts that must obey a constraint, token by token.

#include <cstddef>
#include <limits>
#include <memory>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include <rwkv/rwkv.hpp>

#include "../catch.hpp"
#include "sampling_support.hpp"
#include "support.hpp"

using namespace rwkv;
using namespace rwkv::test;

namespace {

/// Allows one text only, a byte a token, and is finished after it.
class Literal final : public TokenConstraint {
  public:
    explicit Literal(std::string text) : text_(std::move(text)) {}
    void mask(std::span<float> logits) override {
        for (std::size_t i = 0; i < logits.size(); ++i)
            if (i != static_cast<unsigned char>(text_[at_])) logits[i] = -infinity;
    }
    void accept(TokenId token) override {
        if (angry) throw std::string("no");
        CHECK(token == static_cast<unsigned char>(text_[at_]));
        ++at_;
    }
    bool finished() const override { return at_ == text_.size(); }
    std::unique_ptr<TokenConstraint> clone() const override { return std::make_unique<Literal>(*this); }

    static inline bool angry = false;

  private:
    std::string text_;
    std::size_t at_ = 0;
};

GenerationOptions only(const std::string& text) {
    return {.sampling = {.temperature = 1.0f, .top_p = 0.9f, .constraint = std::make_shared<Literal>(text)}};
}

}  // namespace

TEST_CASE("a constraint says what may come and when the text is complete") {
    Generator one = generator();
    const GenerationOptions options = only("{\"a\": 1}");
    for (int i = 0; i < 2; ++i) {  // each call begins it anew
        const Generation result = one.generate("x", options);
        CHECK(result.text == "{\"a\": 1}");
        CHECK(result.finish_reason == FinishReason::constraint);
        CHECK(name(result.finish_reason) == "constraint");
    }
    // Complete from the beginning: no token is drawn.
    const Generation none = one.generate("x", only(""));
    CHECK(none.tokens.empty());
    CHECK(none.finish_reason == FinishReason::constraint);
    CHECK(one.generate("", {.max_new_tokens = 3}).tokens.size() == 3);
    // The other limits hold too.
    GenerationOptions limited = only("abcdef");
    limited.max_new_tokens = 2;
    CHECK(one.generate("x", limited).finish_reason == FinishReason::length);
    limited = only("abcdef");
    limited.stop_strings = {"cd"};
    const Generation stopped = one.generate("x", limited);
    CHECK(stopped.text == "ab");
    CHECK(stopped.finish_reason == FinishReason::stop);
}

TEST_CASE("a constraint has the last word over the logits", "[sampler]") {
    const std::vector<float> logits = some_logits(256, 3);
    Sampler sampler({.logit_bias = {{TokenId{'b'}, 1000.0f}},
                     .logits_processor = [](std::span<const TokenId>,
                                            std::span<float> all) { all[static_cast<std::size_t>('c')] = 1e30f; },
                     .constraint = std::make_shared<Literal>("abc")});
    CHECK_FALSE(sampler.finished());
    for (const char expected : {'a', 'b', 'c'}) {
        CHECK(sampler.candidates(logits).size() == 1);  // which accepts nothing
        CHECK(sampler.sample(logits) == expected);
    }
    CHECK(sampler.finished());
    CHECK_FALSE(Sampler().finished());
}

TEST_CASE("a copied sampler has a constraint of its own", "[sampler]") {
    const std::vector<float> logits = some_logits(256, 3);
    Sampler one({.constraint = std::make_shared<Literal>("abcd")});
    CHECK(one.sample(logits) == 'a');
    Sampler copy = one, assigned;
    assigned = one;
    CHECK(draw(one, logits, 3) == std::vector<TokenId>{'b', 'c', 'd'});
    CHECK(draw(copy, logits, 2) == std::vector<TokenId>{'b', 'c'});
    CHECK(draw(assigned, logits, 1) == std::vector<TokenId>{'b'});
    Sampler moved = std::move(assigned);
    CHECK(draw(moved, logits, 2) == std::vector<TokenId>{'c', 'd'});
    CHECK(moved.finished());
    CHECK_FALSE(copy.finished());
}

TEST_CASE("a constraint that throws or forbids everything changes nothing", "[sampler]") {
    class Nothing final : public TokenConstraint {
      public:
        void mask(std::span<float> logits) override {
            for (float& logit : logits) logit = -infinity;
        }
        void accept(TokenId) override {}
        std::unique_ptr<TokenConstraint> clone() const override { return std::make_unique<Nothing>(); }
    };
    const std::vector<float> logits = some_logits(256, 3);
    Sampler none({.constraint = std::make_shared<Nothing>()});
    CHECK_THROWS_AS(none.sample(logits), ArgumentError);
    const SamplingOptions options{.temperature = 1.0f,
                                  .presence_penalty = 0.5f,
                                  .repetition_penalty = 1.5f,
                                  .constraint = std::make_shared<Literal>("abcdefgh")};
    Sampler sampler(options), untouched(options);
    for (int i = 0; i < 8; ++i) {
        Literal::angry = true;
        CHECK_THROWS_AS(sampler.sample(logits), std::string);
        Literal::angry = false;
        CHECK(sampler.sample(logits) == untouched.sample(logits));
    }
    CHECK(sampler.finished());
}
