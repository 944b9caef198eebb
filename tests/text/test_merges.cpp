#include <algorithm>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include "../catch.hpp"
#include "generated.hpp"

#include <rwkv/text/byte_alphabet.hpp>
#include <rwkv/text/byte_trie.hpp>
#include <rwkv/text/character_class.hpp>
#include <rwkv/text/flat_map.hpp>
#include <rwkv/text/gpt2_pattern.hpp>
#include <rwkv/text/merges.hpp>

using namespace rwkv::text;
using rwkv::TokenId;

namespace {

/// The rules as they are told, without any haste.
std::vector<TokenId> merge_plainly(const std::vector<MergeRule>& rules, std::vector<TokenId> word) {
    for (;;) {
        std::size_t best_rule = rules.size(), best = 0;
        for (std::size_t i = 0; i + 1 < word.size(); ++i)
            for (std::size_t r = 0; r < best_rule; ++r)
                if (rules[r].left == word[i] && rules[r].right == word[i + 1]) {
                    best_rule = r;
                    best = i;
                }
        if (best_rule == rules.size()) return word;
        word[best] = rules[best_rule].result;
        word.erase(word.begin() + static_cast<std::ptrdiff_t>(best) + 1);
    }
}

std::vector<std::string> words_of(const std::string& text) {
    std::vector<std::string> words;
    for (std::size_t at = 0; at < text.size();) {
        const std::size_t end = end_of_word(text, at);
        words.push_back(text.substr(at, end - at));
        at = end;
    }
    return words;
}

}  // namespace

TEST_CASE("merging long and short words follows the rules", "[bpe]") {
    rwkv::test::SplitMix random(5);
    for (int round = 0; round < 400; ++round) {
        // Few symbols and rules in no sensible order, so that merges of later rules make way for earlier
        // ones.
        std::vector<MergeRule> rules;
        Merges merges;
        TokenId next = 3;
        for (int i = 0; i < 25; ++i) {
            const MergeRule rule{static_cast<TokenId>(random.below(static_cast<std::uint64_t>(next))),
                                 static_cast<TokenId>(random.below(static_cast<std::uint64_t>(next))), next};
            if (merges.add(rule)) {
                rules.push_back(rule);
                ++next;
            }
        }
        if (random.below(2) == 0) {
            std::reverse(rules.begin(), rules.end());
            merges = Merges();
            for (const MergeRule& rule : rules) merges.add(rule);
        }
        for (std::size_t length : {0U, 1U, 2U, 3U, 7U, 20U, 47U, 48U, 49U, 60U, 130U}) {
            std::vector<TokenId> word;
            for (std::size_t i = 0; i < length; ++i) word.push_back(static_cast<TokenId>(random.below(3)));
            std::vector<TokenId> found;
            merges.apply(word, found);
            if (found != merge_plainly(rules, word)) FAIL("round " << round << ", length " << length);
        }
    }
}

