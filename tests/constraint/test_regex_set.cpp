// Regular expressions over bytes by derivatives.

#include <cstdint>
#include <string>
#include <vector>

#include <rwkv/constraint/regex_set.hpp>
#include <rwkv/core/error.hpp>
#include <rwkv/text/utf8.hpp>

#include "../catch.hpp"
#include "../support.hpp"

using namespace rwkv;
using namespace rwkv::constraint;
using namespace rwkv::test;

TEST_CASE("expressions match what they say", "[regex_set]") {
    RegexSet set;
    const Regex a = set.literal("a"), b = set.literal("b");
    const Regex abb = set.concat({set.star(set.any_of({a, b})), set.literal("abb")});
    CHECK(set.matches(abb, "babb"));
    CHECK_FALSE(set.matches(abb, "bab"));
    CHECK(set.matches(Regex::anything, "\xFF"));
    CHECK_FALSE(set.matches(Regex::nothing, ""));
    CHECK(set.matches(Regex::empty, ""));
    CHECK_FALSE(set.matches(Regex::empty, "a"));
    const Regex not_abb = set.complement(abb);
    CHECK(set.matches(not_abb, "bab"));
    CHECK_FALSE(set.matches(not_abb, "abb"));
    const Regex counted = set.repeat(a, 2, 4);
    for (std::size_t n = 0; n < 8; ++n) CHECK(set.matches(counted, std::string(n, 'a')) == (n >= 2 && n <= 4));
    const Regex optional_counted = set.repeat(set.optional(a), 2, 4);
    for (std::size_t n = 0; n < 8; ++n) CHECK(set.matches(optional_counted, std::string(n, 'a')) == (n <= 4));
    const Regex nested = set.repeat(set.repeat(a, 0, 3), 0, 2);
    for (std::size_t n = 0; n < 9; ++n) CHECK(set.matches(nested, std::string(n, 'a')) == (n <= 6));
    const Regex threes = set.repeat(set.repeat(a, 3, 3), 1, 2);
    for (std::size_t n = 0; n < 9; ++n) CHECK(set.matches(threes, std::string(n, 'a')) == (n == 3 || n == 6));
    CHECK(set.repeat(a, 3, 2) == Regex::nothing);
    CHECK(set.repeat(Regex::nothing, 0, 3) == Regex::empty);
    CHECK(set.repeat(Regex::nothing, 1, 3) == Regex::nothing);
    std::string text;
    CHECK(set.is_literal(set.literal("abc"), text));
    CHECK(text == "abc");
    CHECK_FALSE(set.is_literal(abb, text));
}

