#include <string>
#include <string_view>
#include <vector>

#include "support.hpp"

#include <rwkv/load_tokenizer.hpp>
#include <rwkv/text/utf8.hpp>

using namespace rwkv::test;
using rwkv::TokenId;
using Ids = std::vector<TokenId>;

namespace {

std::u32string repeated(std::size_t count, char32_t c) {
    return std::u32string(count, c);
}

Ids repeated(std::size_t count, TokenId id, const Ids& rest) {
    Ids ids(count, id);
    ids.insert(ids.end(), rest.begin(), rest.end());
    return ids;
}

}  // namespace

TEST_CASE("the GPT-NeoX tokenizer gives the known ids", "[tokenizer]") {
    const auto file = shared_data("20B_tokenizer.json");
    if (!file) return;
    const rwkv::Tokenizer tokenizer = rwkv::load_tokenizer(*file);
    struct Row {
        std::u32string text;
        Ids ids;
    };
    const Row rows[] = {
        {U"", {}},
        {U"Hello  world", {12092, 50276, 10186}},
        {repeated(1, U' '), {209}},
        {repeated(2, U' '), {50276}},
        {repeated(3, U' '), {50275}},
        {repeated(24, U' '), {50254}},
        {repeated(25, U' '), {50254, 209}},
        {repeated(26, U' '), {50254, 50276}},
        {repeated(49, U' '), {50254, 50254, 209}},
        {U"a  b", {66, 50276, 67}},
        {U"a b ", {66, 270, 209}},
        {U"\n", {187}},
        {U"\n\n", {535}},
        {U" \n", {2490}},
        {U"\n ", {586}},
        {U"  \n", {50276, 187}},
        {U"a\n\nb", {66, 187, 187, 67}},
        {U"a\n\n\nb", {66, 535, 187, 67}},
        {U"a \n b", {66, 2490, 270}},
        {U"a\r\nb", {66, 190, 187, 67}},
        {U"\r\n\r\n", {15971}},
        {U"a \tb", {66, 209, 186, 67}},
        {U"a\t b", {66, 186, 270}},
        {U"\u00A0x", {575, 89}},
        {U"x\u00A0 y", {89, 575, 340}},
        {U"\u3000x", {19409, 89}},
        {U"x\x1Cy", {89, 205, 90}},
        {U"\u200Bx", {12882, 89}},
        {U"\uFEFFx", {41497, 89}},
        {U"x\x85y", {89, 16643, 90}},
        {U"I'm", {42, 1353}},
        {U"I'M", {42, 8, 46}},
        {U"don't", {9903, 626}},
        {U"don'T", {9903, 8, 53}},
        {U"'Tis", {8, 53, 261}},
        {U"it''s", {262, 6267, 84}},
        {U"\u2019s", {457, 84}},
        {U"ab'lla", {357, 1833, 66}},
        {U"e\u0301", {860}},
        {U"\u00E9", {860}},
        {U"\u212B", {18221}},
        {U"A\u030A", {18221}},
        {U"\u00C5", {18221}},
        {U"\u1112\u1161\u11AB", {39742}},
        {U"\uD55C", {39742}},
        {U"\uF900", {37300, 219}},
        {U"\u0344", {136, 219, 136, 212}},
        {U"\u2126", {138, 104}},
        {U"\u03A9", {138, 104}},
        {U"a\u0338\u0301", {1757, 136, 118}},
        {U"x \u0301y", {89, 209, 136, 212, 90}},
        {U"日本語", {49868, 19119, 241}},
        {U"你好,世界", {24553, 34439, 13, 42848, 45261}},
        {U"👍🏽", {14931, 228, 224, 14931, 226, 123}},
        {U"\u2764\uFE0F", {158, 240, 99, 171, 118, 226}},
        {U"👨\u200D👩\u200D👧\u200D👦",
         {14931, 228, 103, 325, 224, 14931, 228, 104, 325, 224, 14931, 228, 102, 325, 224, 14931, 228, 101}},
        {U"สวัสดี", {41387, 31081, 25160, 41387, 35071, 26863}},
        {U"１２３", {41870, 3193, 229, 3193, 230}},
        {U"٣٤", {149, 98, 149, 99}},
        {U"Ⅳ", {158, 216, 98}},
        {U"123456789", {42594, 43784}},
        {U"1,234.5", {18, 13, 20210, 15, 22}},
        {U"½²", {8313, 15818}},
        {U"नमस्ते", {23068, 32191, 28733, 17665, 23936, 15472}},
        {U"<|endoftext|>", {0}},
        {U" <|endoftext|>", {209, 0}},
        {U"x<|endoftext|>y", {89, 0, 90}},
        {U"<|endoftext", {29, 93, 423, 1171, 1156}},
        {U"e\u0301<|padding|>\u0301", {860, 1, 136, 212}},
        {U"<|ENDOFTEXT|>", {29, 93, 8112, 48, 5518, 9465, 49651}},
        {repeated(1, U'\0'), {177}},
        {U"\x7F", {210}},
        {U"\uFFFD", {21478}},
        {U"\U0010FFFF", {176, 226, 125, 125}},
        {repeated(100, U'a'), repeated(12, 49642, {23342})},
        {repeated(100, U'='), {15256, 4578, 524}},
    };
    for (const Row& row : rows) {
        const std::string text = utf8(row.text);
        INFO(text);
        CHECK(tokenizer.encode(text) == row.ids);
    }
    CHECK(tokenizer.vocab_size() == 50277);
    CHECK(tokenizer.token_bytes(50254) == std::string(24, ' '));
}

TEST_CASE("the GPT-NeoX tokenizer decodes broken characters", "[tokenizer]") {
    const auto file = shared_data("20B_tokenizer.json");
    if (!file) return;
    const rwkv::Tokenizer tokenizer = rwkv::load_tokenizer(*file);
    const std::string r = "\xEF\xBF\xBD";
    CHECK(tokenizer.decode(Ids{161}) == r);
    CHECK(tokenizer.decode(Ids{161, 161}) == r + r);
    CHECK(tokenizer.decode(Ids{161, 229}) == r);
    CHECK(tokenizer.decode_bytes(Ids{161, 229}) == "\xE5\x92");
    CHECK_THROWS_AS(tokenizer.decode(Ids{0, 50277}), rwkv::ArgumentError);
    CHECK(tokenizer.decode(Ids{0, 12092, 1}, rwkv::SpecialTokens::skip) == "Hello");
    std::size_t broken = 0;
    for (TokenId id = 0; id < 50254; ++id)
        broken += rwkv::text::find_invalid_utf8(tokenizer.token_bytes(id)) != std::string::npos;
    CHECK(broken == 484);
}

TEST_CASE("hostile text costs no square", "[tokenizer]") {
    const auto file = shared_data("20B_tokenizer.json");
    if (!file) return;
    const rwkv::Tokenizer tokenizer = rwkv::load_tokenizer(*file);
    // One word, white space, marks, half of a special token, over and over: by a square these would take
    // hours.
    for (const std::string& part : {std::string("a"), std::string("\n"), std::string(" "),
                                    std::string("\xCC\x81\xCC\xA3"), std::string("<|endoftext"), std::string("' ")}) {
        std::string text;
        while (text.size() < 500'000) text += part;
        CHECK(tokenizer.decode(tokenizer.encode(text)).size() == text.size());
    }
}
