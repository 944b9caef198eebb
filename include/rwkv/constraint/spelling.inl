#pragma once

#include <algorithm>

#include <rwkv/constraint/spelling.hpp>
#include <rwkv/core/inline.hpp>

namespace rwkv::inline RWKV_ABI::constraint {

RWKV_INLINE CharacterSet CharacterSet::complement() const {
    std::vector<CharacterRange> sorted = ranges_;
    std::sort(sorted.begin(), sorted.end(),
              [](const CharacterRange& a, const CharacterRange& b) { return a.first < b.first; });
    CharacterSet result;
    char32_t next = 0;
    for (const CharacterRange& range : sorted) {
        if (range.first > next) result.add(next, range.first - 1);
        next = (std::max)(next, static_cast<char32_t>(range.last + 1));
    }
    if (next <= 0x10FFFF) result.add(next, 0x10FFFF);
    return result;
}

RWKV_INLINE Regex CharacterSet::regex(RegexSet& set, Spelling spelling) const {
    if (spelling == Spelling::plain) return set.characters(ranges_);
    std::vector<CharacterRange> as_they_are;
    std::vector<Regex> parts;
    ByteSet letters;    // after a backslash
    ByteSet digits[2];  // after \u000 and \u001
    const auto contains = [&](char32_t c) {
        for (const CharacterRange& range : ranges_)
            if (range.first <= c && c <= range.last) return true;
        return false;
    };
    constexpr std::string_view escaped = "\"\\\b\f\n\r\t", names = "\"\\bfnrt";
    for (std::size_t i = 0; i < escaped.size(); ++i)
        if (contains(static_cast<unsigned char>(escaped[i]))) letters.add(static_cast<unsigned char>(names[i]));
    for (char32_t c = 0; c < 0x20; ++c)
        if (escaped.find(static_cast<char>(c)) == escaped.npos && contains(c))
            digits[c >> 4U].add(static_cast<unsigned char>("0123456789abcdef"[c & 15U]));
    for (const CharacterRange& range : ranges_)
        for (const CharacterRange& part : {CharacterRange{0x20, 0x21}, {0x23, 0x5B}, {0x5D, 0x10FFFF}}) {
            const char32_t first = (std::max)(range.first, part.first), last = (std::min)(range.last, part.last);
            if (first <= last) as_they_are.push_back({first, last});
        }
    if (!as_they_are.empty()) parts.push_back(set.characters(as_they_are));
    Regex escapes = letters.empty() ? Regex::nothing : set.bytes(letters);
    if (!digits[0].empty()) escapes = set.any_of({escapes, set.concat({set.literal("u000"), set.bytes(digits[0])})});
    if (!digits[1].empty()) escapes = set.any_of({escapes, set.concat({set.literal("u001"), set.bytes(digits[1])})});
    if (escapes != Regex::nothing) parts.push_back(set.concat({set.literal("\\"), escapes}));
    return set.any_of(parts);
}

RWKV_INLINE void append_spelled(std::string& out, std::string_view text, Spelling spelling) {
    constexpr std::string_view escaped = "\"\\\b\f\n\r\t", names = "\"\\bfnrt";
    for (const char c : text) {
        const auto known = escaped.find(c);
        if (spelling == Spelling::json_string && known != escaped.npos) {
            out.append(1, '\\').append(1, names[known]);
        } else if (spelling == Spelling::json_string && static_cast<unsigned char>(c) < 0x20) {
            out.append(c < 0x10 ? "\\u000" : "\\u001").append(1, "0123456789abcdef"[c & 15]);
        } else {
            out.push_back(c);
        }
    }
}

}  // namespace rwkv::inline RWKV_ABI::constraint
