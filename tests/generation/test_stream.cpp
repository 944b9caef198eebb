// A text as a range of chunks; what callbacks may do, and how they stop.

#include <concepts>
#include <cstdint>
#include <iterator>
#include <ranges>
#include <span>
#include <stop_token>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <rwkv/rwkv.hpp>

#include "../catch.hpp"
#include "support.hpp"

using namespace rwkv;
using namespace rwkv::test;

namespace {

static_assert(std::ranges::input_range<TextStream>);
static_assert(std::same_as<std::ranges::range_value_t<TextStream>, std::string_view>);

const std::string in_progress = "expected no other call or open stream of this generator, found one in progress";

}  // namespace

TEST_CASE("a stream gives the chunks that a callback gets") {
    const GenerationOptions options{
        .max_new_tokens = 40, .sampling = {.temperature = 1.2f, .seed = 3}, .stop_strings = {"ab", "e "}};
    std::vector<std::string> expected, found;
    Generator by_callback = generator(), by_stream = generator();
    for (const std::string& turn : {prompt, std::string(" and")}) {
        const Generation result = by_callback.generate(turn, options, [&](std::string_view text) {
            expected.emplace_back(text);
            return true;
        });
        for (const std::string_view text : by_stream.stream(turn, options)) found.emplace_back(text);
        CHECK(found == expected);
        CHECK(by_stream.result().text == result.text);
        CHECK(by_stream.result().tokens == result.tokens);
        CHECK(by_stream.result().finish_reason == result.finish_reason);
        CHECK(by_stream.result().prompt_tokens == result.prompt_tokens);
        CHECK(by_stream.result().decode_steps == result.decode_steps);
        CHECK(by_stream.result().prompt_seconds > 0);
        CHECK(by_stream.result().decode_seconds > 0);
    }
    CHECK(found.size() > 10);
    for (const std::string_view text : by_stream.stream("x", {.max_new_tokens = 0})) FAIL(text);
    CHECK(by_stream.result().prompt_tokens > 0);
}

TEST_CASE("a stream decodes when it is asked, and ends where the loop is left") {
    Generator own = generator(), by_callback = generator();
    int pieces = 0;
    const Generation expected =
        by_callback.generate(prompt, {.max_new_tokens = 40}, [&](std::string_view) { return ++pieces < 3; });
    {
        auto stream = own.stream(prompt, {.max_new_tokens = 40});
        CHECK(own.tokens().empty());  // nothing is read before it is asked for
        auto it = stream.begin();
        CHECK(own.result().text == *it);
        CHECK(own.conversation().tokens.size() == own.tokens().size());
        ++it;
        it++;
        CHECK(it != stream.end());
        CHECK(stream.begin() != stream.end());  // does not begin again
        TextStream moved = std::move(stream);
        CHECK(*moved.begin() == *it);
    }
    CHECK(own.result().tokens == expected.tokens);
    CHECK(own.result().text == expected.text);
    CHECK(own.result().finish_reason == FinishReason::callback);
    CHECK(std::ranges::equal(own.tokens(), by_callback.tokens()));
    // And may be continued.
    const auto tokens = own.generate("", {.max_new_tokens = 5}).tokens;
    CHECK(tokens == by_callback.generate("", {.max_new_tokens = 5}).tokens);

#if !defined(__clang__) || __clang_major__ >= 16  // clang 14 does not compile the views of gcc 12's library
    Generator viewed = generator();
    std::string text;
    for (const std::string_view piece : viewed.stream(prompt, {.max_new_tokens = 40}) | std::views::take(3))
        text += piece;
    CHECK(viewed.result().finish_reason == FinishReason::callback);
    CHECK(viewed.result().text.starts_with(text));
#endif
    // Never iterated: the prompt is not read.
    Generator unread = generator();
    static_cast<void>(unread.stream(prompt));
    CHECK(unread.result().prompt_tokens == 0);
    CHECK(unread.tokens().empty());
}

TEST_CASE("a stream that is finished or closed does not hinder the next call") {
    Generator own = generator();
    auto first = own.stream(prompt, {.max_new_tokens = 3});
    for (const std::string_view text : first) CHECK_FALSE(text.empty());
    auto second = own.stream(" and", {.max_new_tokens = 10});
    CHECK(second.begin() != second.end());
    first.close();  // not of the second's concern
    CHECK_THROWS_AS(own.generate("x"), ArgumentError);
    second.close();
    CHECK(own.generate("", {.max_new_tokens = 2}).tokens.size() == 2);
}

TEST_CASE("what is refused in a stream is refused at once, and what fails later ends it") {
    Generator own = generator();
    CHECK_THROWS_AS(own.stream(""), ArgumentError);
    CHECK_THROWS_AS(own.stream("x", {.sampling = {.top_p = 2.0f}}), ArgumentError);
    int calls = 0;
    const GenerationOptions options{.sampling = {.logits_processor = [&](std::span<const TokenId>, std::span<float>) {
                                        if (++calls == 3) throw std::string("no");
                                    }}};
    {
        auto stream = own.stream(prompt, options);
        auto it = stream.begin();
        ++it;
        CHECK_THROWS_AS(++it, std::string);
    }
    Generator twin = generator();
    twin.generate(prompt, {.max_new_tokens = 2});
    CHECK(std::ranges::equal(own.tokens(), twin.tokens()));
    CHECK(own.generate("", {.max_new_tokens = 4}).tokens == twin.generate("", {.max_new_tokens = 4}).tokens);
}

