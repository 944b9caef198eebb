#pragma once

#include <string>
#include <vector>

#include <rwkv/constraint/limits.hpp>
#include <rwkv/constraint/regex_syntax.hpp>
#include <rwkv/core/error.hpp>
#include <rwkv/core/inline.hpp>
#include <rwkv/core/message.hpp>
#include <rwkv/core/utf8.hpp>
#include <rwkv/text/character_class.hpp>

namespace rwkv::inline RWKV_ABI::constraint {

/// Reads an expression into a tree, then writes the tree as a language.
class RegexReader {
  public:
    RegexReader(RegexSet& set, std::string_view text, Spelling spelling, MatchMode mode, std::string_view where,
                std::string_view subject)
        : set_(set), text_(text), spelling_(spelling), mode_(mode), where_(where), subject_(subject) {}

    Regex read() {
        if (text_.size() > max_text_bytes) refuse({"at most ", max_text_bytes, " bytes"}, {text_.size(), " bytes"});
        if (const auto invalid = core::find_invalid_utf8(text_); invalid != text_.npos) {
            at_ = invalid;
            refuse({"UTF-8"}, {"another byte"});
        }
        const std::uint32_t tree = alternatives(0);
        if (at_ != text_.size()) refuse({"a group that was opened"}, {"\")\""});
        if (mode_ == MatchMode::search) {
            CharacterSet all;
            all.add(0, 0x10FFFF);
            any_text_ = set_.star(all.regex(set_, spelling_));
        }
        const Edge edge = mode_ == MatchMode::search ? Edge::search : Edge::fixed;
        return language(tree, edge, edge);
    }

  private:
    enum class Kind : std::uint8_t { set, sequence, alternatives, repeat, begin, end };
    struct Node {
        Kind kind = Kind::set;
        bool has_anchor = false;  ///< it or something within
        std::uint32_t min = 0, max = 0;
        std::uint32_t position = 0;  ///< in the expression, for messages
        CharacterSet set;
        std::vector<std::uint32_t> children;
    };
    /// What a node has on one side.
    enum class Edge : std::uint8_t {
        inside,  ///< something else that matches
        fixed,   ///< the beginning or the end of the text
        search   ///< any text, up to the beginning or the end
    };

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

    std::uint32_t add(Kind kind, std::vector<std::uint32_t> children = {}) {
        Node node;
        node.kind = kind;
        node.position = static_cast<std::uint32_t>(at_);
        node.has_anchor = kind == Kind::begin || kind == Kind::end;
        for (const std::uint32_t child : children) node.has_anchor |= nodes_[child].has_anchor;
        node.children = std::move(children);
        nodes_.push_back(std::move(node));
        return static_cast<std::uint32_t>(nodes_.size() - 1);
    }

    std::uint32_t alternatives(std::uint32_t depth) {
        if (depth > max_depth / 2) refuse({"groups nested at most ", max_depth / 2, " deep"}, {"more"});
        std::vector<std::uint32_t> choices{sequence(depth)};
        while (take("|")) choices.push_back(sequence(depth));
        return choices.size() == 1 ? choices[0] : add(Kind::alternatives, std::move(choices));
    }

    std::uint32_t sequence(std::uint32_t depth) {
        std::vector<std::uint32_t> items;
        while (!at_end() && peek() != '|' && peek() != ')') {
            const std::uint32_t item = repeats(atom(depth));
            items.push_back(item);
        }
        return items.size() == 1 ? items[0] : add(Kind::sequence, std::move(items));
    }

    std::uint32_t atom(std::uint32_t depth) {
        if (take("^")) return add(Kind::begin);
        if (take("$")) return add(Kind::end);
        if (peek() == '*' || peek() == '+' || peek() == '?')
            refuse({"something to repeat"}, {core::Quoted{text_.substr(at_, 1)}});
        if (std::uint32_t min = 0, max = 0; peek() == '{' && read_counts(min, max))
            refuse({"something to repeat"}, {"counts"});
        if (take("(")) {
            if (peek() == '?' && !take("?:")) open_special_group();
            const std::uint32_t inner = alternatives(depth + 1);
            if (!take(")")) refuse({"\")\""}, {"the end of the expression"});
            return inner;
        }
        const std::uint32_t node = add(Kind::set);
        CharacterSet set;
        if (take("."))
            set = line_terminators().complement();
        else if (take("["))
            set = character_class();
        else if (take("\\"))
            escape(set, false);
        else
            set.add(next_character());
        nodes_[node].set = std::move(set);
        return node;
    }

    void open_special_group() {
        if (peek(1) == '=' || peek(1) == '!') unsupported("look-ahead");
        if (peek(1) == '<' && (peek(2) == '=' || peek(2) == '!')) unsupported("look-behind");
        if (peek(1) == '>') unsupported("atomic groups");
        if (peek(1) == '(') unsupported("conditions");
        if (peek(1) == '#') unsupported("comments");
        if (!take("?P<") && !take("?<")) unsupported(peek(1) == 'P' ? "back references" : "flags");
        const std::size_t begin = at_;
        while (is_word(peek())) ++at_;
        if (at_ == begin || !take(">")) refuse({"a group's name and \">\""}, {"something else"});
    }

