// Masks of tokens, and texts that are followed token by token.

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <random>
#include <span>
#include <string>
#include <vector>

#include <rwkv/constraint.hpp>
#include <rwkv/constraint/grammar_builder.hpp>
#include <rwkv/core/error.hpp>
#include <rwkv/load_tokenizer.hpp>

#include "../catch.hpp"
#include "../support.hpp"
#include "support.hpp"

using namespace rwkv;
using namespace rwkv::constraint;
using namespace rwkv::test;

namespace {

/// Grammars of many kinds: recursion, ambiguity, lengths, characters beyond ASCII, runs of text.
std::vector<std::string> grammars() {
    return {
        json_grammar,
        "root ::= [^\\n]* \"\\n\"",
        "root ::= .{0,40} \"\\\"\"",
        "root ::= \"\\\"\" [^\"\\\\\\x7F\\x00-\\x1F]{3,30} \"\\\"\" (\",\" root)?",
        "root ::= \"{\\\"name\\\":\\\"\" [a-zA-Z_]+ \"\\\",\\\"age\\\":\" [0-9]{1,3} \"}\"",
        "root ::= root [-+*/] root | [0-9]+ | \"(\" root \")\"",
        "root ::= ([a-z] | \"ab\" | \"abc\" [0-9]?)* \".\"",
        "root ::= (\"tr\" \"ue\" | \"true\" | \"the \" root){1,4}",
        "root ::= [\\u00e0-\\u20ac]+ | \"\\U0001F600\"+",
        "root ::= x y\nx ::= | \"a\" x \"b\"\ny ::= | \"b\" y \"a\"",
        "root ::= s\ns ::= s s | [ab] | \"aba\"",
    };
}

}  // namespace

TEST_CASE("a mask has the tokens that can be accepted, and no others", "[matcher]") {
    const Tokenizer tokenizer = json_tokenizer();
    const TokenVocabulary vocabulary(tokenizer);
    std::mt19937 random(1);
    std::size_t states = 0;
    for (const std::string& text : grammars()) {
        const Constraint constraint = grammar(text);
        for (int walk = 0; walk < 6; ++walk) {
            Matcher matcher(constraint, vocabulary);
            std::string said;
            for (int step = 0; step < 25; ++step, ++states) {
                const auto [mask, tried] = masks(matcher, tokenizer);
                INFO(text << "\nafter \"" << said << "\"");
                CHECK(ids_of(mask) == ids_of(tried));
                std::vector<TokenId> allowed = ids_of(mask);
                CHECK_FALSE(allowed.empty());  // there are no dead ends
                CHECK((mask[0] & 1U) == (matcher.may_end() ? 1U : 0U));
                allowed.erase(std::remove(allowed.begin(), allowed.end(), 0), allowed.end());
                CHECK(allowed.empty() != matcher.may_continue());
                if (allowed.empty()) break;
                const TokenId token =
                    allowed[std::uniform_int_distribution<std::size_t>(0, allowed.size() - 1)(random)];
                CHECK(matcher.accept(token));
                said += tokenizer.token_bytes(token);
                CHECK(constraint.matches(said) == matcher.may_end());
            }
        }
    }
    CHECK(states > 1000);
}

TEST_CASE("walks end in texts that match", "[matcher]") {
    const Tokenizer tokenizer = json_tokenizer();
    const TokenVocabulary vocabulary(tokenizer);
    const Constraint constraint = grammar(json_grammar);
    const Matcher begin(constraint, vocabulary);
    std::mt19937 random(2);
    std::vector<std::uint64_t> mask(begin.mask_words());
    for (int walk = 0; walk < 200; ++walk) {
        Matcher matcher = begin;
        std::string said;
        // Then the shortest way out: closing brackets and quotation marks first.
        for (int step = 0; step < 400 && !(matcher.may_end() && step > 30); ++step) {
            matcher.mask(mask);
            std::vector<TokenId> allowed = ids_of(mask);
            TokenId token = allowed[std::uniform_int_distribution<std::size_t>(0, allowed.size() - 1)(random)];
            if (step > 30)
                for (const char* closing : {":", "0", "}", "]", "\""})
                    for (const TokenId id : allowed)
                        if (id != 0 && tokenizer.token_bytes(id) == closing) token = id;
            if (token == 0) break;
            CHECK(matcher.accept(token));
            said += tokenizer.token_bytes(token);
        }
        INFO(said);
        CHECK(matcher.may_end());
        CHECK(constraint.matches(said));
    }
}

