// The radix tree of states: what it finds, what it forgets, and that a hit changes no answer.

#include <map>
#include <random>
#include <set>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "support.hpp"

using namespace rwkv;
using namespace rwkv::test;

namespace {

/// A state that can be told from others.
State marked(const Config& config, float mark) {
    State state(config);
    state.numerator()(0, 0) = mark;
    return state;
}
float mark_of(const State& state) {
    return state.numerator()(0, 0);
}

Config small_config() {
    Config config;
    config.vocab_size = 16;
    config.num_hidden_layers = 1;
    config.hidden_size = config.attention_hidden_size = 4;
    config.intermediate_size = 8;
    return config;
}

}  // namespace

TEST_CASE("the longest prefix is found, and what it shares with others") {
    const Config config = small_config();
    PrefixCache cache(config);
    State state(config);
    std::vector<float> logits{1, 2};
    const auto insert = [&](const std::vector<TokenId>& tokens, float mark) {
        CHECK(cache.insert(tokens, marked(config, mark)));
    };
    const auto expect = [&](const std::vector<TokenId>& tokens, Index length, Index shared, float mark) {
        CAPTURE(tokens);
        state.reset();
        const PrefixCache::Match match = cache.find(tokens, state, logits);
        CHECK(match.length == length);
        CHECK(match.shared == shared);
        CHECK(mark_of(state) == mark);
    };
    expect({1, 2, 3}, 0, 0, 0);
    CHECK(logits.size() == 2);  // untouched
    insert({1, 2, 3, 4}, 1);
    expect({1, 2, 3, 4, 5}, 4, 4, 1);
    CHECK(logits.empty());
    expect({1, 2, 3}, 0, 3, 0);
    expect({1, 2, 9}, 0, 2, 0);
    expect({1, 2, 3, 4}, 0, 4, 0);  // the next token's logits are not known
    insert({1, 2}, 2);
    expect({1, 2, 3}, 2, 3, 2);
    expect({1, 2, 3, 4, 4}, 4, 4, 1);
    insert({1, 2, 3, 7, 7}, 3);
    expect({1, 2, 3, 7, 7, 7}, 5, 5, 3);
    expect({1, 2, 3, 7, 8}, 2, 4, 2);
    insert({5}, 4);
    expect({5, 5}, 1, 1, 4);
    expect({4}, 0, 0, 0);
    CHECK(cache.size() == 4);
    // Those that are known stay as they are, and get their logits.
    const std::vector<float> next(16, 0.5f);
    CHECK(cache.insert(std::vector<TokenId>{5}, marked(config, 99), next));
    CHECK(cache.size() == 4);
    expect({5}, 1, 1, 4);
    CHECK(logits == next);
    CHECK_FALSE(cache.insert(std::vector<TokenId>{}, state));
    CHECK_THROWS_AS(cache.insert(std::vector<TokenId>{1}, state, std::vector<float>(3)), ArgumentError);
    Config other = config;
    other.hidden_size = 5;
    State wrong(other);
    CHECK_THROWS_AS(cache.insert(std::vector<TokenId>{1}, wrong), ArgumentError);
    CHECK_THROWS_AS(cache.find(std::vector<TokenId>{1}, wrong, logits), ArgumentError);
    CHECK_THROWS_AS(PrefixCache(config, {.checkpoint_interval = -1}), ArgumentError);
    cache.clear();
    CHECK(cache.size() == 0);
    CHECK(cache.bytes() == 0);
    expect({5, 5}, 0, 0, 0);
    insert({5}, 4);
    expect({5, 5}, 1, 1, 4);
}

