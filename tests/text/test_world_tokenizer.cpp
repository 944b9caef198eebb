#include <algorithm>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "generated.hpp"
#include "support.hpp"
#include "world_bytes.hpp"

#include <rwkv/load_tokenizer.hpp>
#include <rwkv/text/world_tokenizer.hpp>

using namespace rwkv::test;
using rwkv::TokenId;
using rwkv::Tokenizer;
using rwkv::text::read_world_vocabulary;
using rwkv::text::world_detail::parse_literal;
using Ids = std::vector<TokenId>;

TEST_CASE("Python literals are parsed, never evaluated", "[world]") {
    using namespace std::string_literals;
    struct Row {
        std::string_view literal;
        std::string bytes;
    };
    const Row good[] = {
        {"'a'", "a"},
        {"\"it's\"", "it's"},
        {"'say \"x\"'", "say \"x\""},
        {"' '", " "},
        {"''", ""},
        {R"('\n\t\r\\\'\"')", "\n\t\r\\'\""},
        {R"('\x00\x7f')", "\0\x7F"s},
        {R"('\x80')", "\xC2\x80"},
        {R"(b'\x80\xff')", "\x80\xFF"},
        {R"(b"'")", "'"},
        {R"('\u3042\uFEFF')", "\xE3\x81\x82\xEF\xBB\xBF"},
        {"'\xE6\x97\xA5'", "\xE6\x97\xA5"},
    };
    for (const Row& row : good) {
        INFO(row.literal);
        CHECK(parse_literal(row.literal) == row.bytes);
    }
    for (std::string_view bad : {"",        "'",       "a",       "b",         "b'",         "'a",
                                 "a'",      "'a\"",    "'a'b'",   "'\\'",      "'\\q'",      "'\\x1'",
                                 "'\\x1g'", "'\\x-1'", "'\\u12'", "'\\ud800'", "b'\\u0041'", "b'\xE6\x97\xA5'",
                                 "'\xFF'",  "u'a'",    "r'a'",    "'a' 'b'",   "'a' + 'b'",  "'\t'",
                                 "f'a'",    "B'a'",    "'''a'''", "'\\101'",   "'\\0'",      "__import__('os')",
                                 "12"}) {
        INFO(bad);
        CHECK_FALSE(parse_literal(bad).has_value());
    }
}

TEST_CASE("a World vocabulary encodes the longest token", "[world]") {
    const Tokenizer tokenizer = read_world_vocabulary(world_bytes() + "257 'ab' 2\n258 'abcd' 4\n259 'a b' 3\n", "f");
    CHECK(tokenizer.vocab_size() == 260);
    CHECK(tokenizer.encode("").empty());
    CHECK(tokenizer.encode("abcd") == Ids{258});
    CHECK(tokenizer.encode("abcabcd") == Ids{257, 'c' + 1, 258});
    CHECK(tokenizer.encode("a bab") == Ids{259, 257});
    CHECK(tokenizer.encode("\xFF") == Ids{256});
    CHECK(tokenizer.is_special(0));
    CHECK(tokenizer.token_bytes(0).empty());
    CHECK(tokenizer.decode(Ids{0, 258, 0}) == "abcd");
    CHECK_THROWS_AS(tokenizer.decode(Ids{260}), rwkv::ArgumentError);
}

TEST_CASE("a World vocabulary has at most 65535 tokens", "[world]") {
    std::string long_file = world_bytes();
    for (int id = 257; id <= 65536; ++id)
        long_file += std::to_string(id) + " 'x" + std::to_string(id) + "' " +
                     std::to_string(1 + std::to_string(id).size()) + "\n";
    CHECK_THAT(outcome([&] { return read_world_vocabulary(long_file, "f"); }),
               Catch::Matchers::ContainsSubstring("at most 65535"));
}

TEST_CASE("the World tokenizer gives the known ids", "[world]") {
    const auto file = shared_data("rwkv_vocab_v20230424.txt");
    if (!file) return;
    const Tokenizer tokenizer = rwkv::load_tokenizer(*file);
    CHECK(tokenizer.vocab_size() == 65530);
    struct Row {
        std::string text;
        Ids ids;
    };
    const Row rows[] = {
        {"I'll 'd test блабла 以下は、]) -> <|endoftext|><|padding|> int",
         {74,   5229, 274, 101, 32223, 5092, 27980, 2795, 27980, 33,  10399, 10258, 10139, 10079,
          1682, 3463, 295, 125, 25258, 7588, 2318,  125,  790,   125, 49520, 125,   63,    21888}},
        {"<|endoftext|>", {61, 125, 25258, 7588, 2318, 125, 63}},
        {"  ", {267}},
        {"\n\n", {261}},
        {"\r\n", {263}},
        {std::string(129, ' '), {65529, 33}},
        {std::string(200, ' '), {65529, 65522}},
        {"\xC3\xA9", {2503}},
        {"e\xCC\x81", {102, 2672}},
        {"日本語", {13053, 13205, 16592}},
        {"123456789", {632, 654, 676, 698, 58}},
        {"000000000", {620, 620, 620, 620, 49}},
        {std::string(1, '\0'), {1}},
        {"\xE2\x82", {3008}},
        {"\xF0\x9F\x98", {3319, 153}},
        {"\xED\xA0\x80", {238, 161, 129}},
    };
    for (const Row& row : rows) {
        INFO(row.text);
        CHECK(tokenizer.encode(row.text) == row.ids);
        CHECK(tokenizer.decode_bytes(row.ids) == row.text);
    }
    CHECK(tokenizer.decode(Ids{0}).empty());
    CHECK_THROWS_AS(tokenizer.decode(Ids{65530}), rwkv::ArgumentError);

    // Against the rule as it is told: at each place the longest token there is.
    std::unordered_map<std::string_view, TokenId> tokens;
    for (TokenId id = 1; id < 65530; ++id) tokens.emplace(tokenizer.token_bytes(id), id);
    SplitMix random(2);
    for (int i = 0; i < 20'000; ++i) {
        std::string bytes = generate_text(random);
        for (std::uint64_t n = random.below(4); n > 0; --n)
            bytes.insert(static_cast<std::size_t>(random.below(bytes.size() + 1)), 1,
                         static_cast<char>(static_cast<std::uint8_t>(random.below(256))));
        Ids expected;
        for (std::string_view rest = bytes; !rest.empty();) {
            std::size_t length = std::min<std::size_t>(rest.size(), 128);
            while (!tokens.contains(rest.substr(0, length))) --length;
            expected.push_back(tokens.at(rest.substr(0, length)));
            rest.remove_prefix(length);
        }
        const Ids ids = tokenizer.encode(bytes);
        if (ids != expected || tokenizer.decode_bytes(ids) != bytes) FAIL(bytes);
    }
}
