#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <unordered_map>
#include <utility>
#include <vector>

#include <rwkv/constraint/constraint.hpp>
#include <rwkv/constraint/grammar_builder.hpp>
#include <rwkv/constraint/limits.hpp>
#include <rwkv/core/error.hpp>
#include <rwkv/core/inline.hpp>
#include <rwkv/core/message.hpp>
#include <rwkv/text/utf8.hpp>

namespace rwkv::inline RWKV_ABI {

namespace constraint {

/// Reads a grammar in GBNF.
class GbnfReader {
  public:
    explicit GbnfReader(std::string_view text) : text_(text) {
        if (text.size() > max_text_bytes)
            core::fail<ArgumentError>("grammar", {}, {"at most ", max_text_bytes, " bytes"}, {text.size()});
        const std::size_t invalid = text::find_invalid_utf8(text);
        if (invalid != text.npos) {
            at_ = invalid;
            fail("UTF-8", "a byte that is none");
        }
        builder_.set_fold_limit(128);
    }

    Constraint read() {
        skip_space(true);
        while (at_ < text_.size()) read_rule();
        for (const Named& rule : rules_) {
            at_ = rule.first_use;
            if (!rule.defined) fail("a rule that is defined", core::Quoted{rule.name});
        }
        const auto root = numbers_.find("root");
        if (root == numbers_.end()) {
            at_ = text_.size();
            fail("a rule named root", "none");
        }
        const Symbol symbol = rules_[root->second].symbol;
        return Constraint(std::move(builder_), symbol, "grammar", "root");
    }

  private:
    struct Named {
        std::string_view name;
        Symbol symbol;
        std::size_t first_use;
        bool defined = false;
    };

    [[noreturn]] void fail(core::MessagePart expected, core::MessagePart found) const {
        std::size_t line = 1, begin = 0;
        for (std::size_t i = 0; i < at_; ++i) {
            if (text_[i] != '\n') continue;
            ++line;
            begin = i + 1;
        }
        std::size_t column = 1;
        for (std::size_t i = begin; i < at_; ++i) column += (static_cast<std::uint8_t>(text_[i]) & 0xC0U) != 0x80U;
        core::fail<ArgumentError>("grammar", {"line ", line, ", column ", column}, {expected}, {found});
    }
    /// With what is there as what was found.
    [[noreturn]] void fail_here(core::MessagePart expected) const {
        if (at_ >= text_.size()) fail(expected, "the end");
        if (text_[at_] == '\n' || text_[at_] == '\r') fail(expected, "the end of the line");
        fail(expected, core::Quoted{text_.substr(at_, text::decode_utf8(text_, at_).length)});
    }

    bool at(char c) const noexcept { return at_ < text_.size() && text_[at_] == c; }
    bool take(char c) noexcept {
        if (!at(c)) return false;
        ++at_;
        return true;
    }
    bool at_newline() const noexcept { return at('\n') || at('\r'); }
    static bool is_digit(char c) noexcept { return c >= '0' && c <= '9'; }
    static bool is_name(char c) noexcept {
        return is_digit(c) || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '-' || c == '_';
    }

    /// Blanks and comments, and ends of lines where they have no meaning.
    void skip_space(bool newlines) noexcept {
        for (; at_ < text_.size(); ++at_) {
            const char c = text_[at_];
            if (c == '#') {
                while (at_ < text_.size() && !at_newline()) ++at_;
                if (at_ == text_.size()) return;
                --at_;
            } else if (c != ' ' && c != '\t' && !(newlines && (c == '\n' || c == '\r'))) {
                return;
            }
        }
    }

    std::string_view read_name() {
        const std::size_t begin = at_;
        while (at_ < text_.size() && is_name(text_[at_])) ++at_;
        if (at_ == begin) fail_here("the name of a rule");
        return text_.substr(begin, at_ - begin);
    }

    Named& named(std::string_view name, std::size_t place) {
        const auto [found, added] = numbers_.try_emplace(name, rules_.size());
        if (added) rules_.push_back({name, builder_.rule(), place});
        return rules_[found->second];
    }

    void read_rule() {
        const std::size_t begin = at_;
        const std::string_view name = read_name();
        skip_space(false);
        if (text_.substr(at_, 3) != "::=") fail_here("::= after the name of a rule");
        at_ += 3;
        skip_space(true);
        Named& rule = named(name, begin);
        if (rule.defined) {
            at_ = begin;
            fail("each rule to be defined once", core::Quoted{name});
        }
        rule.defined = true;
        const Symbol symbol = rule.symbol;
        for (const std::vector<Symbol>& sequence : read_alternatives(0)) builder_.add(symbol, sequence);
        if (at_ < text_.size() && !at_newline()) fail_here("a symbol, | or the end of the line");
        skip_space(true);
    }

    std::vector<std::vector<Symbol>> read_alternatives(std::uint32_t depth) {
        if (depth > max_depth) fail("at most 200 groups within each other", "more");
        std::vector<std::vector<Symbol>> alternatives;
        for (;;) {
            alternatives.push_back(read_sequence(depth));
            // A line that begins with | goes on with the rule before it.
            const std::size_t end = at_;
            skip_space(true);
            if (!take('|')) {
                at_ = end;
                return alternatives;
            }
            skip_space(true);
        }
    }

