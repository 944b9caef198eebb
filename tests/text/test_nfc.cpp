#include <string>
#include <string_view>

#include "support.hpp"

#include <rwkv/text/nfc.hpp>
#include <rwkv/text/utf8.hpp>

using namespace rwkv::test;

TEST_CASE("text is brought into NFC", "[nfc]") {
    struct Row {
        std::u32string_view text, normal;
    };
    const Row rows[] = {
        {U"", U""},
        {U"plain ascii", U"plain ascii"},
        {U"caf\u00E9", U"caf\u00E9"},
        {U"cafe\u0301", U"caf\u00E9"},
        {U"e\u0301e\u0301 x", U"\u00E9\u00E9 x"},
        {U"\u212B A\u030A \u00C5", U"\u00C5 \u00C5 \u00C5"},
        {U"\u2126", U"\u03A9"},
        {U"\u0344", U"\u0308\u0301"},         // taken apart, and not put together
        {U"a\u0338\u0301", U"\u00E1\u0338"},  // joined across a mark of a lower class
        {U"a\u0301\u0338", U"\u00E1\u0338"},
        {U"a\u030D\u0301", U"a\u030D\u0301"},  // and not across one of the same class
        {U"a\u0315\u0300\u05AE\u0062", U"\u00E0\u05AE\u0315\u0062"},
        {U"a\u0300\u0301", U"\u00E0\u0301"},
        {U"a\u0302\u0301", U"\u1EA5"},       // joined twice
        {U"\u1E0B\u0323", U"\u1E0D\u0307"},  // taken apart, moved, joined otherwise
        {U"\u0301", U"\u0301"},
        {U"\u0301\u0301a", U"\u0301\u0301a"},
        {U"\u1100\u1161", U"\uAC00"},
        {U"\u1112\u1161\u11AB", U"\uD55C"},
        {U"\uAC00\u11A8", U"\uAC01"},
        {U"\uAC01\u11A8", U"\uAC01\u11A8"},
        {U"\uAC00\u11A7", U"\uAC00\u11A7"},  // one before the first trailing consonant
        {U"\u1100\u0301\u1161", U"\u1100\u0301\u1161"},
        {U"\uF900", U"\u8C48"},
        {U"\u0958", U"\u0915\u093C"},  // excluded from composition
        {U"\u0915\u093C", U"\u0915\u093C"},
        {U"\U0001D15E", U"\U0001D157\U0001D165"},
        {U"\U0002F800", U"\u4E3D"},
        {U"\u09C7\u09BE", U"\u09CB"},                    // two starters that join
        {U"\u0B47\u0300\u0B3E", U"\u0B47\u0300\u0B3E"},  // and do not with a mark between them
        // By Unicode 9.0: later marks have no class and later pairs do not join.
        {U"\U00011935\U00011930", U"\U00011935\U00011930"},
        {U"a\u0301\u1DF6", U"\u00E1\u1DF6"},
        {U"a\u1DF6\u0323", U"a\u1DF6\u0323"},
    };
    for (const Row& row : rows) {
        const std::string text = utf8(row.text), normal = utf8(row.normal);
        INFO(text);
        const auto result = rwkv::text::nfc(text);
        CHECK(result.value_or(text) == normal);
        CHECK(result.has_value() == (text != normal));
        CHECK_FALSE(rwkv::text::nfc(normal).has_value());
        // The same within other text, which stays.
        const std::string around = utf8(U"\u65E5x ") + text + utf8(U" y\u0416");
        CHECK(rwkv::text::nfc(around).value_or(around) == utf8(U"\u65E5x ") + normal + utf8(U" y\u0416"));
    }
}

TEST_CASE("a long run of combining marks costs no square", "[nfc]") {
    std::u32string marks(1, U'a');
    for (int i = 0; i < 300'000; ++i) marks.append({U'\u0301', U'\u0323', U'\u0315'});
    const auto result = rwkv::text::nfc(utf8(marks));  // a square would not end within ctest's limit of time
    REQUIRE(result.has_value());
    // a with the dot below first; then all dots below, the acutes, and the commas above right
    std::u32string expected = U"\u1EA1";
    expected.append(299'999, U'\u0323').append(300'000, U'\u0301').append(300'000, U'\u0315');
    CHECK((*result == utf8(expected)));
}
