#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include <rwkv/text/utf8.hpp>

namespace rwkv::test {

// The generator of make_tokenizer_fixture.py, number for number.

class SplitMix {
  public:
    explicit SplitMix(std::uint64_t seed) : state_(seed) {}

    std::uint64_t below(std::uint64_t count) {
        state_ += 0x9E3779B97F4A7C15U;
        std::uint64_t z = state_;
        z = (z ^ z >> 30U) * 0xBF58476D1CE4E5B9U;
        z = (z ^ z >> 27U) * 0x94D049BB133111EBU;
        return (z ^ z >> 31U) % count;
    }

  private:
    std::uint64_t state_;
};

struct Range {
    char32_t first, last;
    std::uint64_t longest;
};

inline constexpr std::array<Range, 24> ranges{{
    {0x20, 0x7E, 8},       {0x61, 0x7A, 10},      {0x30, 0x39, 6},       {0x09, 0x0D, 3},       {0x20, 0x20, 30},
    {0xA0, 0x17F, 4},      {0x300, 0x36F, 5},     {0x370, 0x52F, 6},     {0x590, 0x6FF, 6},     {0x900, 0xDFF, 6},
    {0xE00, 0xEFF, 6},     {0x1100, 0x11FF, 4},   {0xAC00, 0xD7A3, 3},   {0x1D00, 0x1FFF, 4},   {0x2000, 0x214F, 4},
    {0x3000, 0x30FF, 5},   {0x4E00, 0x9FFF, 5},   {0xF900, 0xFAFF, 2},   {0xFB00, 0xFE2F, 3},   {0x10900, 0x11FFF, 3},
    {0x1D100, 0x1D1FF, 4}, {0x1E000, 0x1E95F, 3}, {0x1F300, 0x1FAFF, 2}, {0x2F800, 0x2FA1F, 2},
}};

inline constexpr std::array<std::string_view, 28> literals{
    "'s",
    "'t",
    "'re",
    "'ve",
    "'m",
    "'ll",
    "'d",
    "'S",
    "'",
    "<|endoftext|>",
    "<|padding|>",
    "<|endof",
    "e\xCC\x81",     // e U+0301
    "\xCD\x84",      // U+0344
    "\xE2\x84\xAB",  // U+212B
    "\n\n",
    "\r\n",
    "  ",
    "     ",
    "\xE2\x80\x8D",                          // U+200D
    "\xEF\xB8\x8F",                          // U+FE0F
    "\xE1\x84\x92\xE1\x85\xA1\xE1\x86\xAB",  // U+1112 U+1161 U+11AB
    "A\xCC\x8A",                             // A U+030A
    "a\xCC\xB8\xCC\x81",                     // a U+0338 U+0301
    "<sep>",
    "re\xCC\x81sume\xCC\x81",
    " the",
    "ing",
};

inline std::string generate_text(SplitMix& random) {
    std::string text;
    for (std::uint64_t pieces = 1 + random.below(8); pieces > 0; --pieces) {
        const std::uint64_t kind = random.below(3);
        if (kind == 0 && random.below(4) == 0) {
            const auto c = static_cast<char32_t>(random.below(0x110000));
            text::append_utf8(text, c >= 0xD800 && c <= 0xDFFF ? U'x' : c);
        } else if (kind == 1) {
            text.append(literals[static_cast<std::size_t>(random.below(literals.size()))]);
        } else {
            const Range& range = ranges[static_cast<std::size_t>(random.below(ranges.size()))];
            for (std::uint64_t n = 1 + random.below(range.longest); n > 0; --n)
                text::append_utf8(text,
                                  range.first + static_cast<char32_t>(random.below(range.last - range.first + 1)));
        }
    }
    return text;
}

/// FNV-1a, 64 bits.
class Digest {
  public:
    void add(std::string_view bytes) {
        for (char c : bytes) value_ = (value_ ^ static_cast<std::uint8_t>(c)) * 0x100000001B3U;
    }
    void add(std::uint32_t number) {
        for (unsigned shift = 0; shift < 32; shift += 8) value_ = (value_ ^ (number >> shift & 0xFFU)) * 0x100000001B3U;
    }
    std::string hex() const {
        std::string text;
        for (unsigned shift = 64; shift > 0; shift -= 4)
            text.push_back("0123456789abcdef"[value_ >> (shift - 4) & 15U]);
        return text;
    }

  private:
    std::uint64_t value_ = 0xCBF29CE484222325U;
};

}  // namespace rwkv::test
