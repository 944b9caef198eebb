#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <rwkv/constraint/limits.hpp>
#include <rwkv/constraint/regex_set.hpp>
#include <rwkv/core/error.hpp>
#include <rwkv/core/inline.hpp>
#include <rwkv/core/message.hpp>

namespace rwkv::inline RWKV_ABI::constraint {

RWKV_INLINE RegexSet::RegexSet() {
    nodes_.push_back({Kind::nothing, false, true, true, 1, false, 0, 1, 0, 0});
    nodes_.push_back({Kind::empty, true, true, true, 1, false, 0, 1, 0, 0});
    words_.push_back(static_cast<std::uint32_t>(Regex::nothing));
    // It is known not to be empty, as what is plain.
    nodes_.push_back({Kind::complement, true, true, false, 1, false, 0, 1, 0, 1});
    for (std::uint32_t i = 0; i < 3; ++i) {
        const auto kind = static_cast<std::uint64_t>(nodes_[i].kind);
        table_.find_or_create(
            nodes_[i].length == 0 ? kind : Interner::combine(kind, words_[0]), [](std::uint32_t) { return false; },
            [i] { return i; });
    }
}

/// The node, which is found or added. `words` must not lie in words_.
RWKV_INLINE Regex RegexSet::intern(Node node, std::span<const std::uint32_t> words) {
    if (node.depth > 5 * max_depth)
        core::fail<ArgumentError>("constraint", {"regular expression"},
                                  {"nesting of a depth of at most ", 5 * max_depth}, {"more"});
    std::uint64_t sum = static_cast<std::uint64_t>(node.kind);
    for (const std::uint32_t word : words) sum = Interner::combine(sum, word);
    const auto equal = [&](std::uint32_t known) {
        const Node& other = nodes_[known];
        return other.kind == node.kind && other.length == words.size() &&
               (words.empty() || std::memcmp(&words_[other.begin], words.data(), words.size_bytes()) == 0);
    };
    const auto create = [&] {
        if (nodes_.size() >= max_nodes || words_.size() >= 4 * max_nodes)
            core::fail<ArgumentError>("constraint", {}, {"at most ", max_nodes, " regular expressions"}, {"more"});
        node.begin = static_cast<std::uint32_t>(words_.size());
        node.length = static_cast<std::uint32_t>(words.size());
        measure(node, words);
        words_.insert(words_.end(), words.begin(), words.end());
        nodes_.push_back(node);
        return static_cast<std::uint32_t>(nodes_.size() - 1);
    };
    return static_cast<Regex>(table_.find_or_create(sum, equal, create));
}

/// Finds `limited` and `least` of a new node, of which they depend on the arguments.
RWKV_INLINE void RegexSet::measure(Node& changed, std::span<const std::uint32_t> words) const noexcept {
    const auto part = [&](std::size_t i) -> const Node& { return nodes_[words[i]]; };
    std::size_t least = changed.least;
    switch (changed.kind) {
        case Kind::concat:
            least = std::size_t{part(0).least} + part(1).least;
            changed.limited = part(0).limited || part(1).limited;
            break;
        case Kind::any_of:
        case Kind::all_of:
            least = part(0).least;
            for (std::size_t i = 0; i < words.size(); ++i) {
                const std::size_t other = part(i).least;
                least = changed.kind == Kind::any_of ? (std::min)(least, other) : (std::max)(least, other);
                changed.limited |= part(i).limited;
            }
            break;
        case Kind::repeat:
            least = std::size_t{part(0).least} * words[1];
            changed.limited = part(0).limited || words[1] > 1 || (words[2] > 1 && words[2] != unbounded);
            break;
        case Kind::nothing:
        case Kind::empty:
        case Kind::bytes:
        case Kind::complement:
        case Kind::remainder:
            break;
    }
    changed.least = static_cast<std::uint8_t>((std::min)(least, std::size_t{255}));
}

RWKV_INLINE ByteSet RegexSet::byte_set(const Node& node) const noexcept {
    ByteSet set;
    for (std::size_t i = 0; i < 4; ++i) set.words[i] = long_word(node, 2 * i);
    return set;
}

RWKV_INLINE Regex RegexSet::bytes(const ByteSet& set) {
    if (set.empty()) return Regex::nothing;
    std::uint32_t words[8];
    for (std::size_t i = 0; i < 4; ++i) {
        words[2 * i] = static_cast<std::uint32_t>(set.words[i]);
        words[2 * i + 1] = static_cast<std::uint32_t>(set.words[i] >> 32U);
    }
    return intern({Kind::bytes, false, true, true, 1, false, 1, 1, 0, 0}, words);
}

RWKV_INLINE Regex RegexSet::literal(std::string_view text) {
    Regex result = Regex::empty;
    for (std::size_t i = text.size(); i-- > 0;) {
        const auto byte = static_cast<std::uint8_t>(text[i]);
        result = concat_two(bytes(ByteSet::range(byte, byte)), result);
    }
    return result;
}

/// One of the bytes with what follows it: bytes with the same rest go together.
RWKV_INLINE Regex RegexSet::group_by_rest(std::vector<Edge>& edges) {
    std::sort(edges.begin(), edges.end(), [](const Edge& a, const Edge& b) { return a.rest < b.rest; });
    std::vector<Regex> parts;
    for (std::size_t i = 0; i < edges.size();) {
        const Regex rest = edges[i].rest;
        ByteSet set;
        for (; i < edges.size() && edges[i].rest == rest; ++i)
            set = set | ByteSet::range(edges[i].first, edges[i].last);
        if (rest != Regex::nothing) parts.push_back(concat_two(bytes(set), rest));
    }
    return any_of(parts);
}

RWKV_INLINE Regex RegexSet::literals(std::span<const std::string> texts) {
    std::vector<std::string_view> sorted(texts.begin(), texts.end());
    std::sort(sorted.begin(), sorted.end());
    sorted.erase(std::unique(sorted.begin(), sorted.end()), sorted.end());
    // The trie of the strings, in order, of which only the path to the present string is open.
    struct Open {
        std::vector<Edge> edges;
        bool complete = false;
    };
    std::vector<Open> path(1);
    std::string_view previous;
    const auto close_to = [&](std::size_t length) {
        while (path.size() > length + 1) {
            Regex rest = path.back().edges.empty() ? Regex::nothing : group_by_rest(path.back().edges);
            if (path.back().complete) rest = optional(rest);
            path.pop_back();
            const auto byte = static_cast<std::uint8_t>(previous[path.size() - 1]);
            path.back().edges.push_back({byte, byte, rest});
        }
    };
    for (const std::string_view text : sorted) {
        std::size_t common = 0;
        while (common < (std::min)(text.size(), previous.size()) && text[common] == previous[common]) ++common;
        close_to(common);
        path.resize(text.size() + 1);
        path.back().complete = true;
        previous = text;
    }
    close_to(0);
    const Regex result = path[0].edges.empty() ? Regex::nothing : group_by_rest(path[0].edges);
    return path[0].complete ? optional(result) : result;
}

/// Adds the bytes that characters of the ranges, which are in order, go on with: byte `first` + i leads to those from
/// begin + i * 64^level, of which `level` more bytes follow, for each i below `count`.
RWKV_INLINE void RegexSet::add_edges(std::vector<Edge>& edges, std::span<const CharacterRange> ranges, char32_t begin,
                                     std::uint32_t count, std::uint32_t first, std::uint32_t level) {
    const char32_t size = char32_t{1} << 6 * level, end = begin + count * size;
    for (char32_t at = begin; at < end;) {
        while (!ranges.empty() && ranges.front().last < at) ranges = ranges.subspan(1);
        if (ranges.empty() || ranges.front().first >= end) return;
        const CharacterRange range = ranges.front();
        if (range.first > at) at += (range.first - at) / size * size;
        const std::uint32_t byte = first + (at - begin) / size;
        std::uint32_t whole = 0;  // number of bytes from `byte` on that any continuation bytes may follow
        if (range.first <= at) whole = ((std::min)(static_cast<char32_t>(range.last + 1), end) - at) / size;
        Edge edge{static_cast<std::uint8_t>(byte), static_cast<std::uint8_t>(byte), Regex::empty};
        if (whole != 0) {
            edge.last = static_cast<std::uint8_t>(byte + whole - 1);
            if (level != 0) edge.rest = repeat(bytes(ByteSet::range(0x80, 0xBF)), level, level);
            at += whole * size;
        } else {
            std::vector<Edge> below;
            add_edges(below, ranges, at, 64, 0x80, level - 1);
            edge.rest = group_by_rest(below);
            at += size;
        }
        edges.push_back(edge);
    }
}

RWKV_INLINE Regex RegexSet::characters(std::span<const CharacterRange> ranges) {
    std::vector<CharacterRange> sorted;
    const auto add = [&](char32_t first, char32_t last) {
        if (first <= last) sorted.push_back({first, last});
    };
    for (const auto& [first, last] : ranges) {
        add(first, (std::min)(last, char32_t{0xD7FF}));
        add((std::max)(first, char32_t{0xE000}), (std::min)(last, char32_t{0x10FFFF}));
    }
    std::sort(sorted.begin(), sorted.end(), [](const auto& a, const auto& b) { return a.first < b.first; });
    std::vector<CharacterRange> merged;
    for (const auto& [first, last] : sorted) {
        if (!merged.empty() && first <= merged.back().last + 1)
            merged.back().last = (std::max)(merged.back().last, last);
        else
            merged.push_back({first, last});
    }
    if (!merged.empty() && merged.back().last < 0x80) {  // most are
        ByteSet set;
        for (const auto& [first, last] : merged) set = set | ByteSet::range(first, last);
        return bytes(set);
    }
    std::vector<Edge> edges;
    add_edges(edges, merged, 0, 0x80, 0, 0);
    // The longer ones begin where a character is not to be written shorter.
    const auto longer_than = [&merged](char32_t shorter) {
        std::vector<CharacterRange> result;
        for (const auto& [first, last] : merged)
            if (last > shorter) result.push_back({(std::max)(first, static_cast<char32_t>(shorter + 1)), last});
        return result;
    };
    add_edges(edges, merged, 0x80, 30, 0xC2, 1);
    add_edges(edges, longer_than(0x7FF), 0, 16, 0xE0, 2);
    add_edges(edges, longer_than(0xFFFF), 0, 5, 0xF0, 3);
    return group_by_rest(edges);
}

RWKV_INLINE Regex RegexSet::characters_except(std::span<const CharacterRange> ranges) {
    std::vector<CharacterRange> sorted(ranges.begin(), ranges.end()), others;
    std::sort(sorted.begin(), sorted.end(), [](const auto& a, const auto& b) { return a.first < b.first; });
    char32_t next = 0;
    for (const auto& [first, last] : sorted) {
        if (first > next) others.push_back({next, first - 1});
        next = (std::max)(next, static_cast<char32_t>(last + 1));
    }
    if (next <= 0x10FFFF) others.push_back({next, 0x10FFFF});
    return characters(others);
}

RWKV_INLINE Regex RegexSet::copy_from(const RegexSet& other, Regex regex, U64Map& known) {
    std::vector<Regex> stack{regex}, parts;
    while (!stack.empty()) {
        const Regex next = stack.back();
        const Node n = other.node(next);
        const bool has_parts = n.kind == Kind::concat || n.kind == Kind::any_of || n.kind == Kind::all_of;
        const std::size_t count = has_parts ? n.length : n.kind == Kind::complement || n.kind == Kind::repeat ? 1 : 0;
        parts.clear();
        bool ready = true;
        for (std::size_t i = 0; i < count; ++i) {
            const std::uint32_t* part = known.find(static_cast<std::uint64_t>(other.argument(n, i)));
            if (part) {
                parts.push_back(static_cast<Regex>(*part));
            } else {
                stack.push_back(other.argument(n, i));
                ready = false;
            }
        }
        if (!ready) continue;
        stack.pop_back();
        Regex copy = next;
        switch (n.kind) {
            case Kind::nothing:
            case Kind::empty:
                break;
            case Kind::bytes:
                copy = bytes(other.byte_set(n));
                break;
            case Kind::remainder:
                copy = remainder_state(other.long_word(n, 0), other.long_word(n, 2), other.word(n, 4),
                                       other.word(n, 5) != 0);
                break;
            case Kind::complement:
                copy = complement(parts[0]);
                break;
            case Kind::repeat:
                copy = repeat(parts[0], other.word(n, 1), other.word(n, 2));
                break;
            case Kind::concat:
                copy = concat(parts);
                break;
            case Kind::any_of:
                copy = any_of(parts);
                break;
            case Kind::all_of:
                copy = all_of(parts);
                break;
        }
        known.insert(static_cast<std::uint64_t>(next), static_cast<std::uint32_t>(copy));
    }
    return static_cast<Regex>(*known.find(static_cast<std::uint64_t>(regex)));
}

RWKV_INLINE std::size_t RegexSet::memory() const noexcept {
    return nodes_.capacity() * sizeof(Node) + words_.capacity() * sizeof(std::uint32_t) + table_.memory() +
           (derivatives_.size() + class_contained_.size() + without_far_limits_.size()) * 32 + emptiness_.capacity();
}

}  // namespace rwkv::inline RWKV_ABI::constraint