TEST_CASE("masks of a whole vocabulary", "[matcher]") {
    const std::filesystem::path file = std::filesystem::path(RWKV_SHARED_DATA_DIR) / "20B_tokenizer.json";
    if (!std::filesystem::exists(file)) {
        WARN("skipped: there is no " << file);
        return;
    }
    const Tokenizer tokenizer = load_tokenizer(file);
    const TokenVocabulary vocabulary(tokenizer);
    std::mt19937 random(3);
    for (const std::string& text : grammars()) {
        const Constraint constraint = grammar(text);
        Matcher matcher(constraint, vocabulary);
        std::vector<TokenId> before;
        for (int step = 0; step < 8; ++step) {
            const auto [mask, tried] = masks(matcher, tokenizer);
            INFO(text << "\nafter \"" << tokenizer.decode(before) << "\"");
            CHECK(ids_of(mask) == ids_of(tried));
            std::vector<TokenId> allowed = ids_of(mask);
            allowed.erase(std::remove(allowed.begin(), allowed.end(), 0), allowed.end());
            if (allowed.empty()) break;
            before.push_back(allowed[std::uniform_int_distribution<std::size_t>(0, allowed.size() - 1)(random)]);
            CHECK(matcher.accept(before.back()));
        }
    }
}

TEST_CASE("a matcher is a value", "[matcher]") {
    const Tokenizer tokenizer = json_tokenizer();
    const Constraint constraint = grammar(json_grammar);
    Matcher one(constraint, TokenVocabulary(tokenizer));
    CHECK(one.accept("{\"a\": [1, 2,"));
    const Matcher kept = one;
    Matcher other = one;
    CHECK(other == kept);
    CHECK_FALSE(other.accept("]"));
    CHECK(other == kept);  // nothing is changed by what may not come
    CHECK_FALSE(other.accept("22, x"));
    CHECK(other == kept);
    CHECK(other.accept("22, 3,"));
    CHECK(other == kept);  // after an element of a list the parser is where it was
    CHECK(other.accept("4]"));
    CHECK_FALSE(other == kept);
    CHECK(other.accept("}"));
    CHECK(other.may_end());
    one = other;
    CHECK(one.may_end());
    CHECK_FALSE(kept.may_end());
    Matcher rest = kept;
    CHECK(rest.accept("{}]}"));
    // Of another call, and so of other numbers.
    CHECK_FALSE(Matcher(constraint, TokenVocabulary(tokenizer)) == Matcher(constraint, TokenVocabulary(tokenizer)));
}