    std::vector<Symbol> read_sequence(std::uint32_t depth) {
        const bool nested = depth > 0;
        std::vector<Symbol> sequence;
        for (; at_ < text_.size(); skip_space(nested)) {
            const char c = text_[at_];
            if (c == '"') {
                sequence.push_back(read_literal());
            } else if (c == '[') {
                sequence.push_back(read_class());
            } else if (c == '.') {
                ++at_;
                sequence.push_back(builder_.terminal(builder_.regexes().characters_except({})));
            } else if (c == '(') {
                ++at_;
                skip_space(true);
                std::vector<Symbol> parts;
                for (const std::vector<Symbol>& part : read_alternatives(depth + 1))
                    parts.push_back(builder_.sequence(part));
                skip_space(true);
                if (!take(')')) fail_here("a symbol, | or )");
                sequence.push_back(builder_.any_of(parts));
            } else if (c == '*' || c == '+' || c == '?' || c == '{') {
                if (sequence.empty()) fail_here("a symbol to be repeated");
                const auto [min, max] = read_repetition(nested);
                sequence.back() = builder_.repeat(sequence.back(), min, max);
            } else if (c == '<' || c == '!') {
                fail_here("no tokens in angle brackets, which are not supported");
            } else if (is_name(c)) {
                const std::size_t begin = at_;
                const std::string_view name = read_name();
                sequence.push_back(named(name, begin).symbol);
            } else {
                break;
            }
        }
        return sequence;
    }

    std::uint32_t read_number() {
        std::uint64_t number = 0;
        if (at_ >= text_.size() || !is_digit(text_[at_])) fail_here("a number");
        for (; at_ < text_.size() && is_digit(text_[at_]); ++at_) {
            number = number * 10 + static_cast<std::uint64_t>(text_[at_] - '0');
            if (number >= unbounded) fail("a number below 4294967295", "more");
        }
        return static_cast<std::uint32_t>(number);
    }

    std::pair<std::uint32_t, std::uint32_t> read_repetition(bool nested) {
        if (take('*')) return {0, unbounded};
        if (take('+')) return {1, unbounded};
        if (take('?')) return {0, 1};
        ++at_;
        skip_space(nested);
        const std::uint32_t min = read_number();
        std::uint32_t max = min;
        skip_space(nested);
        if (take(',')) {
            skip_space(nested);
            max = at('}') ? unbounded : read_number();
            skip_space(nested);
        } else if (!at('}')) {
            fail_here(", or }");
        }
        if (max < min) fail("a maximum that is not below the minimum", max);
        if (!take('}')) fail_here("}");
        return {min, max};
    }

    char32_t read_hex(int digits) {
        char32_t value = 0;
        for (int i = 0; i < digits; ++i, ++at_) {
            const char c = at_ < text_.size() ? text_[at_] : ' ';
            const bool lower = c >= 'a' && c <= 'f', upper = c >= 'A' && c <= 'F';
            if (!is_digit(c) && !lower && !upper) fail_here("a hexadecimal digit");
            value = value * 16 + static_cast<char32_t>(is_digit(c) ? c - '0' : c - (lower ? 'a' : 'A') + 10);
        }
        return value;
    }

    /// A character of a literal or a class.
    char32_t read_character() {
        if (at_ >= text_.size()) fail_here("the end of the literal or class");
        const std::size_t begin = at_;
        if (!take('\\')) {
            const text::Utf8Step step = text::decode_utf8(text_, at_);
            at_ += step.length;
            return step.code_point;
        }
        const char c = at_ < text_.size() ? text_[at_++] : ' ';
        char32_t result = 0;
        switch (c) {
            case 'x':
                result = read_hex(2);
                break;
            case 'u':
                result = read_hex(4);
                break;
            case 'U':
                result = read_hex(8);
                break;
            case 't':
                return '\t';
            case 'r':
                return '\r';
            case 'n':
                return '\n';
            case '\\':
            case '"':
            case '[':
            case ']':
            case '-':
            case '^':
                return static_cast<char32_t>(c);
            default:
                at_ = begin;
                fail(R"(one of the escapes \x \u \U \t \r \n \\ \" \[ \] \- \^)", core::Quoted{text_.substr(begin, 2)});
        }
        if (result > 0x10FFFF || (result >= 0xD800 && result <= 0xDFFF)) {
            at_ = begin;
            fail("a character that is no surrogate and at most U+10FFFF", result);
        }
        return result;
    }

    Symbol read_literal() {
        ++at_;
        std::string literal;
        while (!take('"')) text::append_utf8(literal, read_character());
        return builder_.literal(literal);
    }

    Symbol read_class() {
        ++at_;
        const bool negated = take('^');
        std::vector<CharacterRange> ranges;
        while (!take(']')) {
            const std::size_t begin = at_;
            const char32_t first = read_character();
            char32_t last = first;
            if (at('-') && at_ + 1 < text_.size() && text_[at_ + 1] != ']') {
                ++at_;
                last = read_character();
            }
            if (last < first) {
                const std::size_t end = at_;
                at_ = begin;
                fail("a range whose last character is not below its first",
                     core::Quoted{text_.substr(begin, end - begin)});
            }
            ranges.push_back({first, last});
        }
        RegexSet& regexes = builder_.regexes();
        return builder_.terminal(negated ? regexes.characters_except(ranges) : regexes.characters(ranges));
    }

    std::string_view text_;
    std::size_t at_ = 0;
    GrammarBuilder builder_;
    std::vector<Named> rules_;
    std::unordered_map<std::string_view, std::size_t> numbers_;
};

}  // namespace constraint

RWKV_INLINE Constraint grammar(std::string_view gbnf) {
    return constraint::GbnfReader(gbnf).read();
}

}  // namespace rwkv::inline RWKV_ABI
