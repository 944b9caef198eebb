// One sequence decoded step by step, as a server decodes many of them.

#include <memory>
#include <optional>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include <rwkv/rwkv.hpp>

#include "../catch.hpp"
#include "support.hpp"

using namespace rwkv;
using namespace rwkv::test;

namespace {

struct Setup {
    Model model = load_model(fixture("text"));
    Tokenizer tokenizer = load_tokenizer(fixture("text"));
    Workspace workspace{model.config(), {.threads = 1}};

    Sequence sequence() const { return Sequence(model.config(), tokenizer); }
    Step step(Sequence& sequence) {
        return sequence.accept(sequence.pending().empty()
                                   ? sequence.logits()
                                   : model.forward(sequence.pending(), sequence.state(), workspace));
    }
    std::string run(Sequence& sequence) {
        std::string text;
        while (!sequence.finished()) text += step(sequence).text;
        return text;
    }
};

/// Options of which every part has something to remember from token to token.
GenerationOptions remembering() {
    return {.max_new_tokens = 60,
            .sampling = {.temperature = 1.5f,
                         .top_p = 0.95f,
                         .mirostat_tau = 4.0f,
                         .presence_penalty = 0.4f,
                         .frequency_penalty = 0.4f,
                         .repetition_penalty = 1.2f,
                         .no_repeat_ngram_size = 3,
                         .logit_bias = {{TokenId{0xC3}, 3.0f}, {TokenId{'a'}, 2.0f}},
                         .seed = 5},
            .stop_strings = {"aab", "\u00e9\u00e9"},
            .top_logprobs = 2};
}

void check_same(const Generation& a, const Generation& b) {
    CHECK(a.text == b.text);
    CHECK(a.tokens == b.tokens);
    CHECK(a.log_probabilities == b.log_probabilities);
    CHECK(a.top_logprobs.size() == b.top_logprobs.size());
    CHECK(a.finish_reason == b.finish_reason);
    CHECK(a.prompt_tokens == b.prompt_tokens);
    CHECK(a.decode_steps == b.decode_steps);
}

}  // namespace

TEST_CASE("a sequence decoded token by token gives the generator's text") {
    Setup setup;
    for (const GenerationOptions& options :
         {GenerationOptions{.max_new_tokens = 30}, remembering(), GenerationOptions{.max_new_tokens = 0},
          GenerationOptions{.max_new_tokens = 40, .stop_strings = {"e"}},
          GenerationOptions{.max_new_tokens = 1, .sampling = {.logit_bias = {{TokenId{0xC3}, 1000.0f}}}}}) {
        Generator generator(setup.model, setup.tokenizer, {.threads = 1});
        Sequence sequence = setup.sequence();
        // Several turns: each begins where the last one ended, with logits known or a token unread.
        for (const std::string& turn : {prompt, std::string(" and"), std::string()}) {
            const Generation expected = generator.generate(turn, options);
            sequence.begin(turn, options);
            CHECK(setup.run(sequence) == expected.text);
            check_same(sequence.result(), expected);
            CHECK(std::ranges::equal(sequence.tokens(), generator.tokens()));
            CHECK(sequence.conversation().state == generator.conversation().state);
            CHECK(sequence.conversation().logits == generator.conversation().logits);
        }
    }
}

TEST_CASE("a step tells the token, the text that is certain, and at last why there are no more") {
    Setup setup;
    Sequence sequence = setup.sequence();
    CHECK(sequence.finished());
    // "aab" may begin at each a: two are held back, and let go at the end.
    sequence.begin(
        prompt, {.max_new_tokens = 3, .sampling = {.logit_bias = {{TokenId{'a'}, 1000.0f}}}, .stop_strings = {"aab"}});
    CHECK(sequence.pending().size() == prompt.size());
    std::vector<Step> steps;
    std::vector<std::string> texts;
    while (!sequence.finished()) {
        steps.push_back(setup.step(sequence));
        texts.emplace_back(steps.back().text);
        CHECK(steps.back().state == &std::as_const(sequence).state());
        CHECK(sequence.pending().size() == (sequence.finished() ? 0 : 1));
    }
    REQUIRE(steps.size() == 3);
    for (const Step& step : steps) CHECK(step.token == TokenId{'a'});
    CHECK(texts == std::vector<std::string>{"", "", "aaa"});
    CHECK_FALSE(steps[1].finished);
    CHECK(steps[2].finished == FinishReason::length);

    // An end-of-text token is no token of the text.
    sequence.begin("", {.sampling = {.logit_bias = {{TokenId{'x'}, 1000.0f}}}, .stop_token_ids = {TokenId{'x'}}});
    CHECK(sequence.pending().size() == 1);
    const Step last = setup.step(sequence);
    CHECK_FALSE(last.token);
    CHECK(last.finished == FinishReason::eos);
    CHECK(sequence.tokens().size() == prompt.size() + 3);
    // The logits are known now: nothing is pending.
    sequence.begin("", {.max_new_tokens = 1});
    CHECK(sequence.pending().empty());
    CHECK(std::ssize(sequence.logits()) == setup.model.config().vocab_size);
    CHECK(setup.step(sequence).token);
}

