#pragma once

#include <charconv>
#include <cstddef>

#include <rwkv/core/inline.hpp>
#include <rwkv/core/message.hpp>
#include <rwkv/core/quote.hpp>
#include <rwkv/version.hpp>

namespace rwkv::inline RWKV_ABI::core {

RWKV_INLINE std::string quoted(std::string_view text) {
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

RWKV_INLINE std::string tensor_subject(std::string_view name) {
    return "tensor " + quoted(name);
}

RWKV_INLINE void MessagePart::append_to(std::string& message) const {
    char digits[32];
    char* const last = digits + sizeof digits;
    char* end = digits;
    switch (kind_) {
        case Kind::text:
            message.append(text_);
            return;
        case Kind::quoted:
            message.append(quoted(text_));
            return;
        case Kind::signed_integer:
            end = std::to_chars(digits, last, static_cast<std::int64_t>(integer_)).ptr;
            break;
        case Kind::unsigned_integer:
            end = std::to_chars(digits, last, integer_).ptr;
            break;
        case Kind::real:
            end = std::to_chars(digits, last, real_, std::chars_format::general, 6).ptr;
            break;
    }
    message.append(digits, end);
}

RWKV_INLINE std::string join(MessageParts parts) {
    std::string message;
    for (const MessagePart& part : parts) part.append_to(message);
    return message;
}

}  // namespace rwkv::inline RWKV_ABI::core
