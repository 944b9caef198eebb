#pragma once

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <string>
#include <string_view>

#include <rwkv/version.hpp>

namespace rwkv::inline RWKV_ABI::text {

/// What the bytes at one place of a text are.
enum class Utf8Status : std::uint8_t {
    complete,   ///< one character
    truncated,  ///< the text ends within what may still become a character
    invalid     ///< bytes that no continuation can mend
};

/// One step through a text: the character there, and how many bytes it takes. Where there is none, `length` is that
/// of the maximal subpart: what stands for one U+FFFD.
struct Utf8Step {
    char32_t code_point;  ///< of the character
    std::uint8_t length;  ///< bytes that it takes
    Utf8Status status;    ///< whether there is one
};

/// U+FFFD, which stands for what cannot be decoded.
inline constexpr std::string_view replacement_character = "\xEF\xBF\xBD";

/// Looks at the text from byte `at` (less than the size) on. Overlong forms, surrogates and what lies past U+10FFFF
/// are invalid.
constexpr Utf8Step decode_utf8(std::string_view text, std::size_t at) noexcept {
    const auto byte = [&](std::size_t i) { return static_cast<std::uint8_t>(text[at + i]); };
    const std::uint8_t lead = byte(0);
    if (lead < 0x80) return {lead, 1, Utf8Status::complete};
    if (lead < 0xC2 || lead > 0xF4) return {0xFFFD, 1, Utf8Status::invalid};
    const std::size_t length = lead < 0xE0 ? 2 : lead < 0xF0 ? 3 : 4;
    // What may follow some leads is less than 80…BF: this is where overlong forms and surrogates end.
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

/// Appends a character (no surrogate, at most U+10FFFF).
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

/// The first byte at or after `at` that is not ASCII, or the text's size.
inline std::size_t skip_ascii(std::string_view text, std::size_t at) noexcept {
    for (; text.size() - at >= 8; at += 8) {
        std::uint64_t bytes = 0;
        std::memcpy(&bytes, text.data() + at, 8);
        if (bytes & 0x8080808080808080U) break;
    }
    while (at < text.size() && static_cast<std::uint8_t>(text[at]) < 0x80) ++at;
    return at;
}

/// Where the text first stops being UTF-8 (also by ending too soon), or npos.
inline std::size_t find_invalid_utf8(std::string_view text) noexcept {
    for (std::size_t at = 0; (at = skip_ascii(text, at)) < text.size();) {
        const Utf8Step step = decode_utf8(text, at);
        if (step.status != Utf8Status::complete) return at;
        at += step.length;
    }
    return std::string_view::npos;
}

/// Any bytes as UTF-8, with one U+FFFD for each maximal invalid subpart (as Rust's from_utf8_lossy and the WHATWG
/// decoder do).
inline std::string lossy_utf8(std::string_view bytes) {
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

/// `lossy_utf8` over bytes that come piece by piece: whatever the pieces, the texts appended add up to the same. At
/// most three bytes are held back, and only those that may still become a character.
class Utf8Stream {
  public:
    /// Appends to `text` what has become certain.
    void push(std::string_view bytes, std::string& text) {
        std::size_t at = 0;
        // Complete what was left, one byte at a time: an invalid byte ends the tail and is looked at afresh.
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

    /// No more is to come: appends U+FFFD where a character was begun. The stream is then as new.
    void finish(std::string& text) {
        if (held_ > 0) text.append(replacement_character);
        held_ = 0;
    }

  private:
    char tail_[4] = {};  ///< room for the three bytes held and the one being tried
    std::uint8_t held_ = 0;
};

}  // namespace rwkv::inline RWKV_ABI::text