TEST_CASE("special tokens are no text, and end tokens come where the text may end", "[matcher]") {
    const Tokenizer tokenizer = greedy_tokenizer({"ab"});
    const Constraint constraint = grammar("root ::= \"a\" [a-z<>]*");
    Matcher matcher(constraint, TokenVocabulary(tokenizer));
    CHECK_FALSE(matcher.accept(TokenId{0}));
    CHECK(matcher.accept("a"));
    CHECK(matcher.accept(TokenId{0}));
    CHECK_FALSE(matcher.accept(TokenId{1'000'000}));
    CHECK_FALSE(matcher.accept(TokenId{-1}));
    // End tokens beyond the tokenizer, and a text token that ends.
    Matcher far(constraint, TokenVocabulary(tokenizer, {500, 1 + 'b'}));
    CHECK(far.mask_words() == 8);
    std::vector<std::uint64_t> mask(8);
    CHECK(far.accept("a"));
    far.mask(mask);
    CHECK((mask[500 / 64] >> 500 % 64 & 1U) == 1);
    CHECK((mask[(1 + 'b') / 64] >> (1 + 'b') % 64 & 1U) == 1);
    CHECK(far.accept(TokenId{1 + 'b'}));
    CHECK((mask[0] & 1U) == 0);
    std::vector<std::uint64_t> few(1);
    CHECK_THAT(outcome([&] { far.mask(few); }), Catch::Matchers::ContainsSubstring("expected at least 8, found 1"));
    CHECK_THAT(outcome([&] { TokenVocabulary(tokenizer, {-1}); }), Catch::Matchers::ContainsSubstring("end token"));
}

TEST_CASE("what must follow", "[matcher]") {
    const Tokenizer tokenizer = json_tokenizer();
    const TokenVocabulary vocabulary(tokenizer);
    Matcher matcher(grammar("root ::= \"{\\\"name\\\":\" (\"true\" | \"tr1\") (\"}\" | \"},{\\\"age\\\"}\")"),
                    vocabulary);
    CHECK(matcher.forced_bytes() == "{\"name\":tr");
    CHECK(matcher.forced_bytes(3) == "{\"n");
    CHECK(matcher.accept("{\"name\":true"));
    CHECK(matcher.forced_bytes() == "}");  // and no further, where the text may end
    CHECK(matcher.accept("}"));
    CHECK(matcher.forced_bytes().empty());
    CHECK(matcher.may_end());
    CHECK(matcher.accept(","));
    CHECK(matcher.forced_bytes() == "{\"age\"}");
}

TEST_CASE("forced tokens are cut as the tokenizer cuts the whole text", "[matcher]") {
    const std::filesystem::path shared(RWKV_SHARED_DATA_DIR);
    std::vector<Tokenizer> tokenizers{json_tokenizer()};
    if (std::filesystem::exists(shared / "20B_tokenizer.json"))
        tokenizers.push_back(load_tokenizer(shared / "20B_tokenizer.json"));
    else
        WARN("skipped: there is no 20B_tokenizer.json");
    if (std::filesystem::exists(shared / "rwkv_vocab_v20230424.txt"))
        tokenizers.push_back(load_tokenizer(shared / "rwkv_vocab_v20230424.txt"));
    const std::vector<std::string> texts{
        R"({"name":"get_current_weather","arguments":{"location":"Paris, France","unit":"celsius"}})",
        R"({"description": "It's a caf\u00e9, isn't it?", "price": 123456.789, "tags": ["a", "b  c", "d"]})",
        "def f(x):\n    return x + 1\n\n\nprint(f(41))\n",
        "na\xC3\xAFve r\xC3\xA9sum\xC3\xA9 \xE2\x82\xAC"
        "5 \xF0\x9F\x98\x80\xF0\x9F\x98\x80!"};
    for (const Tokenizer& tokenizer : tokenizers) {
        const TokenVocabulary vocabulary(tokenizer);
        std::size_t forced_count = 0, count = 0;
        for (const std::string& text : texts) {
            // The text, with one choice somewhere, which is taken as the tokenizer would cut it.
            for (std::size_t at = 1; at < text.size(); at += 7) {
                while (at < text.size() && (static_cast<unsigned char>(text[at]) & 0xC0U) == 0x80U) ++at;
                const std::vector<std::string> both{text, text.substr(0, at) + "~" + text.substr(at)};
                for (const std::string& chosen : both) {
                    Matcher matcher(choice(both), vocabulary);
                    const std::vector<TokenId> ids = tokenizer.encode(chosen);
                    std::vector<TokenId> before;
                    while (before.size() < ids.size()) {
                        const std::vector<TokenId> forced = matcher.forced_tokens(before);
                        for (const TokenId token : forced) {
                            INFO(chosen << "\nafter \"" << tokenizer.decode(before) << "\"");
                            REQUIRE(before.size() < ids.size());
                            REQUIRE(token == ids[before.size()]);
                            REQUIRE(matcher.accept(token));
                            before.push_back(token);
                            ++forced_count;
                        }
                        if (before.size() == ids.size()) break;
                        REQUIRE(matcher.accept(ids[before.size()]));
                        before.push_back(ids[before.size()]);
                    }
                    count += ids.size();
                    CHECK(matcher.may_end());
                }
            }
        }
        CHECK(forced_count > count / 3);
    }
}

