#include <rwkv/rwkv.hpp>

#include "../catch.hpp"
#include "support.hpp"

using namespace rwkv;
using namespace rwkv::test;

TEST_CASE("greedy text is what transformers goes on with, in every mode") {
    const Expected expected("text");
    const auto greedy =
        elements<TokenId>(checkpoint::Checkpoint::open(fixture("text") / "expected.safetensors"), "greedy");
    for (const Index chunk : {1, 7, 128}) {
        Generator own = generator({.threads = 2, .chunk = chunk});
        const Generation result = own.generate(expected.tokens, {.max_new_tokens = std::ssize(greedy)});
        CHECK(result.tokens == greedy);
        CHECK(result.finish_reason == FinishReason::length);
        CHECK(result.prompt_tokens == std::ssize(expected.tokens));
    }
    // The fixture's ids are bytes: the same as text.
    const std::string text(expected.tokens.begin(), expected.tokens.end());
    Generator own = generator();
    std::string streamed;
    const Generation result = own.generate(text, {.max_new_tokens = std::ssize(greedy)}, [&](std::string_view piece) {
        streamed += piece;
        return true;
    });
    CHECK(result.tokens == greedy);
    CHECK(result.text == streamed);
    CHECK(result.text == load_tokenizer(fixture("text")).decode(greedy));
}

TEST_CASE("a seed gives one text, and another seed another") {
    const auto text_of = [](std::uint64_t seed) {
        return generator()
            .generate(prompt, {.max_new_tokens = 30, .sampling = {.temperature = 1.0f, .seed = seed}})
            .tokens;
    };
    CHECK(text_of(1) == text_of(1));
    CHECK(text_of(1) != text_of(2));
}

TEST_CASE("a conversation continued equals one told at once") {
    Generator in_parts = generator(), at_once = generator();
    const auto first = in_parts.generate(prompt, {.max_new_tokens = 5});
    const auto second = in_parts.generate(" and", {.max_new_tokens = 5});
    CHECK(second.prompt_tokens == 1 + 4);  // the last token said, and what is new
    std::vector<TokenId> whole(prompt.begin(), prompt.end());
    whole.insert(whole.end(), first.tokens.begin(), first.tokens.end());
    for (char c : std::string(" and")) whole.push_back(c);
    CHECK(at_once.generate(whole, {.max_new_tokens = 5}).tokens == second.tokens);

    in_parts.reset();
    CHECK(in_parts.generate(prompt, {.max_new_tokens = 5}).tokens == first.tokens);
    CHECK(in_parts.generate("", {.max_new_tokens = 3}).tokens.size() == 3);  // going on needs no new words
}

TEST_CASE("going on needs no new words, whatever came before") {
    const auto words = generator().generate(prompt, {.max_new_tokens = 6}).tokens;
    Generator read_only = generator();
    CHECK(read_only.generate(prompt, {.max_new_tokens = 0}).tokens.empty());
    CHECK(read_only.generate("", {.max_new_tokens = 6}).tokens == words);
    Generator moved = std::move(read_only);
    CHECK(moved.generate("", {.max_new_tokens = 1}).prompt_tokens == 1);
    moved.reset();
    CHECK_THROWS_AS(moved.generate(""), ArgumentError);
    CHECK(moved.generate(prompt, {.max_new_tokens = 6}).tokens == words);
}

TEST_CASE("a callback ends the text") {
    int pieces = 0;
    const Generation result =
        generator().generate(prompt, {.max_new_tokens = 40}, [&](std::string_view) { return ++pieces < 3; });
    CHECK(result.finish_reason == FinishReason::callback);
    CHECK(pieces == 3);
    CHECK(result.tokens.size() < 40);
}

TEST_CASE("a callback that ended the text hears no more of it") {
    // "aab" may begin at each a: the third lets go of the first, and two are held back when the callback says no.
    GenerationOptions options{
        .max_new_tokens = 10, .sampling = {.logit_bias = {{TokenId{'a'}, 1000.0f}}}, .stop_strings = {"aab"}};
    int calls = 0;
    const Generation ended = generator().generate(prompt, options, [&](std::string_view) { return ++calls < 0; });
    CHECK(calls == 1);
    CHECK(ended.text == "a");
    CHECK(ended.tokens.size() == 3);
    CHECK(ended.finish_reason == FinishReason::callback);
    // At the end of the text what was held back is let go.
    std::string heard;
    options.max_new_tokens = 2;
    CHECK(generator().generate(prompt, options, [&](std::string_view piece) { return heard += piece, true; }).text ==
          "aa");
    CHECK(heard == "aa");
}

