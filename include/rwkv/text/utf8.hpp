#pragma once

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <string>
#include <string_view>

#include <rwkv/core/utf8.hpp>
#include <rwkv/version.hpp>

namespace rwkv::inline RWKV_ABI::text {

using core::decode_utf8;
using core::find_invalid_utf8;
using core::skip_ascii;
using core::Utf8Status;
using core::Utf8Step;

/// U+FFFD, which replaces what cannot be decoded.
inline constexpr std::string_view replacement_character = "\xEF\xBF\xBD";

/// Appends a character, which is no surrogate and at most U+10FFFF, in UTF-8.
inline void append_utf8(std::string& text, char32_t c) {
    const auto put = [&](char32_t byte) { text.push_back(static_cast<char>(static_cast<std::uint8_t>(byte))); };
    if (c < 0x80) return put(c);
    if (c < 0x800) {
        put(0xC0U | c >> 6U);
    } else {
        if (c < 0x10000) {
            put(0xE0U | c >> 12U);
        } else {
            put(0xF0U | c >> 18U);
            put(0x80U | (c >> 12U & 0x3FU));
        }
        put(0x80U | (c >> 6U & 0x3FU));
    }
    put(0x80U | (c & 0x3FU));
}

/// Any bytes as UTF-8, with one U+FFFD for each maximal invalid subpart, as Rust's from_utf8_lossy and the WHATWG
/// decoder have it.
[[nodiscard]] inline std::string lossy_utf8(std::string_view bytes) {
    std::string text;
    text.reserve(bytes.size());
    for (std::size_t at = 0; at < bytes.size();) {
        const std::size_t plain = skip_ascii(bytes, at);
        text.append(bytes, at, plain - at);
        at = plain;
        if (at == bytes.size()) break;
        const Utf8Step step = decode_utf8(bytes, at);
        text.append(step.status == Utf8Status::complete ? bytes.substr(at, step.length) : replacement_character);
        at += step.length;
    }
    return text;
}

/// `lossy_utf8` for bytes that come in chunks: the text does not depend on how they are cut. At most three bytes are
/// held back, and only while they may still become a character.
class Utf8Stream {
  public:
    /// Appends to `text` what no further bytes can change.
    void push(std::string_view bytes, std::string& text) {
        std::size_t at = 0;
        // Complete what was held back, one byte at a time: an invalid byte ends it and is decoded anew.
        while (held_ > 0 && at < bytes.size()) {
            tail_[held_] = bytes[at];
            const std::string_view joined(tail_, held_ + 1U);
            const Utf8Step step = decode_utf8(joined, 0);
            if (step.status == Utf8Status::truncated) {
                ++held_;
                ++at;
            } else {
                const bool complete = step.status == Utf8Status::complete;
                text.append(complete ? joined : replacement_character);
                if (complete) ++at;
                held_ = 0;
            }
        }
        while (at < bytes.size()) {
            const std::size_t plain = skip_ascii(bytes, at);
            text.append(bytes, at, plain - at);
            at = plain;
            if (at == bytes.size()) break;
            const Utf8Step step = decode_utf8(bytes, at);
            if (step.status == Utf8Status::truncated) {
                held_ = step.length;
                std::memcpy(tail_, bytes.data() + at, held_);
                return;
            }
            text.append(step.status == Utf8Status::complete ? bytes.substr(at, step.length) : replacement_character);
            at += step.length;
        }
    }

    /// Ends the text: appends U+FFFD where a character is incomplete. The stream can then be used for another text.
    void finish(std::string& text) {
        if (held_ > 0) text.append(replacement_character);
        held_ = 0;
    }

  private:
    char tail_[4] = {};  ///< room for the three bytes held and the one being tried
    std::uint8_t held_ = 0;
};

}  // namespace rwkv::inline RWKV_ABI::text