TEST_CASE("a matcher whose parser has become large goes on with a new one", "[matcher]") {
    // Each depth is a row of its own, which no other text needs.
    const Constraint constraint = grammar("root ::= \"[\" root* \"]\" | \"(\" root* \")\" | [a-z]{1,50}");
    Matcher matcher(constraint, TokenVocabulary(json_tokenizer()));
    const Matcher begin = matcher;
    std::mt19937 random(5);
    std::string brackets;
    for (int round = 0; round < 12; ++round) {
        Matcher deep = matcher;
        std::string open;
        for (int i = 0; i < 60'000; ++i) open += random() % 2 ? '[' : '(';
        REQUIRE(deep.accept(open));
        REQUIRE(deep.accept("abc"));
        std::reverse(open.begin(), open.end());
        for (char& c : open) c = c == '[' ? ']' : ')';
        REQUIRE(deep.accept(std::string_view(open).substr(0, 30'000)));
        REQUIRE(deep.accept(std::string_view(open).substr(30'000)));
        CHECK(deep.may_end());
    }
    CHECK(matcher.accept("[a]"));
}

TEST_CASE("matchers of one constraint in several threads", "[matcher]") {
    const Tokenizer tokenizer = json_tokenizer();
    const Matcher begin(grammar(json_grammar), TokenVocabulary(tokenizer));
    std::vector<std::string> said(4);
    in_threads(4, [&](std::size_t i) {
        std::mt19937 random(static_cast<unsigned>(i % 2));
        Matcher matcher = begin;
        std::vector<std::uint64_t> mask(matcher.mask_words());
        for (int step = 0; step < 200; ++step) {
            matcher.mask(mask);
            const std::vector<TokenId> allowed = ids_of(mask);
            const TokenId token = allowed[random() % allowed.size()];
            if (token == 0) break;
            static_cast<void>(matcher.accept(token));
            said[i] += tokenizer.token_bytes(token);
        }
    });
    CHECK(said[0] == said[2]);
    CHECK(said[1] == said[3]);
}

TEST_CASE("runs of bounded length end where they must, whatever masks are at hand", "[matcher]") {
    // Tokens of many lengths of the characters that ready masks are made for.
    std::vector<std::string> tokens;
    for (std::size_t length = 2; length <= 40; ++length) tokens.push_back(std::string(length, 'a'));
    const Tokenizer tokenizer = greedy_tokenizer(tokens);
    const TokenVocabulary vocabulary(tokenizer);
    for (int length = 1; length <= 42; ++length) {
        const std::string run = "{0," + std::to_string(length) + "}";
        for (const std::string& text : {"root ::= ." + run, "root ::= ." + run + " \"!\""}) {
            const Constraint constraint = grammar(text);
            Matcher matcher(constraint, vocabulary);
            INFO(text);
            const auto [mask, tried] = masks(matcher, tokenizer);
            CHECK(ids_of(mask) == ids_of(tried));
        }
    }
}

TEST_CASE("masks of limits that are near and far", "[matcher]") {
    std::vector<std::string> tokens{"ab",  "a a", "b a b",  " a",          "a ", "  ",
                                    "\"}", "a\"", "b\",\"", "\",\"b\":\"", "z",  "az"};
    for (std::size_t length = 2; length <= 40; ++length) {
        tokens.push_back(std::string(length, 'a'));
        tokens.push_back(std::string(length, ' '));
    }
    for (std::size_t words = 2; words <= 20; ++words) {
        tokens.emplace_back();
        for (std::size_t i = 0; i < words; ++i) tokens.back() += "a ";
    }
    for (int i = 0; i < 300; ++i) tokens.push_back("#" + std::to_string(i));
    const Tokenizer tokenizer = greedy_tokenizer(tokens);
    const TokenVocabulary vocabulary(tokenizer);
    const auto string = [](const std::string& limits) { return json_schema("{\"type\":\"string\"," + limits + "}"); };
    const std::vector<Constraint> constraints{
        string(R"("pattern":"^(\\S+\\s+){0,60}\\S+$","maxLength":120)"),
        string(R"("pattern":"^(\\S+\\s+){0,9}\\S+$","maxLength":400)"),
        string(R"("pattern":"^[ab ]+$","minLength":30,"maxLength":90)"),
        string(R"("pattern":"^[ab ]*z.{30}$","maxLength":70)"),  // whose end is far away
        string(R"("pattern":"^(a{1,3} ){0,99}b{0,80}$")"),
        string(R"("minLength":50,"maxLength":120)"),
        json_schema(R"({"properties":{"a":{"type":"string","maxLength":60},"b":{"pattern":"^a*$","maxLength":90,
                       "type":["string","integer"]}},"required":["a","b"],"type":"object"})",
                    {.members_in_any_order = true}),
        regex("(a|b ){20,50}( *a){5,90}"),
        grammar("root ::= (\"a\" [a-z]{0,70} \" \"){3,40} | .{0,99} \"!\""),
    };
    std::mt19937 random(7);
    std::size_t states = 0;
    for (std::size_t c = 0; c < constraints.size(); ++c) {
        for (int walk = 0; walk < 3; ++walk) {
            Matcher matcher(constraints[c], vocabulary);
            std::string said;
            for (int step = 0; step < 14; ++step, ++states) {
                const auto [mask, tried] = masks(matcher, tokenizer);
                INFO(c << " after \"" << said << "\"");
                REQUIRE(ids_of(mask) == ids_of(tried));
                std::vector<TokenId> allowed = ids_of(mask);
                REQUIRE_FALSE(allowed.empty());
                // Rather tokens of letters and blanks than of other bytes.
                std::vector<TokenId> rather;
                for (const TokenId id : allowed)
                    if (id == 1 + 'a' || id == 1 + ' ' || (id > 256 && id < 400)) rather.push_back(id);
                if (!rather.empty() && random() % 8 != 0) allowed = rather;
                const TokenId token = allowed[random() % allowed.size()];
                if (token == 0) break;
                REQUIRE(matcher.accept(token));
                said += tokenizer.token_bytes(token);
            }
        }
    }
    CHECK(states > 200);
}

TEST_CASE("a long token after which the end is far away", "[matcher]") {
    // What is in progress after the 32 dashes has no end nearby: the mask cannot be that of the same without limits.
    const Tokenizer tokenizer = greedy_tokenizer(
        {std::string(32, '-'), std::string(45, '-'), std::string(34, 'a'), std::string(39, 'b'), "--"});
    const Constraint constraint =
        json_schema(R"({"type":"string","maxLength":5000,"pattern":"^([a-z]{0,400}|-{0,30}|-{40,}[a-z]{20})$"})");
    Matcher matcher(constraint, TokenVocabulary(tokenizer));
    REQUIRE(matcher.accept("\""));
    const auto [mask, tried] = masks(matcher, tokenizer);
    CHECK(ids_of(mask) == ids_of(tried));
    CHECK(ids_of(mask).back() == 257 + 4);
}
