#include <string>
#include <string_view>

#include "../catch.hpp"
#include "generated.hpp"

#include <rwkv/text/utf8.hpp>

using rwkv::text::append_utf8;
using rwkv::text::decode_utf8;
using rwkv::text::find_invalid_utf8;
using rwkv::text::lossy_utf8;
using rwkv::text::Utf8Status;
using rwkv::text::Utf8Stream;

namespace {

std::string streamed(std::string_view bytes, std::size_t piece) {
    Utf8Stream stream;
    std::string text;
    for (std::size_t at = 0; at < bytes.size(); at += piece) {
        std::string more;
        stream.push(bytes.substr(at, piece), more);
        CHECK(find_invalid_utf8(more) == std::string::npos);
        text += more;
    }
    stream.finish(text);
    return text;
}

}  // namespace

TEST_CASE("every code point goes to UTF-8 and back", "[utf8]") {
    for (char32_t c = 0; c < 0x110000; ++c) {
        if (c >= 0xD800 && c <= 0xDFFF) continue;
        std::string text;
        append_utf8(text, c);
        const auto step = decode_utf8(text, 0);
        if (step.code_point != c || step.length != text.size() || step.status != Utf8Status::complete)
            FAIL(static_cast<std::uint32_t>(c));
        for (std::size_t cut = 1; cut < text.size(); ++cut)
            if (decode_utf8(std::string_view(text).substr(0, cut), 0).status != Utf8Status::truncated)
                FAIL(static_cast<std::uint32_t>(c));
    }
}

TEST_CASE("each maximal invalid part becomes one U+FFFD", "[utf8]") {
    const std::string r = "\xEF\xBF\xBD";
    struct Row {
        std::string_view bytes;
        std::string text;
        std::size_t invalid;
    };
    const Row rows[] = {
        {"", "", std::string::npos},
        {"caf\xC3\xA9", "caf\xC3\xA9", std::string::npos},
        {"\x80", r, 0},
        {"a\x80\x80z", "a" + r + r + "z", 1},
        {"\xC0\xAF", r + r, 0},  // overlong
        {"\xC1\xBF", r + r, 0},
        {"\xE0\x80\x80", r + r + r, 0},  // overlong
        {"\xE0\x9F\xBF", r + r + r, 0},
        {"\xE0\xA0", r, 0},              // cut short
        {"\xED\xA0\x80", r + r + r, 0},  // a surrogate
        {"\xED\x9F\xBF", "\xED\x9F\xBF", std::string::npos},
        {"\xF0\x80\x80\x80", r + r + r + r, 0},  // overlong
        {"\xF0\x90\x80", r, 0},
        {"\xF0\x90\x80z", r + "z", 0},
        {"\xF0\x9F\x98\xE2\x82\xAC", r + "\xE2\x82\xAC", 0},
        {"\xF4\x8F\xBF\xBF", "\xF4\x8F\xBF\xBF", std::string::npos},
        {"\xF4\x90\x80\x80", r + r + r + r, 0},  // past U+10FFFF
        {"\xF5\x80", r + r, 0},
        {"\xFF", r, 0},
        {"\xE5\x92", r, 0},
        {"12345678\xE2\x82", "12345678" + r, 8},
        {"\xC3(\xC3", r + "(" + r, 0},
    };
    for (const Row& row : rows) {
        INFO(row.bytes);
        CHECK(lossy_utf8(row.bytes) == row.text);
        CHECK(find_invalid_utf8(row.bytes) == row.invalid);
        for (std::size_t piece = 1; piece <= 5; ++piece) CHECK(streamed(row.bytes, piece) == row.text);
    }
}

TEST_CASE("a stream of any pieces gives what the whole gives", "[utf8]") {
    rwkv::test::SplitMix random(3);
    constexpr std::string_view likely = "az\x80\xBF\x8F\x9F\xA0\x90\xC2\xDF\xE0\xE2\xED\xEF\xF0\xF3\xF4\xC0\xF5\xFF";
    for (int round = 0; round < 20'000; ++round) {
        std::string bytes;
        for (std::uint64_t n = random.below(12); n > 0; --n)
            bytes.push_back(likely[static_cast<std::size_t>(random.below(likely.size()))]);
        Utf8Stream stream;
        std::string text;
        for (std::size_t at = 0; at < bytes.size();) {
            const auto piece = static_cast<std::size_t>(random.below(5));
            stream.push(std::string_view(bytes).substr(at, piece), text);
            at += piece;
        }
        stream.finish(text);
        if (text != lossy_utf8(bytes)) FAIL(bytes);
    }
}

TEST_CASE("a stream holds back only what may still become a character", "[utf8]") {
    Utf8Stream stream;
    const auto push = [&](std::string_view bytes) {
        std::string text;
        stream.push(bytes, text);
        return text;
    };
    CHECK(push("a\xF0\x9F") == "a");
    CHECK(push("\x98") == "");
    CHECK(push("\x80") == "\xF0\x9F\x98\x80");
    CHECK(push("\xED") == "");
    CHECK(push("\xA0") == "\xEF\xBF\xBD\xEF\xBF\xBD");
    CHECK(push("\xE2") == "");
    CHECK(push("\xE2") == "\xEF\xBF\xBD");
    std::string end;
    stream.finish(end);
    CHECK(end == "\xEF\xBF\xBD");
    end.clear();
    stream.finish(end);
    CHECK(end.empty());
    CHECK(push("\x82\xAC") == "\xEF\xBF\xBD\xEF\xBF\xBD");
}
