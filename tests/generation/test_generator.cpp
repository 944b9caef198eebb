#include <rwkv/rwkv.hpp>

#include "../catch.hpp"
#include "../model/support.hpp"

using namespace rwkv;
using namespace rwkv::test;

namespace {

Generator generator(WorkspaceOptions options = {}) {
    return Generator(load_model(fixture("text")), load_tokenizer(fixture("text")), options);
}

const std::string prompt = "Hello";

}  // namespace

TEST_CASE("greedy text is what transformers goes on with, in every mode") {
    const Expected expected("text");
    const auto greedy = elements<TokenId>(io::Checkpoint::open(fixture("text") / "expected.safetensors"), "greedy");
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
        return generator().generate(prompt, {.max_new_tokens = 30, .temperature = 1.0f, .seed = seed}).tokens;
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
    CHECK_THROWS_AS(generator().generate(prompt, {.temperature = -1.0f}), ArgumentError);
    CHECK_THROWS_AS(generator().generate(prompt, {.top_p = 2.0f}), ArgumentError);
    CHECK_THROWS_AS(Generator(load_model(fixture("text"))).generate(prompt), ArgumentError);
    CHECK_THROWS_AS(generator().generate(prompt, {.max_new_tokens = -1}), ArgumentError);
    CHECK(generator().generate(prompt, {.max_new_tokens = 0}).tokens.empty());
    const std::string found = outcome([] { Generator(load_model(fixture("plain")), load_tokenizer(fixture("text"))); });
    CHECK(found == "ModelError Generator: tokenizer: expected at most the 101 tokens of the model, found 256");
}