TEST_CASE("a character begun and not finished is said to be missing") {
    std::string heard;
    const Generation result =
        generator().generate(prompt, {.max_new_tokens = 1, .sampling = {.logit_bias = {{TokenId{0xC3}, 1000.0f}}}},
                             [&](std::string_view piece) { return heard += piece, true; });
    CHECK(result.text == "\uFFFD");
    CHECK(heard == "\uFFFD");
}

TEST_CASE("a stop string ends the text, is not said, and is part of the conversation") {
    const auto all = generator().generate(prompt, {.max_new_tokens = 40});
    const Tokenizer tokenizer = load_tokenizer(fixture("text"));
    // Any two characters of the text that come in sequence, and so in two tokens.
    for (const std::size_t at : {2U, 5U, 9U}) {
        std::vector<TokenId> ascii;
        std::size_t i = 0;
        for (; i + 1 < all.tokens.size(); ++i)
            if (i >= at && all.tokens[i] < 128 && all.tokens[i + 1] < 128) break;
        REQUIRE(i + 1 < all.tokens.size());
        const std::string stop = tokenizer.decode(std::span(all.tokens).subspan(i, 2));
        const std::size_t found = all.text.find(stop);
        std::string streamed;
        Generator own = generator();
        const Generation result = own.generate(prompt, {.max_new_tokens = 40, .stop_strings = {"absent", stop}},
                                               [&](std::string_view piece) { return streamed += piece, true; });
        CHECK(result.finish_reason == FinishReason::stop);
        CHECK(result.text == all.text.substr(0, found));
        CHECK(streamed == result.text);
        CHECK(tokenizer.decode(result.tokens) == result.text + stop);
        CHECK(tokenizer.decode(own.tokens()) == prompt + result.text + stop);
        CHECK(own.generate("", {.max_new_tokens = 1}).tokens[0] == all.tokens[result.tokens.size()]);
    }
    CHECK_THROWS_AS(generator().generate(prompt, {.stop_strings = {""}}), ArgumentError);
    CHECK_THROWS_AS(generator().generate(std::vector<TokenId>{72}, {.stop_strings = {"x"}}), ArgumentError);
}

TEST_CASE("stop ids end the text as the end-of-text token does") {
    const auto words = generator().generate(prompt, {.max_new_tokens = 10}).tokens;
    const auto first = std::find(words.begin(), words.end(), words[4]);
    const Generation result =
        generator().generate(prompt, {.max_new_tokens = 10, .stop_token_ids = {TokenId{255}, words[4]}});
    CHECK(result.finish_reason == FinishReason::eos);
    CHECK(result.tokens == std::vector<TokenId>(words.begin(), first));
}

TEST_CASE("log-probabilities are the model's own, whatever the sampling") {
    const Model model = load_model(fixture("text"));
    const Generation result = generator().generate(
        prompt, {.max_new_tokens = 20,
                 .sampling = {.temperature = 2.0f, .top_k = 100, .repetition_penalty = 1.5f, .seed = 3},
                 .top_logprobs = 3});
    REQUIRE(result.tokens.size() == 20);
    REQUIRE(result.log_probabilities.size() == 20);
    REQUIRE(result.top_logprobs.size() == 20);
    std::vector<TokenId> tokens(prompt.begin(), prompt.end());
    tokens.insert(tokens.end(), result.tokens.begin(), result.tokens.end());
    State state(model.config());
    Workspace workspace(model.config());
    CHECK(model.forward_all(tokens, state, workspace, [&](Index position, std::span<const float> logits) {
        const Index i = position - (std::ssize(prompt) - 1);
        if (i < 0 || i >= 20) return true;
        const auto at = static_cast<std::size_t>(i);
        double sum = 0;
        for (float logit : logits) sum += std::exp(static_cast<double>(logit));
        const auto expected = [&](TokenId token) {
            return static_cast<double>(logits[static_cast<std::size_t>(token)]) - std::log(sum);
        };
        CHECK(std::abs(result.log_probabilities[at] - expected(result.tokens[at])) < 1e-5);
        REQUIRE(result.top_logprobs[at].size() == 3);
        double last = 0;
        for (const auto& [token, value] : result.top_logprobs[at]) {
            CHECK(std::abs(value - expected(token)) < 1e-5);
            CHECK(value <= last);
            last = value;
        }
        CHECK(static_cast<std::size_t>(result.top_logprobs[at][0].token) ==
              static_cast<std::size_t>(std::max_element(logits.begin(), logits.end()) - logits.begin()));
        return true;
    }));
}