TEST_CASE("a cache of any history answers as a list of all its states does") {
    const Config config = small_config();
    std::mt19937 random(1);
    for (const std::size_t max_bytes : {std::size_t{1} << 20U, std::size_t{6000}, std::size_t{2000}}) {
        PrefixCache cache(config, {.max_bytes = max_bytes});
        std::map<std::vector<TokenId>, float> all;
        std::size_t hits = 0;
        for (int step = 0; step < 4000; ++step) {
            std::vector<TokenId> tokens(1 + random() % 9);
            for (TokenId& token : tokens) token = static_cast<TokenId>(random() % 3);
            if (random() % 2) {
                const auto mark = static_cast<float>(step + 1);
                const bool known = [&] {
                    State state(config);
                    std::vector<float> logits;
                    return cache.read(tokens, state, logits);
                }();
                if (cache.insert(tokens, marked(config, mark)) && !known) all[tokens] = mark;
            } else {
                // What was removed meanwhile is not expected any more.
                const auto held = cache.prefixes();
                const std::set<std::vector<TokenId>> left(held.begin(), held.end());
                std::size_t expected = 0;
                for (std::size_t length = 1; length < tokens.size(); ++length)
                    if (left.contains({tokens.begin(), tokens.begin() + static_cast<std::ptrdiff_t>(length)}))
                        expected = length;
                State state(config);
                std::vector<float> logits;
                const auto match = cache.find(tokens, state, logits);
                REQUIRE(match.length == static_cast<Index>(expected));
                if (expected > 0) {
                    tokens.resize(expected);
                    REQUIRE(mark_of(state) == all.at(tokens));
                    ++hits;
                }
                REQUIRE(held.size() == cache.size());
            }
            REQUIRE(cache.bytes() <= max_bytes);
        }
        CAPTURE(max_bytes, hits, cache.size());
        CHECK(hits > 100);
    }
}

