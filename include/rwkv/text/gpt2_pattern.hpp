#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <string_view>

#include <rwkv/text/character_class.hpp>
#include <rwkv/text/utf8.hpp>
#include <rwkv/version.hpp>

namespace rwkv::inline RWKV_ABI::text {

namespace pattern_detail {

inline constexpr std::array<CharacterClass, 128> ascii_classes = [] {
    std::array<CharacterClass, 128> classes{};
    for (char32_t c = 0; c < 128; ++c) classes[c] = character_class(c);
    return classes;
}();

struct Character {
    CharacterClass kind;
    std::uint8_t length;
};

constexpr Character character_at(std::string_view text, std::size_t at) noexcept {
    const auto byte = static_cast<std::uint8_t>(text[at]);
    if (byte < 0x80) return {ascii_classes[byte], 1};
    const Utf8Step step = decode_utf8(text, at);
    return {character_class(step.code_point), step.length};
}

}  // namespace pattern_detail

/// The end of the word that begins at byte `at` (less than the size) of valid UTF-8, by the pattern of GPT-2
///
///     's|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+
///
/// where the first alternative that matches wins. The end of `text` is the end of the text for `(?!\S)`.
constexpr std::size_t end_of_word(std::string_view text, std::size_t at) noexcept {
    using pattern_detail::Character;
    using pattern_detail::character_at;
    const auto follows = [&](std::size_t i, char c) { return i < text.size() && text[i] == c; };
    if (text[at] == '\'' && at + 1 < text.size()) {
        const char next = text[at + 1];
        if (next == 's' || next == 't' || next == 'm' || next == 'd') return at + 2;
        if ((next == 'r' || next == 'v') && follows(at + 2, 'e')) return at + 3;
        if (next == 'l' && follows(at + 2, 'l')) return at + 3;
    }
    std::size_t end = at + (text[at] == ' ' ? 1 : 0);
    if (end < text.size()) {
        const Character first = character_at(text, end);
        if (first.kind != CharacterClass::space) {
            end += first.length;
            while (end < text.size()) {
                const Character next = character_at(text, end);
                if (next.kind != first.kind) break;
                end += next.length;
            }
            return end;
        }
    }
    // White space. `\s+(?!\S)` takes the run if it ends the text, and all of it but the last character
    // otherwise; where that leaves nothing, `\s+` takes the one.
    end = at;
    std::size_t last = at;
    while (end < text.size()) {
        const Character next = character_at(text, end);
        if (next.kind != CharacterClass::space) return last > at ? last : end;
        last = end;
        end += next.length;
    }
    return end;
}

}  // namespace rwkv::inline RWKV_ABI::text