TEST_CASE("the generator's sampling options reach the sampler, with the whole text") {
    // No token twice, over two calls.
    Generator own = generator();
    std::vector<TokenId> seen(prompt.begin(), prompt.end());
    const auto first = own.generate(prompt, {.max_new_tokens = 60, .sampling = {.no_repeat_ngram_size = 1}}).tokens;
    seen.insert(seen.end(), first.begin(), first.end());
    const auto second = own.generate("", {.max_new_tokens = 60, .sampling = {.no_repeat_ngram_size = 1}}).tokens;
    seen.insert(seen.end(), second.begin(), second.end());
    std::sort(seen.begin(), seen.end());
    // "Hello" itself has two l.
    CHECK(std::unique(seen.begin(), seen.end()) - seen.begin() == std::ssize(seen) - 1);

    std::vector<std::size_t> sizes;
    generator().generate(
        prompt, {.max_new_tokens = 3,
                 .sampling = {.logits_processor = [&](std::span<const TokenId> tokens, std::span<float> logits) {
                     sizes.push_back(tokens.size());
                     for (float& logit : logits.subspan(1)) logit = -1e30f;
                     logits[65] = 1;
                 }}});
    CHECK(sizes == std::vector<std::size_t>{prompt.size(), prompt.size() + 1, prompt.size() + 2});
}

TEST_CASE("a call that is refused changes nothing") {
    Generator own = generator(), twin = generator();
    own.generate(prompt, {.max_new_tokens = 3});
    twin.generate(prompt, {.max_new_tokens = 3});
    CHECK_THROWS_AS(own.generate("\xff"), ArgumentError);
    CHECK_THROWS_AS(own.generate("x", {.sampling = {.top_p = 7.0f}}), ArgumentError);
    CHECK_THROWS_AS(own.generate("x", {.top_logprobs = -1}), ArgumentError);
    CHECK_THROWS_AS(own.generate("x", {.stop_strings = {""}}), ArgumentError);
    CHECK_THROWS_AS(own.generate(std::vector<TokenId>{1, 256}), ArgumentError);
    CHECK_THROWS_AS(own.generate("x", {.sampling = {.logit_bias = {{256, 1.0f}}}}), ArgumentError);
    CHECK_THROWS_AS(own.generate("x", {.sampling = {.suppress_tokens = {-1}}}), ArgumentError);
    CHECK(own.tokens().size() == twin.tokens().size());
    CHECK(own.generate(" go", {.max_new_tokens = 5}).tokens == twin.generate(" go", {.max_new_tokens = 5}).tokens);
}

TEST_CASE("the end-of-text token ends the text, and is neither said nor kept") {
    // The model's own greedy words, ended where the first of them to repeat is declared the end.
    const auto words = generator().generate(prompt, {.max_new_tokens = 10}).tokens;
    const TempDir directory;
    for (const char* name : {"model.safetensors", "tokenizer.json"})
        std::filesystem::copy_file(fixture("text") / name, directory.path() / name);
    std::string config = read_all(fixture("text") / "config.json");
    const auto at = config.find("\"eos_token_id\": 0");
    REQUIRE(at != config.npos);
    directory.write("config.json", config.replace(at, 17, "\"eos_token_id\": " + std::to_string(words[4])));
    Generator ended(load_model(directory.path()), load_tokenizer(directory.path()));
    const Generation result = ended.generate(prompt, {.max_new_tokens = 10});
    CHECK(result.finish_reason == FinishReason::eos);
    const auto first = std::find(words.begin(), words.end(), words[4]);
    CHECK(result.tokens == std::vector<TokenId>(words.begin(), first));
    CHECK(ended.generate("", {.max_new_tokens = 10}).finish_reason == FinishReason::eos);  // it would end there again
}

TEST_CASE("what cannot be generated is refused") {
    CHECK_THROWS_AS(generator().generate(""), ArgumentError);
    CHECK_THROWS_AS(generator().generate("\xff"), ArgumentError);
    CHECK_THROWS_AS(generator().generate(prompt, {.sampling = {.temperature = -1.0f}}), ArgumentError);
    CHECK_THROWS_AS(generator().generate(prompt, {.sampling = {.top_p = 2.0f}}), ArgumentError);
    CHECK_THROWS_AS(Generator(load_model(fixture("text"))).generate(prompt), ArgumentError);
    CHECK_THROWS_AS(generator().generate(prompt, {.max_new_tokens = -1}), ArgumentError);
    CHECK(generator().generate(prompt, {.max_new_tokens = 0}).tokens.empty());
    const std::string found = outcome([] { Generator(load_model(fixture("plain")), load_tokenizer(fixture("text"))); });
    CHECK(found == "ModelError Generator: tokenizer: expected at most the 101 tokens of the model, found 256");
    // Tokens that were added to the tokenizer alone are refused where a prompt has them.
    const auto check = [](Index outputs) {
        rwkv::check_tokenizer(load_tokenizer(fixture("text")), {.vocab_size = outputs}, "here");
        return true;
    };
    CHECK(check(256));
    CHECK(check(171));
    CHECK_THROWS_AS(check(170), rwkv::ModelError);
}