TEST_CASE("a very long word costs no square", "[bpe]") {
    Merges merges;
    merges.add({0, 0, 1});
    merges.add({1, 1, 2});
    merges.add({2, 2, 3});
    std::vector<TokenId> found;
    merges.apply(std::vector<TokenId>(2'000'001, 0), found);
    REQUIRE(found.size() == 250'001);
    CHECK(std::count(found.begin(), found.end(), 3) == 250'000);
    CHECK(found.back() == 0);
}

TEST_CASE("text is split as GPT-2's pattern splits it", "[bpe]") {
    using Words = std::vector<std::string>;
    CHECK(words_of("").empty());
    CHECK(words_of("Hello world") == Words{"Hello", " world"});
    CHECK(words_of("it's I'M they'rex 'll' 'l") ==
          Words{"it", "'s", " I", "'", "M", " they", "'re", "x", " '", "ll", "'", " '", "l"});
    CHECK(words_of("''s") == Words{"''", "s"});
    CHECK(words_of("'") == Words{"'"});
    CHECK(words_of("'r") == Words{"'", "r"});
    CHECK(words_of("a1 23b!? c") == Words{"a", "1", " 23", "b", "!?", " c"});
    CHECK(words_of("a\n\nb") == Words{"a", "\n", "\n", "b"});
    CHECK(words_of("a  b") == Words{"a", " ", " b"});
    CHECK(words_of("a \n b") == Words{"a", " \n", " b"});
    CHECK(words_of("a \t") == Words{"a", " \t"});
    CHECK(words_of(" ") == Words{" "});
    CHECK(words_of("\tx") == Words{"\t", "x"});
    CHECK(words_of("x\xC2\xA0 y") == Words{"x", "\xC2\xA0", " y"});
    CHECK(words_of("x\xE3\x80\x80\xE3\x80\x80y") == Words{"x", "\xE3\x80\x80", "\xE3\x80\x80", "y"});
    CHECK(words_of(" \xCC\x81y") == Words{" \xCC\x81", "y"});
}

TEST_CASE("characters have the classes of Unicode 16.0", "[bpe]") {
    std::size_t count[4] = {};
    for (char32_t c = 0; c < 0x110000; ++c) ++count[static_cast<std::size_t>(character_class(c))];
    CHECK(count[static_cast<std::size_t>(CharacterClass::letter)] == 141'028);
    CHECK(count[static_cast<std::size_t>(CharacterClass::number)] == 1'911);
    CHECK(count[static_cast<std::size_t>(CharacterClass::space)] == 25);
    for (char32_t c : {U'\x1C', U'\x1F', U'\u180E', U'\u200B', U'\uFEFF', U'\u0301'})
        CHECK(character_class(c) == CharacterClass::other);
    CHECK(character_class(U'\u1C89') == CharacterClass::letter);  // new in 16.0
}

TEST_CASE("bytes have the stand-ins of GPT-2", "[bpe]") {
    CHECK(bytes_of_token("\xC4\xA0the") == " the");
    CHECK(bytes_of_token("\xC4\x80\xC5\x83") == std::string("\0\xAD", 2));
    CHECK(bytes_of_token("\xC3\xA9") == "\xE9");
    CHECK(bytes_of_token("  ") == "  ");
    CHECK(bytes_of_token("\xC3\xA9 \xC3\xA9") == "\xC3\xA9 \xC3\xA9");
    for (std::size_t byte = 0; byte < 256; ++byte) CHECK(byte_of_character(byte_alphabet[byte]) == byte);
    CHECK_FALSE(byte_of_character(U' ').has_value());
    CHECK_FALSE(byte_of_character(0x144).has_value());
}

TEST_CASE("a flat map is a map", "[bpe]") {
    FlatMap<int> map;
    std::map<std::uint64_t, int> plain;
    rwkv::test::SplitMix random(11);
    for (int i = 0; i < 5'000; ++i) {
        const std::uint64_t key = random.below(4'000) << (random.below(2) * 40);
        CHECK(map.insert(key, i) == plain.emplace(key, i).second);
    }
    CHECK(map.size() == plain.size());
    for (std::uint64_t key = 0; key < 4'000; ++key) {
        const auto found = plain.find(key);
        const int* value = map.find(key);
        REQUIRE((value != nullptr) == (found != plain.end()));
        if (value) CHECK(*value == found->second);
    }
}

TEST_CASE("a trie finds the longest string", "[bpe]") {
    ByteTrie trie;
    CHECK(trie.empty());
    CHECK(trie.insert("a", 1));
    CHECK(trie.insert("abcd", 2));  // its prefixes ab and abc are none
    CHECK(trie.insert(std::string("\0\xFF", 2), 3));
    CHECK_FALSE(trie.insert("a", 4));
    const auto longest = [&](std::string_view text) {
        return std::pair(trie.longest(text, 0).id, trie.longest(text, 0).length);
    };
    CHECK(longest("abcde") == std::pair<TokenId, std::size_t>(2, 4));
    CHECK(longest("abc") == std::pair<TokenId, std::size_t>(1, 1));
    CHECK(longest("b").second == 0);
    CHECK(longest(std::string_view("\0\xFF", 2)).first == 3);
    std::size_t at = 0;
    CHECK(trie.search("xxabcx", at).id == 1);
    CHECK(at == 2);
    at = 3;
    CHECK(trie.search("xxabcx", at).length == 0);
    CHECK(at == 6);
}
