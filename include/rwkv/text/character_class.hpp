#pragma once

#include <cstddef>
#include <cstdint>

#include <rwkv/text/unicode_tables.hpp>
#include <rwkv/version.hpp>

namespace rwkv::inline RWKV_ABI::text {

/// The classes of characters in the GPT-2 pattern: \p{L}, \p{N}, \s, and the rest (marks, signs, unassigned).
enum class CharacterClass : std::uint8_t { other, letter, number, space };

/// The class of a character (at most U+10FFFF), by Unicode 16.0.
constexpr CharacterClass character_class(char32_t c) noexcept {
    const std::size_t block = tables::class_order[c >> 8U];
    const unsigned packed = tables::class_blocks[block * 64 + (c >> 2U & 63U)];
    return static_cast<CharacterClass>(packed >> (2 * (c & 3U)) & 3U);
}

}  // namespace rwkv::inline RWKV_ABI::text
