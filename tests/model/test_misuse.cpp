#include <optional>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include <rwkv/generation/generator.hpp>
#include <rwkv/load_model.hpp>
#include <rwkv/load_tokenizer.hpp>
#include <rwkv/state_file.hpp>
#include <rwkv/text/stop_strings.hpp>
#include <rwkv/text/streaming_decoder.hpp>

#include "../catch.hpp"
#include "support.hpp"

using namespace rwkv;
using namespace rwkv::test;

// What was moved from is used all the same, as an application does by mistake.
// NOLINTBEGIN(bugprone-use-after-move)

TEST_CASE("a model and a tokenizer that were moved from are still whole") {
    Model model = load_model(fixture("text"));
    Tokenizer tokenizer = load_tokenizer(fixture("text"));
    Generator generator(std::move(model), std::move(tokenizer), {.threads = 1});
    CHECK(model.config() == generator.model().config());
    CHECK(model.warnings().empty());
    CHECK(tokenizer.decode(tokenizer.encode("a king")) == "a king");

    Model other = load_model(fixture("odd"));
    other = std::move(model);
    CHECK(model.config() == other.config());
}

TEST_CASE("a state, a workspace or a generator that was moved from is refused") {
    const Model model = load_model(fixture("text"));
    const std::vector<TokenId> tokens{1, 2, 3};
    State state(model.config()), used(model.config());
    Workspace workspace(model.config(), {.threads = 2});

    State taken = std::move(state);
    CHECK_THROWS_AS(model.forward_state(tokens, state, workspace), ArgumentError);
    CHECK_THROWS_AS(state.wkv_average(), ArgumentError);
    CHECK(state.numerator().size() == 0);
    CHECK(state.bytes() == 0);
    state.reset();
    CHECK(state.copy() == state);
    state.assign(taken);  // it may be given a value again
    CHECK(state == taken);

    Workspace moved = std::move(workspace);
    CHECK(workspace.threads() == 0);
    try {
        model.forward_state(tokens, used, workspace);
        FAIL("accepted");
    } catch (const ArgumentError& error) {
        CHECK(error.subject() == "workspace");
        CHECK(error.found() == "one that was moved from");
    }
    CHECK(model.forward_state(tokens, used, moved));

    Generator generator(model, load_tokenizer(fixture("text")), {.threads = 2});
    generator.generate("Once", {.max_new_tokens = 2});
    Generator target = std::move(generator);
    CHECK_THROWS_AS(generator.generate("Once", {.max_new_tokens = 2}), ArgumentError);
    CHECK_THROWS_AS(generator.generate(std::span<const TokenId>(tokens), {.max_new_tokens = 2}), ArgumentError);
    CHECK(generator.model().config() == model.config());
    generator.reset();
    CHECK_THROWS_AS(generator.generate("Once", {.max_new_tokens = 2}), ArgumentError);
    generator.resume(target.conversation());
    CHECK_THROWS_AS(generator.generate("Once", {.max_new_tokens = 2}), ArgumentError);
    CHECK(target.generate(" upon", {.max_new_tokens = 2}).tokens.size() == 2);
    generator = std::move(target);
    CHECK(generator.generate(" a", {.max_new_tokens = 2}).tokens.size() == 2);
}

TEST_CASE("a conversation, a sequence, a sampler or a decoder that was moved from does no harm") {
    const Model model = load_model(fixture("text"));
    const Tokenizer tokenizer = load_tokenizer(fixture("text"));
    Workspace workspace(model.config(), {.threads = 1});
    const std::vector<float> logits(static_cast<std::size_t>(model.config().vocab_size), 1.0f);
    const TempDir directory;

    Sequence sequence(model.config(), tokenizer);
    sequence.begin("Once", {.max_new_tokens = 2});
    Sequence moved = std::move(sequence);
    CHECK_THROWS_AS(model.forward(std::vector<TokenId>{1}, sequence.state(), workspace), ArgumentError);
    try {
        sequence.begin("Once", {.max_new_tokens = 2});
        static_cast<void>(sequence.accept(logits));
    } catch (const Error&) {
    }
    sequence.reset();

    Conversation conversation{State(model.config()), {1, 2}, {}};
    const Conversation kept = std::move(conversation);
    CHECK_THROWS_AS(sequence.resume(conversation), ArgumentError);
    CHECK_THROWS_AS(save_conversation(conversation, directory.path() / "moved.safetensors"), Error);

    Sampler sampler({.temperature = 1.0f, .top_k = 3, .repetition_penalty = 1.1f});
    Sampler drawing = std::move(sampler);
    CHECK(sampler.sample(logits) >= 0);
    CHECK(drawing.sample(logits) >= 0);

    StreamingDecoder decoder(tokenizer);
    StreamingDecoder decoding = std::move(decoder);
    static_cast<void>(decoder.push(1));
    static_cast<void>(decoder.finish());
    StopStrings stops(std::vector<std::string>{"end"});
    StopStrings searching = std::move(stops);
    static_cast<void>(stops.push("the end"));
    static_cast<void>(stops.finish());
    CHECK(searching.push("the end") == "the ");
}

// NOLINTEND(bugprone-use-after-move)

TEST_CASE("a callback without a function is refused before anything is read") {
    const Model model = load_model(fixture("text"));
    Workspace workspace(model.config(), {.threads = 1});
    State state(model.config());
    const State fresh(model.config());
    const std::vector<TokenId> tokens{1, 2, 3}, one{1};
    std::vector<State*> states{&state};
    const std::vector<SequenceTokens> batch{{tokens, &state}};
    const auto refused = [&](auto&& call) {
        try {
            call();
            FAIL_CHECK("accepted");
        } catch (const ArgumentError& error) {
            CHECK(error.subject() == "callback");
        }
        CHECK(state == fresh);
    };
    refused([&] { model.forward_all(tokens, state, workspace, {}); });
    refused([&] { model.forward_hidden(tokens, state, workspace, {}); });
    refused([&] { model.forward_batch(one, states, workspace, {}); });
    refused([&] { model.forward(batch, workspace, {}); });
    refused([&] { static_cast<void>(model.head(batch, workspace, {})); });
    const std::vector<SequenceTokens> unheard{{tokens, &state, LogitsFor::none}};
    CHECK(model.forward(unheard, workspace, {}));  // here nothing would be called
}

TEST_CASE("a config with a size that no model has is refused") {
    const auto refused = [](Index Config::*size, Index value, bool by_state) {
        Config config{.vocab_size = 8,
                      .hidden_size = 8,
                      .num_hidden_layers = 1,
                      .attention_hidden_size = 8,
                      .intermediate_size = 8};
        config.*size = value;
        CAPTURE(value);
        if (by_state) CHECK_THROWS_AS(State(config), ArgumentError);
        if (size != &Config::num_hidden_layers) CHECK_THROWS_AS(Workspace(config, {.threads = 1}), ArgumentError);
    };
    for (const Index value : {Index(-5), Index(-1), Index(0), Index(1) << 60, Index(1) << 62, max_model_size + 1}) {
        refused(&Config::hidden_size, value, true);
        refused(&Config::attention_hidden_size, value, true);
        refused(&Config::num_hidden_layers, value, true);
        refused(&Config::intermediate_size, value, false);
        refused(&Config::vocab_size, value, false);
    }
}
