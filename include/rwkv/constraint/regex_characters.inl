#pragma once

#include <algorithm>
#include <cstddef>
#include <string>
#include <string_view>

#include <rwkv/constraint/spelling.hpp>
#include <rwkv/core/error.hpp>
#include <rwkv/core/inline.hpp>
#include <rwkv/core/message.hpp>
#include <rwkv/core/utf8.hpp>
#include <rwkv/text/character_class.hpp>

namespace rwkv::inline RWKV_ABI::constraint {

/// Reads the characters of an expression: escapes and classes. Where it stands is where messages say that it is wrong.
class RegexCharacterReader {
  protected:
    /// `all_white_space`: \s is that of ECMAScript, not of ASCII.
    RegexCharacterReader(std::string_view text, bool all_white_space, std::string_view where, std::string_view subject)
        : text_(text), all_white_space_(all_white_space), where_(where), subject_(subject) {}

    [[noreturn]] void refuse(core::MessageParts expected, core::MessageParts found) const {
        core::fail<ArgumentError>(where_, {subject_, ", byte ", at_ + 1}, expected, found);
    }
    [[noreturn]] void unsupported(std::string_view what) const { refuse({"an expression without ", what}, {what}); }

    bool at_end() const noexcept { return at_ >= text_.size(); }
    char peek(std::size_t ahead = 0) const noexcept { return at_ + ahead < text_.size() ? text_[at_ + ahead] : '\0'; }
    bool take(std::string_view expected) noexcept {
        if (!text_.substr((std::min)(at_, text_.size())).starts_with(expected)) return false;
        at_ += expected.size();
        return true;
    }
    char32_t next_character() noexcept {
        const core::Utf8Step step = core::decode_utf8(text_, at_);
        at_ += step.length;
        return step.code_point;
    }

    static bool is_word(char c) noexcept {
        return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_';
    }

    static CharacterSet line_terminators() {
        CharacterSet set;
        set.add('\n');
        set.add('\r');
        set.add(0x2028, 0x2029);
        return set;
    }

    CharacterSet white_space() const {
        CharacterSet set;
        set.add('\t', '\r');
        set.add(' ');
        if (!all_white_space_) return set;
        // ECMAScript's.
        constexpr char32_t others[] = {0xA0, 0x1680, 0x2028, 0x2029, 0x202F, 0x205F, 0x3000, 0xFEFF};
        for (const char32_t c : others) set.add(c);
        set.add(0x2000, 0x200A);
        return set;
    }

    CharacterSet unicode_class() {
        std::string name;
        if (take("{")) {
            while (!at_end() && peek() != '}') name.push_back(text_[at_++]);
            if (!take("}")) refuse({"\"}\""}, {"the end of the expression"});
        } else if (!at_end()) {
            name.push_back(text_[at_++]);
        }
        using text::CharacterClass;
        CharacterClass wanted{};
        if (name == "L" || name == "Letter" || name == "General_Category=Letter" || name == "gc=L")
            wanted = CharacterClass::letter;
        else if (name == "N" || name == "Number" || name == "General_Category=Number" || name == "gc=N")
            wanted = CharacterClass::number;
        else
            refuse({"\\p{L} or \\p{N}"}, {"the class ", core::Quoted{name}});
        // Found once, since it takes milliseconds.
        static const CharacterSet letters = characters_of(CharacterClass::letter);
        static const CharacterSet numbers = characters_of(CharacterClass::number);
        return wanted == CharacterClass::letter ? letters : numbers;
    }

    static CharacterSet characters_of(text::CharacterClass wanted) {
        CharacterSet set;
        for (char32_t c = 0; c <= 0x10FFFF; ++c) {
            if (text::character_class(c) != wanted) continue;
            const char32_t first = c;
            while (c < 0x10FFFF && text::character_class(c + 1) == wanted) ++c;
            set.add(first, c);
        }
        return set;
    }

    char32_t hex(std::size_t count) {
        char32_t value = 0;
        for (std::size_t i = 0; i < count; ++i, ++at_) {
            const char c = peek();
            if (c >= '0' && c <= '9')
                value = value * 16 + static_cast<char32_t>(c - '0');
            else if ((c >= 'a' && c <= 'f') || (c >= 'A' && c <= 'F'))
                value = value * 16 + static_cast<char32_t>((c | 32) - 'a' + 10);
            else
                refuse({count, " hexadecimal digits"}, {"something else"});
        }
        return value;
    }

