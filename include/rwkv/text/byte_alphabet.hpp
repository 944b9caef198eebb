#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include <rwkv/text/utf8.hpp>
#include <rwkv/version.hpp>

namespace rwkv::inline RWKV_ABI::text {

/// The printable characters that stand for the 256 bytes in a byte-level vocabulary: bytes that are printable in
/// Latin-1 stand for themselves, and the other 68, in order, are U+0100 to U+0143.
inline constexpr std::array<char32_t, 256> byte_alphabet = [] {
    std::array<char32_t, 256> alphabet{};
    char32_t next = 0x100;
    for (char32_t byte = 0; byte < 256; ++byte) {
        const bool printable = (byte >= 0x21 && byte <= 0x7E) || (byte >= 0xA1 && byte <= 0xAC) || byte >= 0xAE;
        alphabet[byte] = printable ? byte : next++;
    }
    return alphabet;
}();

/// The byte that a character of the alphabet stands for; nothing for any other character.
[[nodiscard]] constexpr std::optional<std::uint8_t> byte_of_character(char32_t c) noexcept {
    constexpr std::array<std::int16_t, 0x144> bytes = [] {
        std::array<std::int16_t, 0x144> table{};
        table.fill(-1);
        for (std::size_t byte = 0; byte < 256; ++byte) table[byte_alphabet[byte]] = static_cast<std::int16_t>(byte);
        return table;
    }();
    if (c >= bytes.size() || bytes[c] < 0) return std::nullopt;
    return static_cast<std::uint8_t>(bytes[c]);
}

/// The bytes of a token as the vocabulary spells it: those that its characters stand for, or, where one is not in the
/// alphabet, those of the spelling itself. `token` is valid UTF-8.
[[nodiscard]] inline std::string bytes_of_token(std::string_view token) {
    std::string bytes;
    for (std::size_t at = 0; at < token.size();) {
        const Utf8Step step = decode_utf8(token, at);
        const auto byte = byte_of_character(step.code_point);
        if (!byte) return std::string(token);
        bytes.push_back(static_cast<char>(*byte));
        at += step.length;
    }
    return bytes;
}

}  // namespace rwkv::inline RWKV_ABI::text