TEST_CASE("where memory is short, earlier turns go before shared beginnings and latest turns") {
    const Config config = small_config();
    const std::size_t state_bytes = State(config).bytes();
    // Room for six states of a few tokens, whatever the tree adds.
    PrefixCache cache(config, {.max_bytes = 7 * (state_bytes + 320)});
    const auto has = [&](const std::vector<TokenId>& tokens) {
        State state(config);
        std::vector<float> logits;
        return cache.read(tokens, state, logits);
    };
    const auto insert = [&](const std::vector<TokenId>& tokens) { CHECK(cache.insert(tokens, State(config))); };
    insert({9});        // a beginning that two conversations share
    insert({9, 1});     // a turn of the first
    insert({9, 1, 1});  // its next one
    insert({9, 2});     // the second
    const std::size_t four = cache.bytes();
    for (TokenId token = 0; cache.bytes() + four / 4 + 400 <= cache.options().max_bytes; ++token) insert({8, token});
    insert({7, 7});
    insert({7, 6});
    CHECK_FALSE(has({9, 1}));
    CHECK(has({9, 1, 1}));
    // Then the least recently used: the shared beginning was not looked up since.
    for (TokenId token = 0; token < 4; ++token) {
        State state(config);
        std::vector<float> logits;
        cache.find(std::vector<TokenId>{9, 2, 3}, state, logits);
        insert({6, token});
    }
    CHECK(has({9, 2}));
    CHECK(cache.bytes() <= cache.options().max_bytes);
    // What does not fit at all is not taken, and removes nothing.
    const std::size_t before = cache.size();
    CHECK_FALSE(cache.insert(std::vector<TokenId>(10'000, 1), State(config)));
    CHECK(cache.size() == before);
}

TEST_CASE("an answer does not depend on what the cache knows") {
    for (const WeightFormat format : {WeightFormat::stored, WeightFormat::q8, WeightFormat::q4}) {
        const Setup setup(format);
        const std::string system = some_text(70, 1);
        std::vector<std::string> prompts;
        for (unsigned i = 0; i < 6; ++i) prompts.push_back(system + some_text(5 + 20 * i, 10 + i));
        prompts.push_back(system);
        prompts.push_back(some_text(200, 3));
        for (const Index interval : {0, 1, 32}) {
            const auto cache = std::make_shared<PrefixCache>(setup.model.config(),
                                                             PrefixCacheOptions{.checkpoint_interval = interval});
            Scheduler scheduler(setup.model, setup.tokenizer,
                                {.workspace = {.threads = 1, .chunk = 48}, .max_running = 3, .cache = cache});
            std::mt19937 random(5);
            Index cached = 0;
            for (int round = 0; round < 3; ++round) {
                std::vector<std::pair<RequestHandle, Generation>> all;
                for (std::size_t i = 0; i < prompts.size(); ++i) {
                    const GenerationOptions options{.max_new_tokens = 12,
                                                    .sampling = {.temperature = setup.is_exact() ? 1.0f : 0.0f,
                                                                 .repetition_penalty = 1.3f,
                                                                 .no_repeat_ngram_size = 4,
                                                                 .seed = static_cast<std::uint64_t>(random() % 5)}};
                    all.emplace_back(scheduler.submit({.prompt = prompts[i], .options = options}),
                                     setup.alone(prompts[i], options));
                    if (random() % 2)
                        while (scheduler.step()) {
                        }
                }
                while (scheduler.step()) {
                }
                for (const auto& [handle, expected] : all) {
                    CAPTURE(name(format), interval, round);
                    check_same(handle.generation(), expected, setup.is_exact());
                    CHECK(handle.generation().prompt_tokens + handle.result().cached_tokens == expected.prompt_tokens);
                    cached += handle.result().cached_tokens;
                    if (round == 2) CHECK(handle.generation().prompt_tokens == 0);  // whole prompts are known
                }
            }
            CHECK(scheduler.counts().cached_tokens == static_cast<std::uint64_t>(cached));
        }
    }
}

TEST_CASE("a prompt that is known needs no pass for its first token") {
    const Setup setup;
    const auto cache = std::make_shared<PrefixCache>(setup.model.config());
    Scheduler scheduler(setup.model, setup.tokenizer, {.workspace = {.threads = 1}, .cache = cache});
    const Request request{.prompt = some_text(100, 1), .options = {.max_new_tokens = 1}};
    scheduler.submit(request);
    while (scheduler.step()) {
    }
    const auto passes = scheduler.counts().passes;
    const RequestHandle handle = scheduler.submit(request);
    CHECK_FALSE(scheduler.step());
    CHECK(handle.status() == RequestStatus::finished);
    CHECK(scheduler.counts().passes == passes);
    CHECK(handle.result().cached_tokens == 100);
    // Unless the request does not want the cache.
    Request alone = request;
    alone.use_cache = false;
    scheduler.submit(alone);
    while (scheduler.step()) {
    }
    CHECK(scheduler.counts().prompt_tokens == 200);
}

TEST_CASE("a turn of a chat reads only its new tokens") {
    const Setup setup(WeightFormat::q8);
    const auto cache = std::make_shared<PrefixCache>(setup.model.config());
    Scheduler scheduler(setup.model, setup.tokenizer, {.workspace = {.threads = 1}, .cache = cache});
    Generator generator(setup.model, setup.tokenizer, {.threads = 1});
    std::string history;
    for (unsigned turn = 0; turn < 5; ++turn) {
        const std::string message = some_text(30, turn);
        const GenerationOptions options{.max_new_tokens = 20, .sampling = {.logit_bias = {{0, -1000.0f}}}};
        const RequestHandle handle = scheduler.submit({.tokens = ids(history + message), .options = options});
        while (scheduler.step()) {
        }
        std::vector<TokenId> all = ids(history + message);
        const Generation expected = setup.alone(history + message, options);
        check_same(handle.generation(), expected, setup.is_exact());
        // The very last token of an answer was not read.
        CHECK(handle.generation().prompt_tokens == (turn == 0 ? 30 : 31));
        history += message;
        for (const TokenId token : handle.generation().tokens) history += static_cast<char>(token & 0x7F);
        if (std::ranges::any_of(handle.generation().tokens, [](TokenId token) { return token > 0x7F; })) break;
    }
}

TEST_CASE("a beginning that prompts share is kept when it is seen for the second time") {
    const Setup setup;
    const auto cache =
        std::make_shared<PrefixCache>(setup.model.config(), PrefixCacheOptions{.checkpoint_interval = 0});
    Scheduler scheduler(setup.model, setup.tokenizer, {.workspace = {.threads = 1}, .cache = cache});
    const std::string system = some_text(90, 1);
    std::vector<Index> read;
    for (const char* question : {"a?", "b?", "c?", "d?"}) {
        const RequestHandle handle = scheduler.submit({.prompt = system + question, .options = {.max_new_tokens = 1}});
        while (scheduler.step()) {
        }
        read.push_back(handle.generation().prompt_tokens);
    }
    CHECK(read == std::vector<Index>{92, 92, 2, 2});
}

TEST_CASE("a conversation from elsewhere is not put into the cache") {
    const Setup setup;
    const auto cache = std::make_shared<PrefixCache>(setup.model.config());
    Scheduler scheduler(setup.model, setup.tokenizer, {.workspace = {.threads = 1}, .cache = cache});
    // It says that it has read what it has not.
    Conversation false_one{State(setup.model.config()), ids("Hello"), {}};
    false_one.state.numerator()(0, 0) = 5;
    scheduler.submit({.prompt = " world",
                      .options = {.max_new_tokens = 3},
                      .conversation = std::make_shared<const Conversation>(std::move(false_one))});
    while (scheduler.step()) {
    }
    CHECK(cache->size() == 0);
}