    static bool is_word(char c) noexcept {
        return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_';
    }

    /// Reads {n}, {n,} or {n,m}; or nothing, where the bracket is a character like others.
    bool read_counts(std::uint32_t& min, std::uint32_t& max) {
        const std::size_t begin = at_++;
        const auto number = [&](std::uint32_t& value) {
            const std::size_t first = at_;
            std::uint64_t sum = 0;
            for (; peek() >= '0' && peek() <= '9'; ++at_)
                sum = (std::min)(sum * 10 + static_cast<std::uint64_t>(peek() - '0'), std::uint64_t{unbounded});
            if (sum >= 0x7FFFFFFFU) refuse({"a count below 2147483647"}, {"a larger one"});
            value = static_cast<std::uint32_t>(sum);
            return at_ != first;
        };
        if (peek() == ',' && peek(1) >= '0' && peek(1) <= '9') refuse({"{0,…}"}, {"a count without a minimum"});
        if (number(min)) {
            max = min;
            if (take(",") && !number(max)) max = unbounded;
            if (take("}")) {
                if (max < min) refuse({"a maximum that is not below the minimum"}, {"{", min, ",", max, "}"});
                return true;
            }
        }
        at_ = begin;
        return false;
    }

    std::uint32_t repeats(std::uint32_t item) {
        std::uint32_t min = 0, max = unbounded;
        const std::size_t begin = at_;
        if (take("*")) {
        } else if (take("+")) {
            min = 1;
        } else if (take("?")) {
            max = 1;
        } else if (peek() != '{' || !read_counts(min, max)) {
            return item;
        }
        if (nodes_[item].kind == Kind::begin || nodes_[item].kind == Kind::end) {
            at_ = begin;
            refuse({"something to repeat"}, {"an anchor repeated"});
        }
        take("?");  // lazy: the language is the same
        if (peek() == '+') unsupported("possessive repetition");
        const std::uint32_t node = add(Kind::repeat, {item});
        nodes_[node].min = min;
        nodes_[node].max = max;
        return node;
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
        if (mode_ == MatchMode::whole) return set;
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

    /// What the node matches, between what it has on its left and right.
    Regex language(std::uint32_t index, Edge left, Edge right) {
        const Node& node = nodes_[index];
        switch (node.kind) {
            case Kind::set:
                return between(left, node.set.regex(set_, spelling_), right);
            case Kind::begin:
            case Kind::end: {
                Edge& edge = node.kind == Kind::begin ? left : right;
                if (edge == Edge::inside) {
                    at_ = node.position - 1;
                    refuse({node.kind == Kind::begin ? "^ at the beginning" : "$ at the end"}, {"it inside"});
                }
                edge = Edge::fixed;
                return between(left, Regex::empty, right);
            }
            case Kind::alternatives: {
                std::vector<Regex> parts;
                for (const std::uint32_t child : node.children) parts.push_back(language(child, left, right));
                return set_.any_of(parts);
            }
            case Kind::repeat: {
                if (!node.has_anchor)
                    return between(
                        left, set_.repeat(language(node.children[0], Edge::inside, Edge::inside), node.min, node.max),
                        right);
                if (node.max == 0) return between(left, Regex::empty, right);
                if (node.max == 1 && node.min == 1) return language(node.children[0], left, right);
                if (node.max == 1)
                    return set_.any_of({between(left, Regex::empty, right), language(node.children[0], left, right)});
                at_ = node.position;
                refuse({"a repetition without ^ and $"}, {"one with"});
            }
            case Kind::sequence:
                break;
        }
        std::size_t begin = 0, end = node.children.size();
        for (; begin < end && nodes_[node.children[begin]].kind == Kind::begin && left != Edge::inside; ++begin)
            left = Edge::fixed;
        for (; begin < end && nodes_[node.children[end - 1]].kind == Kind::end && right != Edge::inside; --end)
            right = Edge::fixed;
        if (begin == end) return between(left, Regex::empty, right);
        std::vector<Regex> parts;
        for (std::size_t i = begin; i < end; ++i)
            parts.push_back(
                language(node.children[i], i == begin ? left : Edge::inside, i + 1 == end ? right : Edge::inside));
        return set_.concat(parts);
    }

    Regex between(Edge left, Regex regex, Edge right) {
        return set_.concat(
            {left == Edge::search ? any_text_ : Regex::empty, regex, right == Edge::search ? any_text_ : Regex::empty});
    }

    RegexSet& set_;
    std::string_view text_;
    Spelling spelling_;
    MatchMode mode_;
    std::string_view where_, subject_;
    std::size_t at_ = 0;
    char32_t last_ = 0;
    std::vector<Node> nodes_;
    Regex any_text_ = Regex::empty;
};

RWKV_INLINE Regex parse_regex(RegexSet& set, std::string_view text, Spelling spelling, MatchMode mode,
                              std::string_view where, std::string_view subject) {
    return RegexReader(set, text, spelling, mode, where, subject).read();
}

}  // namespace rwkv::inline RWKV_ABI::constraint
