#pragma once

#include <string>
#include <utility>
#include <vector>

#include <rwkv/constraint/limits.hpp>
#include <rwkv/constraint/regex_characters.inl>
#include <rwkv/constraint/regex_syntax.hpp>
#include <rwkv/core/inline.hpp>
#include <rwkv/core/utf8.hpp>

namespace rwkv::inline RWKV_ABI::constraint {

/// Reads an expression into a tree, then writes the tree as a language.
class RegexReader : RegexCharacterReader {
  public:
    RegexReader(RegexSet& set, std::string_view text, Spelling spelling, MatchMode mode, std::string_view where,
                std::string_view subject)
        : RegexCharacterReader(text, mode == MatchMode::search, where, subject),
          set_(set),
          spelling_(spelling),
          mode_(mode) {}

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

    /// What the node matches, between what it has on its left and right.
    Regex language(std::uint32_t index, Edge left, Edge right) {
        const Node& node = nodes_[index];
        switch (node.kind) {
            case Kind::set:
                return between(left, language(node.set), right);
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

    /// The same classes come again and again.
    Regex language(const CharacterSet& characters) {
        constexpr std::size_t max_known = 16;
        for (const auto& [known, regex] : known_)
            if (known == characters) return regex;
        const Regex result = characters.regex(set_, spelling_);
        if (known_.size() < max_known) known_.push_back({characters, result});
        return result;
    }

    Regex between(Edge left, Regex regex, Edge right) {
        return set_.concat(
            {left == Edge::search ? any_text_ : Regex::empty, regex, right == Edge::search ? any_text_ : Regex::empty});
    }

    RegexSet& set_;
    Spelling spelling_;
    MatchMode mode_;
    std::vector<Node> nodes_;
    std::vector<std::pair<CharacterSet, Regex>> known_;
    Regex any_text_ = Regex::empty;
};

RWKV_INLINE Regex parse_regex(RegexSet& set, std::string_view text, Spelling spelling, MatchMode mode,
                              std::string_view where, std::string_view subject) {
    return RegexReader(set, text, spelling, mode, where, subject).read();
}

}  // namespace rwkv::inline RWKV_ABI::constraint
