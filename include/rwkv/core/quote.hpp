#pragma once

#include <cstddef>
#include <string>
#include <string_view>

#include <rwkv/version.hpp>

namespace rwkv::inline RWKV_ABI::core {

/// Text from a file, made fit for a message: between double quotes, control bytes written as \xNN so that a
/// name cannot drive the terminal, and cut short (on a character's boundary) with its length given when it is
/// long.
inline std::string quoted(std::string_view text) {
    constexpr std::size_t longest = 160;
    constexpr std::string_view hex = "0123456789abcdef";
    std::string_view shown = text;
    if (shown.size() > longest) {
        std::size_t end = longest;
        while (end > 0 && (static_cast<unsigned char>(text[end]) & 0xC0U) == 0x80U) --end;
        shown = text.substr(0, end);
    }
    std::string result = "\"";
    for (char c : shown) {
        const auto byte = static_cast<unsigned char>(c);
        if (byte < 0x20 || byte == 0x7F) {
            result.append("\\x").append(1, hex[byte >> 4U]).append(1, hex[byte & 15U]);
        } else {
            if (c == '"' || c == '\\') result.push_back('\\');
            result.push_back(c);
        }
    }
    if (shown.size() < text.size()) return result.append("…\" (").append(std::to_string(text.size())).append(" bytes)");
    return result.append("\"");
}

/// `tensor "a.weight"`, the subject of a message.
inline std::string tensor_subject(std::string_view name) {
    return "tensor " + quoted(name);
}

}  // namespace rwkv::inline RWKV_ABI::core