TEST_CASE("a generator refuses to be used by its own callbacks") {
    Generator own = generator(), twin = generator();
    const Conversation start = own.conversation();
    const auto try_all = [&] {
        CHECK(outcome([&] { own.generate("x"); }) == "ArgumentError Generator::generate: " + in_progress);
        CHECK(outcome([&] { own.generate(std::vector<TokenId>{1}); }) ==
              "ArgumentError Generator::generate: " + in_progress);
        CHECK(outcome([&] { static_cast<void>(own.stream("x")); }) ==
              "ArgumentError Generator::stream: " + in_progress);
        CHECK(outcome([&] { own.reset(); }) == "ArgumentError Generator::reset: " + in_progress);
        CHECK(outcome([&] { own.resume(start); }) == "ArgumentError Generator::resume: " + in_progress);
    };
    const Generation expected = twin.generate(prompt, {.max_new_tokens = 4});
    CHECK(own.generate(prompt,
                       {.max_new_tokens = 4,
                        .sampling = {.logits_processor =
                                         [&](std::span<const TokenId>, std::span<float>) {
                                             try_all();
                                             CHECK_THROWS_AS(own.conversation(), ArgumentError);
                                         }},
                        .progress =
                            [&](std::string_view, std::uint64_t, std::uint64_t) {
                                try_all();
                                CHECK_THROWS_AS(own.conversation(), ArgumentError);
                                return true;
                            }},
                       [&](std::string_view) {
                           try_all();
                           CHECK(own.conversation().tokens.size() == own.tokens().size());
                           return true;
                       })
              .text == expected.text);
    own.reset();
    for (const std::string_view text : own.stream(prompt, {.max_new_tokens = 4})) {
        CHECK_FALSE(text.empty());
        try_all();
    }
    CHECK(own.result().text == expected.text);
    // An exception from a callback leaves it usable.
    CHECK_THROWS_AS(own.generate("x", {}, [](std::string_view) -> bool { throw std::string("no"); }), std::string);
    own.reset();
    CHECK(own.generate(prompt, {.max_new_tokens = 4}).text == expected.text);
}

TEST_CASE("progress cancels the reading of a prompt, and the conversation is as before") {
    for (const Index chunk : {1, 3, 64})
        for (const bool throws : {false, true}) {
            Generator own = generator({.threads = 1, .chunk = chunk}), twin = generator({.threads = 1, .chunk = chunk});
            own.generate(prompt, {.max_new_tokens = 3});
            twin.generate(prompt, {.max_new_tokens = 3});
            const std::vector<TokenId> before(own.tokens().begin(), own.tokens().end());
            std::uint64_t most = 0;
            const auto progress = [&](std::string_view stage, std::uint64_t done, std::uint64_t total) {
                CHECK(stage == "prompt");
                CHECK(total == 9);
                most = done;
                if (throws && done >= 3) throw std::string("no");
                return done < 3;
            };
            const auto cancelled = [&] { return own.generate(" and all", {.progress = progress}); };
            if (throws) {
                CHECK_THROWS_AS(cancelled(), std::string);
            } else {
                const Generation result = cancelled();
                CHECK(result.finish_reason == FinishReason::callback);
                CHECK(result.text.empty());
                CHECK(result.tokens.empty());
                CHECK(result.prompt_tokens == 0);
            }
            CHECK(most >= 3);
            CHECK(std::ranges::equal(own.tokens(), before));
            CHECK(own.state() == twin.state());
            CHECK(own.generate(" go", {.max_new_tokens = 4}).tokens ==
                  twin.generate(" go", {.max_new_tokens = 4}).tokens);
        }
}

TEST_CASE("a stop request ends a text as a callback does") {
    Generator own = generator(), twin = generator();
    std::stop_source source;
    int pieces = 0;
    const Generation result =
        own.generate(prompt, {.max_new_tokens = 40, .stop = source.get_token()}, [&](std::string_view) {
            if (++pieces == 3) source.request_stop();
            return true;
        });
    CHECK(result.finish_reason == FinishReason::callback);
    CHECK(pieces == 3);
    const Generation expected = twin.generate(prompt, {.max_new_tokens = std::ssize(result.tokens)});
    CHECK(result.tokens == expected.tokens);
    // Requested already: nothing is read.
    CHECK(own.generate(" and", {.stop = source.get_token()}).finish_reason == FinishReason::callback);
    CHECK(std::ranges::equal(own.tokens(), twin.tokens()));
    CHECK(own.state() == twin.state());
    for (const std::string_view text : own.stream(" and", {.stop = source.get_token()})) FAIL(text);
    CHECK(own.generate(" go", {.max_new_tokens = 4}).tokens == twin.generate(" go", {.max_new_tokens = 4}).tokens);
}
