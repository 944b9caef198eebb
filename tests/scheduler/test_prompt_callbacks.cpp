// The callbacks of a request: logits and hidden states after the tokens of its prompt, log-probabilities of new tokens.

#include <algorithm>
#include <functional>
#include <memory>
#include <random>
#include <span>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

#include "support.hpp"

using namespace rwkv;
using namespace rwkv::test;

namespace {

/// Numbers by position.
using Rows = std::vector<std::pair<Index, std::vector<float>>>;

std::function<bool(Index, std::span<const float>)> collect(Rows& rows) {
    return [&rows](Index position, std::span<const float> numbers) {
        rows.emplace_back(position, std::vector<float>(numbers.begin(), numbers.end()));
        return true;
    };
}

void check_rows(const Rows& found, const Rows& expected, bool exact) {
    REQUIRE(found.size() == expected.size());
    for (std::size_t i = 0; i < found.size(); ++i) {
        CHECK(found[i].first == expected[i].first);
        if (exact)
            CHECK((found[i].second == expected[i].second));
        else
            CHECK(error_of(found[i].second, expected[i].second) < 1e-3);
    }
}

}  // namespace

TEST_CASE("a request is told the logits and hidden states after every token of its prompt") {
    const WeightFormat format = GENERATE(WeightFormat::stored, WeightFormat::q8);
    const Setup setup(format);
    const std::string prompt = some_text(150, 1), other = some_text(70, 2);
    Rows logits, hidden;
    {
        State state(setup.model.config());
        Workspace workspace(setup.model.config(), {.threads = 1, .chunk = 64});
        setup.model.forward_all(ids(prompt), state, workspace, collect(logits));
        state.reset();
        setup.model.forward_hidden(ids(prompt), state, workspace, collect(hidden));
    }
    const auto cache = std::make_shared<PrefixCache>(setup.model.config());
    Scheduler scheduler(setup.model, setup.tokenizer, {.workspace = {.threads = 2, .chunk = 32}, .cache = cache});
    const auto run = [&] {
        Rows found_logits, found_hidden;
        const GenerationOptions options{.max_new_tokens = 20};
        const RequestHandle beside = scheduler.submit({.prompt = other, .options = options});
        const RequestHandle both = scheduler.submit({.prompt = prompt,
                                                     .options = options,
                                                     .on_prompt_logits = collect(found_logits),
                                                     .on_hidden = collect(found_hidden)});
        while (scheduler.step()) {
        }
        check_rows(found_logits, logits, setup.is_exact());
        check_rows(found_hidden, hidden, setup.is_exact());
        check_same(both.generation(), setup.alone(prompt, options), setup.is_exact());
        check_same(beside.generation(), setup.alone(other, options), setup.is_exact());
        CHECK(both.result().cached_tokens == 0);
    };
    run();
    CHECK(cache->size() > 0);
    run();  // although the prompt is in the cache
}

TEST_CASE("the logits after the last token of a conversation that goes on come before those of the prompt") {
    const Setup setup;
    Scheduler scheduler(setup.model, setup.tokenizer, {.workspace = {.threads = 1, .chunk = 32}});
    const RequestHandle first =
        scheduler.submit({.prompt = "abc", .options = {.max_new_tokens = 5}, .keep_conversation = true});
    while (scheduler.step()) {
    }
    const auto conversation = std::make_shared<const Conversation>(first.result().conversation->copy());
    REQUIRE(conversation->logits.empty());
    Rows found;
    const RequestHandle second = scheduler.submit({.prompt = "de",
                                                   .options = {.max_new_tokens = 0},
                                                   .on_prompt_logits = collect(found),
                                                   .conversation = conversation});
    while (scheduler.step()) {
    }
    CHECK(second.status() == RequestStatus::finished);
    REQUIRE(found.size() == 3);
    for (Index i = 0; i < 3; ++i) CHECK(found[static_cast<std::size_t>(i)].first == i - 1);
}

TEST_CASE("a callback for the tokens of a prompt can end its request, and no other") {
    const Setup setup;
    const std::string prompt = some_text(90, 3);
    const bool throws = GENERATE(false, true), of_hidden = GENERATE(false, true);
    Scheduler scheduler(setup.model, setup.tokenizer, {.workspace = {.threads = 1, .chunk = 32}});
    Index calls = 0;
    const auto callback = [&](Index position, std::span<const float>) {
        ++calls;
        if (position == 40 && throws) throw std::runtime_error("enough");
        return position < 40;
    };
    Request request{.prompt = prompt, .options = {.max_new_tokens = 5}};
    (of_hidden ? request.on_hidden : request.on_prompt_logits) = callback;
    const RequestHandle ended = scheduler.submit(std::move(request));
    const RequestHandle beside = scheduler.submit({.prompt = "abc", .options = {.max_new_tokens = 30}});
    while (scheduler.step()) {
    }
    CHECK(ended.status() == (throws ? RequestStatus::failed : RequestStatus::cancelled));
    CHECK(calls == 41);
    CHECK(ended.result().generation.tokens.empty());
    check_same(beside.generation(), setup.alone("abc", {.max_new_tokens = 30}), false);
}

TEST_CASE("each step has the log-probability of its token, and the likeliest tokens where they are asked for") {
    const Setup setup;
    const int top = GENERATE(0, 3);
    Scheduler scheduler(setup.model, setup.tokenizer, {.workspace = {.threads = 1, .chunk = 32}});
    std::vector<double> probabilities;
    std::vector<std::vector<TokenLogProbability>> likeliest;
    Request request{.prompt = "abc"};
    request.options = {.max_new_tokens = 20, .speculation = {.max_draft_tokens = 4}, .top_logprobs = top};
    request.on_step = [&](const Step& step) {
        if (step.token) {
            probabilities.push_back(step.log_probability);
            likeliest.emplace_back(step.top_logprobs.begin(), step.top_logprobs.end());
        }
        return true;
    };
    const RequestHandle handle = scheduler.submit(std::move(request));
    while (scheduler.step()) {
    }
    const Generation& generation = handle.generation();
    CHECK(probabilities == generation.log_probabilities);
    REQUIRE(likeliest.size() == generation.tokens.size());
    for (std::size_t i = 0; i < likeliest.size(); ++i) {
        REQUIRE(likeliest[i].size() == static_cast<std::size_t>(top));
        for (std::size_t k = 0; k < likeliest[i].size(); ++k) {
            CHECK(likeliest[i][k].token == generation.top_logprobs[i][k].token);
            CHECK(likeliest[i][k].log_probability == generation.top_logprobs[i][k].log_probability);
        }
    }
}

TEST_CASE("a few of the likeliest tokens are those of all, in their order, equals included") {
    std::vector<float> logits(500);
    std::mt19937 random(5);
    for (float& logit : logits) logit = static_cast<float>(random() % 40) / 8;
    const LogProbabilities probabilities(logits);
    const std::vector<TokenLogProbability> all = probabilities.top(logits.size());
    REQUIRE(all.size() == logits.size());
    for (const std::size_t count : {0U, 1U, 2U, 5U, 32U, 33U, 600U}) {
        const std::vector<TokenLogProbability> some = probabilities.top(count);
        REQUIRE(some.size() == std::min(count, all.size()));
        for (std::size_t i = 0; i < some.size(); ++i) {
            CHECK(some[i].token == all[i].token);
            CHECK(some[i].log_probability == all[i].log_probability);
        }
    }
}