TEST_CASE("sequences of a batch are decoded as each alone") {
    Setup setup;
    const std::vector<std::string> prompts{"Hello", "The cat", "x"};
    std::vector<Sequence> sequences;
    std::vector<Generation> expected;
    for (std::size_t i = 0; i < prompts.size(); ++i) {
        GenerationOptions options = remembering();
        options.max_new_tokens = 5 + 7 * static_cast<Index>(i);
        options.sampling.seed = i;
        Sequence alone = setup.sequence();
        alone.begin(prompts[i], options);
        setup.run(alone);
        expected.push_back(alone.result());
        sequences.push_back(setup.sequence());
        sequences.back().begin(prompts[i], options);
    }
    for (;;) {
        std::vector<SequenceTokens> batch;
        std::vector<Sequence*> of;
        for (Sequence& sequence : sequences) {
            if (sequence.finished()) continue;
            batch.push_back({sequence.pending(), &sequence.state()});
            of.push_back(&sequence);
        }
        if (batch.empty()) break;
        std::vector<std::vector<float>> logits(batch.size());
        CHECK(setup.model.forward(batch, setup.workspace, [&](Index i, Index, std::span<const float> values) {
            logits[static_cast<std::size_t>(i)].assign(values.begin(), values.end());
            return true;
        }));
        for (std::size_t i = 0; i < of.size(); ++i) of[i]->accept(logits[i]);
    }
    for (std::size_t i = 0; i < prompts.size(); ++i) {
        CHECK(sequences[i].result().tokens == expected[i].tokens);
        CHECK(sequences[i].result().text == expected[i].text);
        CHECK(sequences[i].result().finish_reason == expected[i].finish_reason);
    }
}

TEST_CASE("a long prompt may be read in parts") {
    Setup setup;
    Sequence whole = setup.sequence(), parts = setup.sequence();
    whole.begin(prompt, {.max_new_tokens = 10});
    setup.run(whole);
    parts.begin(prompt, {.max_new_tokens = 10});
    CHECK_THROWS_AS(parts.advance(std::ssize(prompt)), ArgumentError);  // the last one needs its logits
    CHECK_THROWS_AS(parts.advance(-1), ArgumentError);
    for (const Index count : {2, 1}) {
        setup.model.forward_state(parts.pending().first(static_cast<std::size_t>(count)), parts.state(),
                                  setup.workspace);
        parts.advance(count);
    }
    CHECK(parts.tokens().size() == 3);
    CHECK(parts.pending().size() == prompt.size() - 3);
    CHECK_THROWS_AS(parts.conversation(), ArgumentError);  // its logits are not known
    setup.run(parts);
    CHECK(parts.result().tokens == whole.result().tokens);
    CHECK(parts.result().prompt_tokens == std::ssize(prompt));
    CHECK_NOTHROW(parts.conversation());
    // Finished in the middle: the rest of the prompt is dropped, and another may follow.
    parts.begin(" and", {});
    setup.model.forward_state(parts.pending().first(2), parts.state(), setup.workspace);
    parts.advance(2);
    parts.finish();
    CHECK(parts.tokens().back() == ' ');
    CHECK_THROWS_AS(parts.begin(""), ArgumentError);
    parts.begin("and", {.max_new_tokens = 5});
    setup.run(parts);
    whole.begin(" and", {.max_new_tokens = 5});
    setup.run(whole);
    CHECK(parts.result().tokens == whole.result().tokens);
}

TEST_CASE("a copy of a sequence goes on as the original would") {
    Setup setup;
    for (int steps = 0; steps < 12; ++steps) {
        Sequence one = setup.sequence();
        one.begin(prompt, remembering());
        for (int i = 0; i < steps && !one.finished(); ++i) setup.step(one);
        Sequence other = one.copy();
        setup.run(one);
        Sequence moved = std::move(other);
        setup.run(moved);
        check_same(one.result(), moved.result());
        CHECK(one.state() == moved.state());
    }
}

