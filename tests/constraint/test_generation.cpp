// Constraints in generation: text that matches, and tokens that are read without being drawn.

#include <cstddef>
#include <string>
#include <utility>
#include <vector>

#include <rwkv/constraint.hpp>
#include <rwkv/rwkv.hpp>

#include "../catch.hpp"
#include "../generation/support.hpp"
#include "support.hpp"

using namespace rwkv;
using namespace rwkv::test;

namespace {

GenerationOptions only(const Constraint& constraint, float temperature = 1.0f) {
    static const TokenVocabulary vocabulary(load_tokenizer(fixture("text")));
    return {.max_new_tokens = 120,
            .sampling = {.temperature = temperature, .constraint = token_constraint(constraint, vocabulary)}};
}

}  // namespace

TEST_CASE("a text without a choice is read several tokens a pass", "[generation]") {
    const std::string text = R"({"name":"Anna Karenina","born":1878})";
    GenerationOptions options = only(choice({text}));
    Generator one = generator();
    const Generation result = one.generate(prompt, options);
    CHECK(result.text == text);
    CHECK(result.finish_reason == FinishReason::constraint);
    CHECK(result.log_probabilities.size() == result.tokens.size());
    CHECK(result.tokens == load_tokenizer(fixture("text")).encode(text));
    CHECK(result.accepted_tokens > std::ssize(result.tokens) / 2);
    CHECK(result.accepted_tokens == result.drafted_tokens);

    // In the middle of what is forced. The conversation goes on without the tokens that were read ahead.
    for (const Index max : {1, 2, 5, 17, 18, 30}) {
        options.max_new_tokens = max;
        Generator other = generator();
        const Generation part = other.generate(prompt, options);
        CHECK(part.finish_reason == FinishReason::length);
        CHECK(part.text == text.substr(0, static_cast<std::size_t>(max)));
        Generator plain = generator();
        CHECK(plain.generate(prompt + part.text, {.max_new_tokens = 5}).text ==
              other.generate("", {.max_new_tokens = 5}).text);
    }
}

TEST_CASE("what is drawn is the same however what is forced is read", "[generation]") {
    const Constraint constraint = grammar(R"gbnf(
root ::= "{\"first\":\"" [a-z]{2,5} "\",\"second\":[" ("true" | "false" | "null") ",\"the end of the list\"],\"third\":" [0-9]{1,9} "}")gbnf");
    for (const float temperature : {0.0f, 1.0f})
        for (std::uint64_t seed = 0; seed < 5; ++seed) {
            GenerationOptions options = only(constraint, temperature);
            options.sampling.seed = seed;
            options.sampling.presence_penalty = 0.5f;
            options.top_logprobs = 2;
            const Generation several = generator().generate(prompt, options);
            INFO(several.text);
            CHECK(several.finish_reason == FinishReason::constraint);
            CHECK(constraint.matches(several.text));
            CHECK(several.accepted_tokens > 10);
            CHECK(several.top_logprobs.size() == several.tokens.size());
            CHECK(generator({.chunk = 1}).generate(prompt, options).text == several.text);
            CHECK(generator({.chunk = 2}).generate(prompt, options).text == several.text);
            options.speculation.max_draft_tokens = 4;
            CHECK(generator().generate(prompt, options).text == several.text);
            std::string streamed;
            Generator streaming = generator();
            for (const std::string_view chunk : streaming.stream(prompt, options)) streamed += chunk;
            CHECK(streamed == several.text);
        }
}

TEST_CASE("options that forbid tokens come before what is forced", "[generation]") {
    GenerationOptions options = only(choice({"abcdefgh ijkl mnop"}));
    options.sampling.suppress_tokens = {load_tokenizer(fixture("text")).encode("c").front()};
    Generator one = generator();
    CHECK_THROWS_AS(one.generate(prompt, options), ArgumentError);
    CHECK(one.result().text == "ab");
}

TEST_CASE("an end token comes where the text may end", "[generation]") {
    const Constraint constraint = grammar("root ::= \"ab\" \"c\"*");
    bool by_end = false;
    for (std::uint64_t seed = 0; seed < 20; ++seed) {
        GenerationOptions options = only(constraint, 1.0f);
        options.max_new_tokens = 500;
        options.sampling.seed = seed;
        options.sampling.logit_bias = {{0, 20.0f}};
        const Generation result = generator().generate(prompt, options);
        by_end |= result.finish_reason == FinishReason::eos;
        CHECK(constraint.matches(result.text));
    }
    CHECK(by_end);
}
