#include <rwkv/rwkv.hpp>

#include "../catch.hpp"
#include "support.hpp"

using namespace rwkv;
using namespace rwkv::test;

namespace {

const std::string opening = "Once";

std::vector<TokenId> words(Generator& from, std::uint64_t seed, const std::string& more = "") {
    return from.generate(more, {.max_new_tokens = 12, .sampling = {.temperature = 1.0f, .seed = seed}}).tokens;
}

}  // namespace

TEST_CASE("several continuations of one prompt are those of as many conversations") {
    Generator one = generator();
    one.generate(opening, {.max_new_tokens = 0});
    const Conversation start = one.conversation();
    for (const std::uint64_t seed : {1U, 2U, 3U}) {
        Generator alone = generator();
        one.resume(start);
        const auto expected = words(alone, seed, opening);
        CHECK(words(one, seed) == expected);
        CHECK(one.tokens().size() == opening.size() + 12);
        CHECK(std::equal(one.tokens().begin(), one.tokens().end(), alone.tokens().begin(), alone.tokens().end()));
        // And go on alike.
        CHECK(words(one, seed, " more") == words(alone, seed, " more"));
    }
}

TEST_CASE("a conversation taken up from a file goes on as if never left") {
    const TempDir directory;
    const auto path = directory.path() / "conversation.safetensors";
    Generator first = generator();
    const Config& config = first.model().config();

    // With its last word unread, and with everything read.
    for (const Index count : {5, 0}) {
        first.reset();
        first.generate(opening, {.max_new_tokens = count});
        const Conversation here = first.conversation();
        CHECK(here.logits.empty() == (count > 0));
        save_conversation(here, path);
        const auto expected = words(first, 7, " and then");
        const Conversation back = load_conversation(path, config);
        CHECK(back.tokens == here.tokens);
        CHECK(back.logits == here.logits);
        CHECK(back.state == here.state);
        Generator second = generator();
        second.generate("something else", {.max_new_tokens = 3});
        second.resume(back);
        CHECK(words(second, 7, " and then") == expected);
        second.resume(here.copy());
        Generator third = generator();
        third.resume(load_conversation(path, config));
        CHECK(words(third, 9) == words(second, 9));
    }
    // An empty one is fine too, and still needs a prompt.
    Generator empty = generator();
    save_conversation(empty.conversation(), path);
    first.resume(load_conversation(path, config));
    CHECK(first.tokens().empty());
    CHECK_THROWS_AS(first.generate(""), ArgumentError);
    CHECK(words(first, 1, opening) == words(empty, 1, opening));
}

TEST_CASE("conversations that do not fit are refused, and change nothing") {
    Generator own = generator();
    own.generate(opening, {.max_new_tokens = 4});
    Generator other(load_model(fixture("plain")));
    const Conversation foreign = other.conversation();
    CHECK_THROWS_AS(own.resume(foreign), ArgumentError);
    Conversation short_logits = own.conversation();
    short_logits.logits.resize(7);
    CHECK_THROWS_AS(own.resume(short_logits), ArgumentError);
    Generator twin = generator();
    twin.generate(opening, {.max_new_tokens = 4});
    CHECK(words(own, 3) == words(twin, 3));
}

TEST_CASE("what is no conversation's file is refused by name") {
    const TempDir directory;
    const auto path = directory.path() / "file.safetensors";
    Generator own = generator();
    own.generate(opening, {.max_new_tokens = 0});
    const Config& config = own.model().config();
    const auto load = [&] { return outcome([&] { return load_conversation(path, config); }); };

    save_state(own.state(), path);
    CHECK(as_expected(load(), {"ModelError", "format", "rwkv-4 conversation", "rwkv-4 state"}));
    save_conversation(own.conversation(), path);
    CHECK(load() == "accepted");
    CHECK(as_expected(
        outcome([&] { return load_conversation(path, Generator(load_model(fixture("plain"))).model().config()); }),
        {"ModelError", "attention.shift", "by the model"}));
    CHECK(as_expected(outcome([&] { return load_state(path, config); }),
                      {"ModelError", "format", "rwkv-4 conversation"}));
}
