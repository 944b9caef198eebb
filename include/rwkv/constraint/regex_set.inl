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
    for (std::uint32_t i = 0; i < 3; ++i)
        table_.find_or_create(
            hash(i), [](std::uint32_t) { return false; }, [i] { return i; },
            [this](std::uint32_t known) { return hash(known); });
}

RWKV_INLINE std::uint64_t RegexSet::hash(std::uint32_t i) const noexcept {
    const Node& node = nodes_[i];
    std::uint64_t sum = static_cast<std::uint64_t>(node.kind);
    for (std::size_t k = 0; k < node.length; ++k) sum = Interner::combine(sum, words_[node.begin + k]);
    return sum;
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
    return static_cast<Regex>(
        table_.find_or_create(sum, equal, create, [this](std::uint32_t known) { return hash(known); }));
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
RWKV_INLINE Regex RegexSet::group_by_rest(const std::vector<std::pair<std::uint8_t, Regex>>& edges) {
    std::vector<std::pair<Regex, ByteSet>> groups;
    std::vector<std::pair<std::uint8_t, Regex>> sorted = edges;
    std::sort(sorted.begin(), sorted.end(), [](const auto& a, const auto& b) { return a.second < b.second; });
    for (const auto& [byte, rest] : sorted) {
        if (rest == Regex::nothing) continue;
        if (groups.empty() || groups.back().first != rest) groups.push_back({rest, {}});
        groups.back().second.add(byte);
    }
    std::vector<Regex> parts;
    for (const auto& [rest, set] : groups) parts.push_back(concat_two(bytes(set), rest));
    return any_of(parts);
}

RWKV_INLINE Regex RegexSet::literals(std::span<const std::string> texts) {
    std::vector<std::string_view> sorted(texts.begin(), texts.end());
    std::sort(sorted.begin(), sorted.end());
    sorted.erase(std::unique(sorted.begin(), sorted.end()), sorted.end());
    // The trie of the strings, in order, of which only the path to the present string is open.
    struct Open {
        std::vector<std::pair<std::uint8_t, Regex>> edges;
        bool complete = false;
    };
    std::vector<Open> path(1);
    std::string_view previous;
    const auto close_to = [&](std::size_t length) {
        while (path.size() > length + 1) {
            Regex rest = path.back().edges.empty() ? Regex::nothing : group_by_rest(path.back().edges);
            if (path.back().complete) rest = optional(rest);
            path.pop_back();
            path.back().edges.push_back({static_cast<std::uint8_t>(previous[path.size() - 1]), rest});
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

/// The last `level` bytes of the characters of the ranges from `begin` to begin + 64^level - 1.
RWKV_INLINE Regex RegexSet::cover(std::span<const CharacterRange> ranges, char32_t begin, int level) {
    const char32_t end = begin + (char32_t{1} << static_cast<unsigned>(6 * level));
    while (!ranges.empty() && ranges.front().last < begin) ranges = ranges.subspan(1);
    if (ranges.empty() || ranges.front().first >= end) return Regex::nothing;
    if (level == 0) return Regex::empty;
    if (ranges.front().first <= begin && ranges.front().last >= end - 1) {
        const Regex tail = bytes(ByteSet::range(0x80, 0xBF));
        return repeat(tail, static_cast<std::uint32_t>(level), static_cast<std::uint32_t>(level));
    }
    std::vector<std::pair<std::uint8_t, Regex>> edges;
    const char32_t step = char32_t{1} << static_cast<unsigned>(6 * (level - 1));
    for (unsigned i = 0; i < 64; ++i)
        edges.push_back({static_cast<std::uint8_t>(0x80 + i), cover(ranges, begin + i * step, level - 1)});
    return group_by_rest(edges);
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
    std::vector<std::pair<std::uint8_t, Regex>> edges;
    // Of each length of characters: the lead bytes, and the least character that is not to be written shorter.
    struct Length {
        unsigned first_lead, last_lead, mask;
        int level;
        char32_t least;
    };
    for (const Length& length : {Length{0x00, 0x7F, 0x7F, 0, 0}, Length{0xC2, 0xDF, 0x1F, 1, 0x80},
                                 Length{0xE0, 0xEF, 0x0F, 2, 0x800}, Length{0xF0, 0xF4, 0x07, 3, 0x10000}}) {
        std::vector<CharacterRange> long_enough;
        for (const auto& [first, last] : merged)
            if (last >= length.least) long_enough.push_back({(std::max)(first, length.least), last});
        std::span<const CharacterRange> left = long_enough;
        for (unsigned lead = length.first_lead; lead <= length.last_lead && !left.empty(); ++lead) {
            const char32_t begin = char32_t{lead & length.mask} << static_cast<unsigned>(6 * length.level);
            while (!left.empty() && left.front().last < begin) left = left.subspan(1);
            const Regex rest = cover(left, begin, length.level);
            if (rest != Regex::nothing) edges.push_back({static_cast<std::uint8_t>(lead), rest});
        }
    }
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
