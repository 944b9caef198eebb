#include <algorithm>
#include <cstddef>
#include <random>
#include <string>
#include <string_view>
#include <vector>

#include "../support.hpp"

#include <rwkv/text/stop_strings.hpp>

using rwkv::ArgumentError;
using rwkv::StopStrings;

namespace {

/// By trying every position: where the first stop string to be complete ends, and how long the longest one there is.
struct Found {
    std::size_t end, length;
};
Found find(std::string_view text, const std::vector<std::string>& stops) {
    for (std::size_t end = 1; end <= text.size(); ++end) {
        std::size_t longest = 0;
        for (const std::string& stop : stops)
            if (text.substr(0, end).ends_with(stop)) longest = std::max(longest, stop.size());
        if (longest > 0) return {end, longest};
    }
    return {text.size(), 0};
}

/// The longest end of the text that begins a stop string.
std::size_t begun(std::string_view text, const std::vector<std::string>& stops) {
    std::size_t longest = 0;
    for (const std::string& stop : stops)
        for (std::size_t length = 1; length < stop.size(); ++length)
            if (text.ends_with(stop.substr(0, length))) longest = std::max(longest, length);
    return longest;
}

/// All that is let through of a text that comes in those pieces.
std::string let_through(const std::vector<std::string>& pieces, const std::vector<std::string>& stops) {
    StopStrings matcher(stops);
    std::string told;
    for (const std::string& piece : pieces) told += matcher.push(piece);
    told += matcher.finish();
    return told;
}

std::vector<std::string> characters(std::string_view text) {
    std::vector<std::string> result;
    for (char c : text)
        if ((static_cast<unsigned char>(c) & 0xC0U) == 0x80U) {
            result.back() += c;
        } else {
            result.emplace_back(1, c);
        }
    return result;
}

}  // namespace

TEST_CASE("a stop string ends the text, however it is cut", "[stop]") {
    for (const auto& pieces : std::vector<std::vector<std::string>>{
             {"one STOP two"}, {"one S", "TOP two"}, {"one ", "S", "T", "O", "P", " two"}, {"one STO", "", "P"}}) {
        StopStrings matcher({"STOP"});
        std::string told;
        for (const std::string& piece : pieces) told += matcher.push(piece);
        CHECK(matcher.found());
        CHECK(told == "one ");
        CHECK(matcher.push("more").empty());
        CHECK(matcher.finish().empty());
    }
    CHECK(let_through({"aSTO", "aSTSTO"}, {"STOP"}) == "aSTOaSTSTO");  // what was held back comes in the end
    CHECK(let_through({"aaab"}, {"aab"}) == "a");
    CHECK(let_through({"\n", "\n", "\nBob", ":"}, {"\n\nBob:"}) == "\n");
    CHECK(let_through({"xé", "è"}, {"éè"}) == "x");
    CHECK(let_through({"any", "thing"}, {}) == "anything");
    // Where two are complete at once the longer counts, else the first to be complete.
    CHECK(let_through({"1 abcd"}, {"cd", "bcd"}) == "1 a");
    CHECK(let_through({"1 abcd"}, {"abcde", "bc"}) == "1 a");
}

TEST_CASE("random texts end where a search of every position says, in any pieces", "[stop]") {
    std::mt19937 random(5);
    const auto below = [&](std::size_t count) {
        return std::uniform_int_distribution<std::size_t>(0, count - 1)(random);
    };
    const std::vector<std::string> alphabet{"a", "b", "é", "a", "c"};
    const auto word = [&](std::size_t length) {
        std::string result;
        while (length-- > 0) result += alphabet[below(alphabet.size())];
        return result;
    };
    int stopped = 0;
    for (int round = 0; round < 3000; ++round) {
        std::vector<std::string> stops(below(4));
        for (std::string& stop : stops) stop = word(1 + below(6));
        const std::string text = word(below(40));
        const Found found = find(text, stops);
        INFO(text);
        for (const std::string& stop : stops) INFO(stop);

        StopStrings matcher(stops);
        std::string read, told;
        const auto all = characters(text);
        for (std::size_t i = 0; i < all.size();) {
            std::string piece;
            for (std::size_t n = below(4); n > 0 && i < all.size(); --n) piece += all[i++];
            read += piece;
            told += matcher.push(piece);
            if (matcher.found()) break;
            // Held back: what may become a stop string, and no more.
            CHECK(told == read.substr(0, read.size() - begun(read, stops)));
        }
        CHECK(matcher.found() == (found.length > 0));
        told += matcher.finish();
        CHECK(told == text.substr(0, found.end - found.length));
        stopped += matcher.found();
    }
    CHECK(stopped > 500);
    CHECK(stopped < 2500);
}

TEST_CASE("long stop strings cost no more than they are long", "[stop]") {
    const std::string many(1'000'000, 'a');
    StopStrings matcher({many + "b"});
    CHECK(matcher.push(many).empty());
    CHECK(matcher.push("a") == "a");
    for (int i = 0; i < 1000; ++i) CHECK(matcher.push("a").size() == 1);
    CHECK(matcher.push("c").size() == many.size() + 1);
    CHECK(!matcher.found());
}

TEST_CASE("a stop string is a text of at least one character", "[stop]") {
    CHECK_THROWS_AS(StopStrings({"x", ""}), ArgumentError);
    CHECK_THROWS_AS(StopStrings({"\xC3"}), ArgumentError);
    CHECK_THROWS_AS(StopStrings({"a\xFF"}), ArgumentError);
}