    char32_t unicode_escape() {
        if (take("{")) {
            std::size_t digits = 0;
            while (digits < 7 && peek(digits) != '}') ++digits;
            const char32_t c = hex(digits);
            if (!take("}") || digits == 0 || c > 0x10FFFF) refuse({"a code point"}, {"something else"});
            return c;
        }
        const char32_t high = hex(4);
        if (high < 0xD800 || high > 0xDBFF || peek() != '\\' || peek(1) != 'u') return high;
        const std::size_t begin = at_;
        at_ += 2;
        const char32_t low = hex(4);
        if (low >= 0xDC00 && low <= 0xDFFF) return 0x10000 + ((high - 0xD800) << 10U) + (low - 0xDC00);
        at_ = begin;
        return high;
    }

    /// Reads what follows a backslash. Returns whether it is a single character, which is `last_` then.
    bool escape(CharacterSet& set, bool in_class) {
        if (at_end()) refuse({"a character after the backslash"}, {"the end of the expression"});
        const char c = text_[at_];
        CharacterSet found;
        const auto finish = [&](bool negated) {
            set.add(negated ? found.complement() : found);
            return false;
        };
        const auto single = [&](char32_t character) {
            last_ = character;
            set.add(character);
            return true;
        };
        if (static_cast<unsigned char>(c) >= 0x80) return single(next_character());
        ++at_;
        switch (c) {
            case 'd':
            case 'D':
                found.add('0', '9');
                return finish(c == 'D');
            case 'w':
            case 'W':
                found.add('0', '9');
                found.add('a', 'z');
                found.add('A', 'Z');
                found.add('_');
                return finish(c == 'W');
            case 's':
            case 'S':
                found = white_space();
                return finish(c == 'S');
            case 'p':
            case 'P':
                found = unicode_class();
                return finish(c == 'P');
            case 'n':
                return single('\n');
            case 'r':
                return single('\r');
            case 't':
                return single('\t');
            case 'f':
                return single('\f');
            case 'v':
                return single('\v');
            case 'x':
                return single(hex(2));
            case 'u':
                return single(unicode_escape());
            case 'c':
                if (!((peek() | 32) >= 'a' && (peek() | 32) <= 'z')) refuse({"a letter after \\c"}, {"something else"});
                return single(static_cast<char32_t>(text_[at_++] & 31));
            case 'b':
                if (in_class) return single('\b');
                break;
            default:
                break;
        }
        if (c == '0' && !(peek() >= '0' && peek() <= '9')) return single(0);
        --at_;
        if (c == 'b' || c == 'B') unsupported("word boundaries");
        if (c == 'k' || (c >= '1' && c <= '9' && !in_class)) unsupported("back references");
        if (is_word(c) && c != '_') refuse({"a known escape"}, {"\\", text_.substr(at_, 1)});
        ++at_;
        return single(static_cast<unsigned char>(c));
    }

    CharacterSet character_class() {
        const bool negated = take("^");
        CharacterSet set;
        while (!take("]")) {
            if (at_end()) refuse({"\"]\""}, {"the end of the expression"});
            if (peek() == '[' && peek(1) == ':' && text_.find(":]", at_ + 2) != text_.npos && peek(2) >= 'a' &&
                peek(2) <= 'z')
                unsupported("classes of POSIX");
            if (!class_member(set)) continue;
            const char32_t first = last_;
            if (peek() != '-' || peek(1) == ']' || at_ + 1 >= text_.size()) continue;
            ++at_;
            if (!class_member(set)) {
                set.add('-');  // [a-\d]: a dash beside a class is itself
                continue;
            }
            if (last_ < first) refuse({"a range that ascends"}, {"one that descends"});
            set.add(first, last_);
        }
        return negated ? set.complement() : set;
    }

    bool class_member(CharacterSet& set) {
        if (take("\\")) return escape(set, true);
        last_ = next_character();
        set.add(last_);
        return true;
    }

    std::string_view text_;
    bool all_white_space_;
    std::string_view where_, subject_;
    std::size_t at_ = 0;
    char32_t last_ = 0;  // what `escape` and `class_member` have read, where it is a single character
};

}  // namespace rwkv::inline RWKV_ABI::constraint
