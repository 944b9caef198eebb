// The model of examples/fairy-tales against what transformers does with it (fixtures/golden): the same tokens, whatever
// the compiler and its options, the processor, the number of threads, and the mode.

#include <algorithm>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include <nlohmann/json.hpp>

#include <rwkv/generation/draft_model.hpp>
#include <rwkv/generation/generator.hpp>
#include <rwkv/load_model.hpp>
#include <rwkv/load_tokenizer.hpp>

#include "../catch.hpp"
#include "../model/support.hpp"

using namespace rwkv;
using namespace rwkv::test;

namespace {

const std::filesystem::path demo_model = fixture("../../examples/fairy-tales");

/// A prompt, and how transformers goes on with it.
struct Text {
    std::string prompt, text;
    std::vector<TokenId> prompt_ids, ids;
};

std::vector<Text> golden_texts() {
    std::vector<Text> texts;
    for (const auto& text : nlohmann::json::parse(read_all(fixture("golden") / "greedy.json")))
        texts.push_back({text.at("prompt"), text.at("text"), text.at("prompt_ids"), text.at("ids")});
    return texts;
}

}  // namespace

TEST_CASE("token by token, the demo model writes what transformers writes", "[golden]") {
    const Model model = load_model(demo_model);
    const Tokenizer tokenizer = load_tokenizer(demo_model);
    CHECK(golden_texts().size() == 3);
    for (const Text& expected : golden_texts()) {
        CHECK(tokenizer.encode(expected.prompt) == expected.prompt_ids);
        CHECK(expected.ids.size() == 200);
        for (const int threads : {1, 4}) {
            CAPTURE(expected.prompt, threads);
            Generator generator(model, tokenizer, {.threads = threads, .chunk = 1});
            const Generation found = generator.generate(expected.prompt, {.max_new_tokens = 200});
            CHECK(found.tokens == expected.ids);
            CHECK(found.text == expected.text);
        }
    }
}

TEST_CASE("many tokens at once, the demo model would write the same", "[golden]") {
    const Model model = load_model(demo_model);
    for (const Text& expected : golden_texts()) {
        std::vector<TokenId> tokens = expected.prompt_ids;
        tokens.insert(tokens.end(), expected.ids.begin(), expected.ids.end());
        for (const int threads : {1, 4}) {
            CAPTURE(expected.prompt, threads);
            State state(model.config());
            Workspace workspace(model.config(), {.threads = threads});
            std::vector<TokenId> likeliest;
            model.forward_all(tokens, state, workspace, [&](Index, std::span<const float> logits) {
                likeliest.push_back(static_cast<TokenId>(std::ranges::max_element(logits) - logits.begin()));
                return true;
            });
            // What comes after each token, from the prompt's last to the text's last but one.
            likeliest.pop_back();
            likeliest.erase(likeliest.begin(), likeliest.begin() + std::ssize(expected.prompt_ids) - 1);
            CHECK(likeliest == expected.ids);
        }
    }
}

TEST_CASE("with drafts, the demo model writes the same", "[golden]") {
    const Model model = load_model(demo_model);
    const auto draft_model = std::make_shared<DraftModel>(load_model(demo_model, {.format = WeightFormat::q4}),
                                                          WorkspaceOptions{.threads = 1});
    const Tokenizer tokenizer = load_tokenizer(demo_model);
    for (const Text& expected : golden_texts()) {
        for (const int threads : {1, 4}) {
            for (const bool by_model : {false, true}) {
                CAPTURE(expected.prompt, threads, by_model);
                Generator generator(model, tokenizer, {.threads = threads});
                GenerationOptions options{.max_new_tokens = 200, .speculation = {.max_draft_tokens = 8}};
                if (by_model) options.speculation.draft_model = draft_model;
                CHECK(generator.generate(expected.prompt, options).tokens == expected.ids);
                // And as drivers do, with drafts that always seem to pay.
                Sequence sequence(model.config(), tokenizer);
                Workspace workspace(model.config(), {.threads = threads});
                sequence.begin(expected.prompt, options);
                while (!sequence.finished()) {
                    const SequenceTokens pass = sequence.next_pass();
                    model.forward({&pass, 1}, workspace, [&](Index, Index position, std::span<const float> logits) {
                        sequence.accept(logits, position);
                        return true;
                    });
                }
                CHECK(sequence.result().tokens == expected.ids);
                CHECK(sequence.result().text == expected.text);
                CHECK(sequence.result().drafted_tokens > 0);
                if (by_model) CHECK(sequence.result().accepted_tokens > 100);
            }
        }
    }
}

TEST_CASE("the demo model's logits and state are transformers'", "[golden][logits]") {
    const Model model = load_model(demo_model);
    const Expected expected("golden");
    for (const Index chunk : {Index(1), WorkspaceOptions{}.chunk}) {
        CAPTURE(chunk);
        State state(model.config());
        Workspace workspace(model.config(), {.chunk = chunk});
        std::vector<float> found;
        model.forward_all(expected.tokens, state, workspace, [&](Index position, std::span<const float> logits) {
            if (std::ranges::count(expected.positions, position))
                found.insert(found.end(), logits.begin(), logits.end());
            return true;
        });
        CHECK(error_of(found, expected.logits) < tolerance);
        CHECK(error_of(span_of(state.attention_shift()), expected.att_shift) < tolerance);
        CHECK(error_of(span_of(state.feed_forward_shift()), expected.ffn_shift) < tolerance);
        CHECK(error_of(span_of(state.numerator()), expected.num) < tolerance);
        CHECK(error_of(span_of(state.denominator()), expected.den) < tolerance);
        CHECK(error_of(span_of(state.maximum()), expected.max) < tolerance);
    }
}
