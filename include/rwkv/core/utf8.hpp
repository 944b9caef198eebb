#pragma once

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <string_view>

#include <rwkv/version.hpp>

namespace rwkv::inline RWKV_ABI::core {

/// The state of the bytes at one place in a text.
enum class Utf8Status : std::uint8_t {
    complete,   ///< a character
    truncated,  ///< the beginning of a character, at the end of the text
    invalid     ///< no character, whatever follows
};

/// The character at one place in a text, and its length in bytes. Where there is none, `length` is that of the maximal
/// subpart, which one U+FFFD replaces.
struct Utf8Step {
    char32_t code_point;  ///< of the character
    std::uint8_t length;  ///< bytes that it takes
    Utf8Status status;    ///< whether there is one
};

/// Decodes the character at byte `at` (less than the size). Overlong forms, surrogates and code points past U+10FFFF
/// are invalid.
[[nodiscard]] constexpr Utf8Step decode_utf8(std::string_view text, std::size_t at) noexcept {
    const auto byte = [&](std::size_t i) { return static_cast<std::uint8_t>(text[at + i]); };
    const std::uint8_t lead = byte(0);
    if (lead < 0x80) return {lead, 1, Utf8Status::complete};
    if (lead < 0xC2 || lead > 0xF4) return {0xFFFD, 1, Utf8Status::invalid};
    const std::size_t length = lead < 0xE0 ? 2 : lead < 0xF0 ? 3 : 4;
    // After some lead bytes the second byte has a smaller range than 80…BF, which excludes overlong forms and
    // surrogates.
    const std::uint8_t low = lead == 0xE0 ? 0xA0 : lead == 0xF0 ? 0x90 : 0x80;
    const std::uint8_t high = lead == 0xED ? 0x9F : lead == 0xF4 ? 0x8F : 0xBF;
    char32_t code_point = lead & (0x7FU >> length);
    for (std::size_t i = 1; i < length; ++i) {
        if (at + i >= text.size()) return {0xFFFD, static_cast<std::uint8_t>(i), Utf8Status::truncated};
        const std::uint8_t next = byte(i);
        if (next < (i == 1 ? low : 0x80) || next > (i == 1 ? high : 0xBF))
            return {0xFFFD, static_cast<std::uint8_t>(i), Utf8Status::invalid};
        code_point = code_point << 6U | (next & 0x3FU);
    }
    return {code_point, static_cast<std::uint8_t>(length), Utf8Status::complete};
}

/// The first byte at or after `at` that is not ASCII, or the size of the text.
[[nodiscard]] inline std::size_t skip_ascii(std::string_view text, std::size_t at) noexcept {
    for (; text.size() - at >= 8; at += 8) {
        std::uint64_t bytes = 0;
        std::memcpy(&bytes, text.data() + at, 8);
        if (bytes & 0x8080808080808080U) break;
    }
    while (at < text.size() && static_cast<std::uint8_t>(text[at]) < 0x80) ++at;
    return at;
}

/// The first byte that does not belong to a complete character, or npos where the text is valid UTF-8.
[[nodiscard]] inline std::size_t find_invalid_utf8(std::string_view text) noexcept {
    for (std::size_t at = 0; (at = skip_ascii(text, at)) < text.size();) {
        const Utf8Step step = decode_utf8(text, at);
        if (step.status != Utf8Status::complete) return at;
        at += step.length;
    }
    return std::string_view::npos;
}

}  // namespace rwkv::inline RWKV_ABI::core