TEST_CASE("many literals share their beginnings and ends", "[regex_set]") {
    RegexSet set;
    const std::vector<std::string> few{"apple", "app", "banana", "band", ""};
    const Regex regex = set.literals(few);
    for (const std::string& text : few) CHECK(set.matches(regex, text));
    CHECK_FALSE(set.matches(regex, "ap"));
    CHECK_FALSE(set.matches(regex, "applebanana"));
    CHECK(set.literals({}) == Regex::nothing);

    std::vector<std::string> many;
    for (int i = 0; i < 100'000; ++i) many.push_back("word " + std::to_string(i) + " of many");
    const Regex large = set.literals(many);
    CHECK(set.matches(large, many[77'777]));
    CHECK_FALSE(set.matches(large, "word 100000 of many"));
    CHECK(set.count() < 10'000);
    // A long string, and beginnings of it.
    const std::vector<std::string> chain{std::string(100'000, 'x'), std::string(50'000, 'x'), "x"};
    const Regex long_one = set.literals(chain);
    for (const std::string& text : chain) CHECK(set.matches(long_one, text));
    CHECK_FALSE(set.matches(long_one, "xx"));
}

TEST_CASE("characters are UTF-8, without surrogates and longer forms", "[regex_set]") {
    RegexSet set;
    const CharacterRange excluded[] = {{'"', '"'}, {'\\', '\\'}, {0, 0x1F}};
    const Regex regex = set.characters_except(excluded);
    for (const char* text :
         {"a", "\xC3\xA9", "\xE2\x82\xAC", "\xF0\x9F\x98\x80", "\x7F", "\xF4\x8F\xBF\xBF", "\xC2\x80", "\xEE\x80\x80"})
        CHECK(set.matches(regex, text));
    for (const char* text : {"", "\"", "\\", "\n", "ab", "\x80", "\xC3", "\xC0\x80", "\xE0\x80\x80", "\xED\xA0\x80",
                             "\xF4\x90\x80\x80", "\xF0\x80\x80\x80", "\xFF"})
        CHECK_FALSE(set.matches(regex, text));
    // Every character against a range that begins and ends anywhere.
    const CharacterRange range[] = {{0x7F, 0x7F}, {0x3B1, 0x10437}, {0x10FFFE, 0x10FFFF}};
    const Regex some = set.characters(range), others = set.characters_except(range);
    for (char32_t c = 0; c <= 0x10FFFF; c += c < 0x900 ? 1 : 37) {
        if (c >= 0xD800 && c <= 0xDFFF) continue;
        std::string text;
        text::append_utf8(text, c);
        const bool in = c == 0x7F || (c >= 0x3B1 && c <= 0x10437) || c >= 0x10FFFE;
        if (set.matches(some, text) != in || set.matches(others, text) == in) FAIL(static_cast<std::uint32_t>(c));
    }
    CHECK(set.characters({}) == Regex::nothing);
}

TEST_CASE("intersections and complements know whether anything is left", "[regex_set]") {
    RegexSet set;
    const Regex a = set.literal("a"), any = set.bytes(ByteSet::all());
    CHECK(set.is_empty(set.all_of({set.repeat(a, 3, 3), set.star(set.literal("aa"))})));
    CHECK_FALSE(set.is_empty(set.all_of({set.repeat(a, 3, 4), set.star(set.literal("aa"))})));
    CHECK(set.contains(set.star(a), set.repeat(a, 3, 9)));
    CHECK_FALSE(set.contains(set.repeat(a, 3, 9), set.star(a)));
    CHECK(set.disjoint(set.concat({Regex::anything, a}), set.concat({Regex::anything, set.literal("b")})));
    CHECK_FALSE(set.disjoint(set.concat({Regex::anything, a}), set.concat({a, Regex::anything})));
    // Counted without being unrolled: 2,000 characters, of which the pattern is repeated.
    const Regex both = set.all_of({set.repeat(any, 1500, 2000), set.star(set.literal("abc"))});
    CHECK_FALSE(set.is_empty(both));
    std::string text;
    for (int i = 0; i < 500; ++i) text += "abc";
    CHECK(set.matches(both, text));
    CHECK_FALSE(set.matches(both, text.substr(3)));
    CHECK(set.is_empty(set.all_of({set.repeat(any, 1, 2), set.repeat(set.literal("abc"), 1, unbounded)})));
    // A concatenation is empty where a part is.
    CHECK(set.is_empty(
        set.concat({a, set.all_of({set.repeat(a, 1, 3), set.star(set.literal("bb")), set.complement(Regex::empty)})})));
}

TEST_CASE("what is left of an address is found on a short way", "[regex_set]") {
    // Each character leads to another expression, whose shortest string is the same as before.
    RegexSet set;
    const Regex any = set.characters_except({});
    const CharacterRange at[] = {{'@', '@'}}, at_or_dot[] = {{'@', '@'}, {'.', '.'}};
    const Regex address =
        set.concat({set.plus(set.characters_except(at)), set.literal("@"), set.plus(set.characters_except(at_or_dot)),
                    set.literal(".gov.uk"), set.star(any)});
    Regex rest = set.all_of({address, set.repeat(any, 5, 254)});
    int possible = 0;
    for (int i = 0; i < 254 && rest != Regex::nothing && !set.is_empty(rest); ++i, ++possible)
        rest = set.derivative(rest, i == 100 ? '@' : 'x');
    CHECK(possible == 254 - 7 + 1);  // "…gov.uk" must still fit, after a dot
    CHECK(set.count() < 4000);
}

TEST_CASE("ambiguous counting takes few states", "[regex_set]") {
    RegexSet set;
    const Regex a = set.literal("a"), counted = set.repeat(set.any_of({a, set.literal("aa")}), 0, 1000);
    CHECK(set.matches(counted, std::string(2000, 'a')));
    CHECK_FALSE(set.matches(counted, std::string(2001, 'a')));
    CHECK(set.count() < 20'000);
}

TEST_CASE("multiples of numbers", "[regex_set]") {
    RegexSet set;
    const Regex sevens = set.remainder(7, 0);
    for (int i = 0; i < 1000; ++i) CHECK(set.matches(sevens, std::to_string(i)) == (i % 7 == 0));
    CHECK(set.matches(sevens, "14.00"));
    CHECK_FALSE(set.matches(sevens, "14.7"));
    const Regex twentieths = set.remainder(5, 2);  // of 0.05
    for (const char* text : {"0.05", "3", "3.1", "3.100", "3.15", ".5"}) CHECK(set.matches(twentieths, text));
    for (const char* text : {"3.01", "3.051", "0.005", "1.2.3", "1e2"}) CHECK_FALSE(set.matches(twentieths, text));
    // No number below one: nothing may follow the second digit that is wrong.
    CHECK(set.derivative(set.derivative(set.derivative(twentieths, '.'), '0'), '1') == Regex::nothing);
    CHECK(outcome([&] { static_cast<void>(set.remainder(0, 0)); }).find("divisor") != std::string::npos);
    CHECK(outcome([&] { static_cast<void>(set.remainder(3, 1000)); }).find("digits after the point") !=
          std::string::npos);
}

TEST_CASE("expressions that nest too deeply are refused", "[regex_set]") {
    RegexSet set;
    Regex regex = set.literal("a");
    const std::string message = outcome([&] {
        for (int i = 0; i < 100'000; ++i) regex = set.star(set.concat({set.literal("b"), regex, set.literal("c")}));
    });
    CHECK(message.find("nesting") != std::string::npos);
    CHECK(set.matches(set.star(set.literal("b")), "bbb"));
    // A long list of optional parts does not nest.
    std::vector<Regex> parts;
    for (int i = 0; i < 5'000; ++i)
        parts.push_back(set.optional(set.literal(std::string(1, static_cast<char>('a' + i % 26)))));
    CHECK(set.matches(set.concat(parts), "azazaz"));
}

TEST_CASE("runs of characters that may come whatever they are", "[regex_set]") {
    RegexSet set;
    const Regex lower = set.bytes(ByteSet::range('a', 'z')), quote = set.literal("\"");
    const CharacterRange excluded[] = {{'"', '"'}, {'\\', '\\'}, {0, 0x1F}};
    const Regex character = set.characters_except(excluded);
    const std::uint32_t letters = set.add_character_class(lower),
                        digits = set.add_character_class(set.bytes(ByteSet::range('0', '9')));
    const auto string = [&](std::uint32_t min, std::uint32_t max) {
        return set.concat({set.repeat(character, min, max), quote});
    };
    CHECK(set.accepts_run(string(0, unbounded), letters, 100));
    CHECK(set.accepts_run(string(50, 200), letters, 100));
    CHECK_FALSE(set.accepts_run(string(0, 99), letters, 100));
    CHECK_FALSE(set.accepts_run(set.concat({set.star(lower), quote}), digits, 1));
    const std::vector<std::string> names{"name\"", "age\""};
    CHECK(set.accepts_run(set.difference(string(0, unbounded), set.literals(names)), letters, 100));
    // All beginnings can be completed here, but not this one.
    CHECK_FALSE(set.accepts_run(set.difference(string(0, unbounded), set.concat({set.literal("a"), Regex::anything})),
                                letters, 100));
}
