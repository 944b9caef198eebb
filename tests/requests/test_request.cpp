#include <filesystem>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "../../examples/serve/request.hpp"
#include "../../examples/serve/state_picture.hpp"
#include "../catch.hpp"
#include "../corpora/corpus.hpp"

namespace rwkv::test {
namespace {

constexpr serve::Limits limits{.max_new_tokens = 100, .max_prompt_tokens = 1000, .max_choices = 6, .vocab_size = 3072};

/// Parses a case of the corpus, whose first byte is the path that the rest is sent to.
void parse(std::string_view bytes) {
    const std::string_view body = bytes.substr(1);
    switch (bytes[0]) {
        case '0':
        case '1':
            static_cast<void>(serve::parse_text_request(body, bytes[0] == '1', limits));
            return;
        case '2':
            static_cast<void>(serve::parse_embedding_request(body, limits, 240));
            return;
        case '3':
            static_cast<void>(serve::parse_tokenize_request(body));
            return;
        default:
            static_cast<void>(serve::parse_detokenize_request(body, limits));
    }
}

TEST_CASE("requests to the server are taken, or refused with what is wrong") {
    for (const CorpusCase& item :
         read_corpus(std::filesystem::path(RWKV_FIXTURES_DIR) / ".." / "corpora" / "request.json")) {
        CAPTURE(item.name, item.bytes);
        std::string message;
        try {
            parse(item.bytes);
        } catch (const serve::ApiError& error) {
            message = error.what();
            CHECK(error.status() == 400);
        }
        CHECK(message.empty() == item.accept);
        CHECK(message.size() < 1000);
        if (!item.accept) CHECK(message.find(item.message) != message.npos);
    }
}

TEST_CASE("a request is read as it was written") {
    const serve::TextRequest request = serve::parse_text_request(
        R"({"prompt": [[1, 2], [3]], "n": 2, "max_tokens": 1000, "stop": ["a", ""], "seed": 7, "temperature": 0.5,
            "logit_bias": {"5": -100}, "logprobs": 3, "stream": true, "stream_options": {"include_usage": true},
            "state_picture": 9, "unknown": {}})",
        false, limits);
    REQUIRE(request.prompts.size() == 2);
    CHECK(request.prompts[0].tokens == std::vector<TokenId>{1, 2});
    CHECK(request.prompts[1].tokens == std::vector<TokenId>{3});
    CHECK(request.count == 2);
    CHECK(request.options.max_new_tokens == limits.max_new_tokens);
    CHECK(request.options.stop_strings == std::vector<std::string>{"a"});
    CHECK(request.seed == 7);
    CHECK(request.options.sampling.temperature == 0.5f);
    CHECK(request.options.sampling.logit_bias.at(5) == -100.0f);
    CHECK(request.logprobs);
    CHECK(request.options.top_logprobs == 3);
    CHECK((request.stream && request.include_usage));
    CHECK(request.picture_columns == 9);

    const serve::TextRequest chat = serve::parse_text_request(
        R"({"messages": [{"role": "developer", "content": "S"}, {"role": "user", "content": [{"type": "text", "text": "a"},
            {"type": "text", "text": "b"}]}], "max_tokens": 3, "max_completion_tokens": 5})",
        true, limits);
    REQUIRE(chat.messages.size() == 2);
    CHECK(chat.messages[0].role == serve::Message::Role::system);
    CHECK(chat.messages[1].content == "ab");
    CHECK(chat.options.max_new_tokens == 5);
    CHECK(chat.options.sampling.temperature == 1.0f);
}

TEST_CASE("every field that has another name, or another meaning, is looked at") {
    const auto refused = [](std::string_view bytes) {
        try {
            parse(bytes);
        } catch (const serve::ApiError& error) {
            return error.param();
        }
        return std::string("taken");
    };
    CHECK(refused(R"(3{"prompt": {}, "content": ""})") == "prompt");
    CHECK(refused(R"(3{"prompt": "", "text": 5})") == "text");
    CHECK(refused(R"(1{"messages": [{"role": "user"}], "max_tokens": "x", "max_completion_tokens": 5})") ==
          "max_tokens");
    CHECK(refused(R"(1{"messages": [{"role": "user", "content": [{"type": "text", "text": null}]}]})") == "messages.0");
    CHECK(refused(R"(0{"response_format": {"type": "text", "json_schema": {"schema": [1]}}})") ==
          "response_format.json_schema.schema");
    CHECK(refused(R"(0{"response_format": {"type": "json_schema"}})") == "response_format.json_schema");
    CHECK(refused(R"(0{"seed": 1.5})") == "seed");
    CHECK(refused(R"(0{"seed": 2e19})") == "seed");
    CHECK(serve::parse_text_request(R"({"seed": 1e19})", false, limits).seed == 10000000000000000000U);
    CHECK(serve::parse_text_request(R"({"seed": -5.0})", false, limits).seed == static_cast<std::uint64_t>(-5));
    const std::string long_stop(serve::Limits::max_stop_characters, 'x');
    CHECK(refused("0{\"stop\": \"" + long_stop + "\"}") == "taken");
    CHECK(refused("0{\"stop\": \"" + long_stop + "x\"}") == "stop");
}

TEST_CASE("a schema keeps the order of its properties") {
    const serve::TextRequest request = serve::parse_text_request(
        R"({"messages": [{"role": "user", "content": ""}], "response_format": {"type": "json_schema", "json_schema":
            {"schema": {"type": "object", "properties": {"z": {}, "a": {}}}}}})",
        true, limits);
    CHECK(request.format.source == R"({"type":"object","properties":{"z":{},"a":{}}})");
}

TEST_CASE("a picture of a state has a byte for each group of channels of a layer") {
    Config config;
    config.num_hidden_layers = 2;
    config.hidden_size = 4;
    config.attention_hidden_size = 4;
    State state(config);
    CHECK(serve::state_picture(state, 3) == std::string(6, '\x80'));  // before any token
    for (Index i = 0; i < 4; ++i) {
        state.denominator()(i, 1) = 2;
        state.numerator()(i, 1) = i < 2 ? 6.0f : -2.0f;
    }
    // The second layer holds 3, 3, −1, −1.
    const std::string picture = serve::state_picture(state, 2);
    CHECK(picture == std::string("\x80\x80\xDF\x40", 4));
    CHECK(serve::state_picture(state, 8).size() == 16);
    state.numerator()(0, 1) = std::numeric_limits<float>::infinity();
    CHECK(serve::state_picture(state, 4)[4] == '\x80');
}

}  // namespace
}  // namespace rwkv::test