TEST_CASE("finish ends a text as a callback that returns false does") {
    Setup setup;
    Sequence sequence = setup.sequence();
    sequence.begin(
        prompt, {.max_new_tokens = 10, .sampling = {.logit_bias = {{TokenId{'a'}, 1000.0f}}}, .stop_strings = {"aab"}});
    for (int i = 0; i < 3; ++i) setup.step(sequence);
    sequence.finish();
    CHECK(sequence.finished());
    CHECK(sequence.pending().empty());
    CHECK(sequence.result().finish_reason == FinishReason::callback);
    CHECK(sequence.result().text == "a");  // two are held back, and dropped
    CHECK(sequence.tokens().size() == prompt.size() + 3);
    // Before anything was read the prompt is dropped.
    sequence.begin(" more");
    sequence.finish();
    CHECK(sequence.tokens().size() == prompt.size() + 3);
    CHECK(sequence.result().prompt_tokens == 0);
    CHECK(sequence.result().finish_reason == FinishReason::callback);
    sequence.begin("", {.max_new_tokens = 2});
    CHECK(sequence.pending().size() == 1);
    setup.run(sequence);
    CHECK(sequence.result().finish_reason == FinishReason::length);
}

TEST_CASE("a sequence refuses what does not fit, and has then changed nothing") {
    Setup setup;
    Sequence sequence = setup.sequence();
    const std::vector<float> logits(static_cast<std::size_t>(setup.model.config().vocab_size));
    CHECK_THROWS_AS(sequence.accept(logits), ArgumentError);  // nothing is asked for
    CHECK_THROWS_AS(sequence.begin(""), ArgumentError);
    CHECK_THROWS_AS(sequence.begin("\xff"), ArgumentError);
    CHECK_THROWS_AS(sequence.begin("x", {.max_new_tokens = -1}), ArgumentError);
    CHECK_THROWS_AS(sequence.begin("x", {.sampling = {.top_p = 2.0f}}), ArgumentError);
    CHECK_THROWS_AS(sequence.begin(std::vector<TokenId>{256}), ArgumentError);
    CHECK_THROWS_AS(sequence.begin(std::vector<TokenId>{1}, {.stop_strings = {"x"}}), ArgumentError);
    CHECK_THROWS_AS(Sequence(setup.model.config()).begin("x"), ArgumentError);  // no tokenizer
    CHECK_THROWS_AS(Sequence(load_model(fixture("plain")).config(), setup.tokenizer), ModelError);
    CHECK(sequence.finished());
    sequence.begin(prompt, {.max_new_tokens = 5});
    CHECK_THROWS_AS(sequence.accept({}), ArgumentError);  // what a cancelled pass returns
    CHECK_THROWS_AS(sequence.accept(std::span(logits).first(3)), ArgumentError);
    CHECK(sequence.pending().size() == prompt.size());
    CHECK(sequence.tokens().empty());
    setup.run(sequence);
    Sequence other = setup.sequence();
    other.begin(prompt, {.max_new_tokens = 5});
    setup.run(other);
    CHECK(sequence.result().tokens == other.result().tokens);
}

TEST_CASE("what is thrown while a token is drawn leaves the conversation before it") {
    Setup setup;
    Sequence sequence = setup.sequence(), expected = setup.sequence();
    bool angry = false;
    const auto processor = [&](std::span<const TokenId>, std::span<float>) {
        if (angry) throw std::string("no");
    };
    GenerationOptions options = remembering();
    expected.begin(prompt, options);
    setup.run(expected);
    options.sampling.logits_processor = processor;
    sequence.begin(prompt, options);
    while (!sequence.finished()) {
        angry = true;
        const std::size_t before = std::max(sequence.tokens().size(), prompt.size());
        CHECK_THROWS_AS(setup.step(sequence), std::string);
        CHECK(sequence.pending().empty());
        CHECK(sequence.tokens().size() == before);
        CHECK_THROWS_AS(sequence.accept(sequence.logits()), std::string);
        angry = false;
        sequence.accept(sequence.logits());
    }
    CHECK(sequence.result().tokens == expected.result().tokens);
    CHECK(sequence.result().text == expected.result().text);
    CHECK(sequence.result().log_probabilities == expected.result().log_probabilities);
}
