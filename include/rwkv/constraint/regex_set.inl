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
    nodes_.push_back({Kind::nothing, false, true, true, 1, 1, 0, 0});
    nodes_.push_back({Kind::empty, true, true, true, 1, 1, 0, 0});
    words_.push_back(static_cast<std::uint32_t>(Regex::nothing));
    // It is known not to be empty, as what is plain.
    nodes_.push_back({Kind::complement, true, true, false, 1, 1, 0, 1});
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
        words_.insert(words_.end(), words.begin(), words.end());
        nodes_.push_back(node);
        return static_cast<std::uint32_t>(nodes_.size() - 1);
    };
    return static_cast<Regex>(
        table_.find_or_create(sum, equal, create, [this](std::uint32_t known) { return hash(known); }));
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
    return intern({Kind::bytes, false, true, true, 1, 1, 0, 0}, words);
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

RWKV_INLINE Regex RegexSet::concat_two(Regex left, Regex right) {
    if (left == Regex::nothing || right == Regex::nothing) return Regex::nothing;
    if (left == Regex::empty) return right;
    if (right == Regex::empty) return left;
    if (left == Regex::anything && right == Regex::anything) return left;
    std::vector<Regex> lefts;  // only the right side of a concat is one
    while (node(left).kind == Kind::concat) {
        lefts.push_back(argument(node(left), 0));
        left = argument(node(left), 1);
    }
    lefts.push_back(left);
    for (std::size_t i = lefts.size(); i-- > 0;) {
        const Node l = node(lefts[i]), r = node(right);
        std::uint32_t depth = l.depth + 1U;
        if (r.kind == Kind::concat)
            depth = (std::max)(depth, std::uint32_t{r.depth});
        else if (l.nullable || !r.plain)
            depth = (std::max)(depth, r.depth + 1U);
        const std::uint32_t words[] = {static_cast<std::uint32_t>(lefts[i]), static_cast<std::uint32_t>(right)};
        right = intern({Kind::concat, l.nullable && r.nullable, l.plain && r.plain, l.finite && r.finite,
                        static_cast<std::uint16_t>(depth), (std::min)(l.size + r.size, 1U << 31U), 0, 0},
                       words);
    }
    return right;
}

RWKV_INLINE Regex RegexSet::concat(std::span<const Regex> parts) {
    Regex result = Regex::empty;
    for (std::size_t i = parts.size(); i-- > 0;) result = concat_two(parts[i], result);
    return result;
}

/// Sorts, and leaves each once.
inline void sort_unique(std::vector<Regex>& parts) {
    std::sort(parts.begin(), parts.end());
    parts.erase(std::unique(parts.begin(), parts.end()), parts.end());
}

/// As the arguments of a node.
inline std::vector<std::uint32_t> regex_words(const std::vector<Regex>& parts) {
    std::vector<std::uint32_t> words;
    words.reserve(parts.size());
    for (const Regex part : parts) words.push_back(static_cast<std::uint32_t>(part));
    return words;
}

/// r{2,5}x | r{4,9}x becomes r{2,9}x, without which counting would take exponentially many states.
RWKV_INLINE void RegexSet::merge_repeats(std::vector<Regex>& parts) {
    struct Counted {
        Regex part, tail;
        std::uint32_t min, max;
    };
    std::vector<Counted> counted;
    std::vector<Regex> others;
    for (const Regex part : parts) {
        const Node whole = node(part);
        const Regex left = whole.kind == Kind::concat ? argument(whole, 0) : part;
        const Node head = node(left);
        if (head.kind != Kind::repeat) {
            others.push_back(part);
            continue;
        }
        counted.push_back({argument(head, 0), whole.kind == Kind::concat ? argument(whole, 1) : Regex::empty,
                           word(head, 1), word(head, 2)});
    }
    if (counted.size() < 2) return;
    std::sort(counted.begin(), counted.end(), [](const Counted& a, const Counted& b) {
        if (a.part != b.part) return a.part < b.part;
        if (a.tail != b.tail) return a.tail < b.tail;
        return a.min < b.min;
    });
    std::size_t kept = 0;
    for (std::size_t i = 1; i < counted.size(); ++i) {
        Counted& last = counted[kept];
        const Counted& next = counted[i];
        if (next.part == last.part && next.tail == last.tail && (last.max == unbounded || next.min <= last.max + 1))
            last.max = (std::max)(last.max, next.max);
        else
            counted[++kept] = next;
    }
    if (kept + 1 == counted.size()) return;
    counted.resize(kept + 1);
    for (const Counted& c : counted) others.push_back(concat_two(repeat(c.part, c.min, c.max), c.tail));
    parts = std::move(others);
    sort_unique(parts);
}

RWKV_INLINE Regex RegexSet::any_of(std::span<const Regex> given) {
    std::vector<Regex> parts;
    parts.reserve(given.size());
    ByteSet set;
    bool has_bytes = false, nullable = false;
    const auto add = [&](Regex part) {
        if (node(part).kind == Kind::bytes) {
            set = set | byte_set(node(part));
            has_bytes = true;
        } else if (part != Regex::nothing) {
            parts.push_back(part);
            nullable |= part != Regex::empty && node(part).nullable;
        }
    };
    for (const Regex part : given) {
        const Node whole = node(part);
        if (whole.kind == Kind::any_of)
            for (std::size_t i = 0; i < whole.length; ++i) add(argument(whole, i));
        else
            add(part);
    }
    if (has_bytes) parts.push_back(bytes(set));
    sort_unique(parts);
    if (std::binary_search(parts.begin(), parts.end(), Regex::anything)) return Regex::anything;
    if (parts.size() > 1) merge_repeats(parts);
    if (!parts.empty() && parts[0] == Regex::empty && parts.size() > 1) {
        // With the empty string, r{1,n} is r{0,n}.
        for (std::size_t i = 1; i < parts.size() && !nullable; ++i) {
            const Node part = node(parts[i]);
            if (part.kind != Kind::repeat || word(part, 1) != 1) continue;
            parts[i] = repeat(argument(part, 0), 0, word(part, 2));
            nullable = true;
        }
        if (nullable) {
            parts.erase(parts.begin());
            sort_unique(parts);
        }
    }
    if (parts.empty()) return Regex::nothing;
    if (parts.size() == 1) return parts[0];
    Node result{Kind::any_of, false, true, true, 0, 0, 0, 0};
    std::uint32_t depth = 0;
    std::uint64_t size = 1;
    for (const Regex part : parts) {
        const Node& n = node(part);
        result.nullable |= n.nullable;
        result.plain &= n.plain;
        result.finite &= n.finite;
        depth = (std::max)(depth, n.depth + 1U);
        size += n.size;
    }
    result.depth = static_cast<std::uint16_t>(depth);
    result.size = static_cast<std::uint32_t>((std::min)(size, std::uint64_t{1} << 31U));
    return intern(result, regex_words(parts));
}

RWKV_INLINE Regex RegexSet::all_of(std::span<const Regex> given) {
    std::vector<Regex> parts;
    ByteSet set = ByteSet::all();
    bool has_bytes = false, has_empty = false, nullable = true;
    const auto add = [&](Regex part) {
        const Node& n = node(part);
        nullable &= n.nullable;
        has_empty |= part == Regex::empty;
        if (n.kind == Kind::bytes) {
            set = set & byte_set(n);
            has_bytes = true;
        } else if (part != Regex::anything) {
            parts.push_back(part);
        }
    };
    for (const Regex part : given) {
        if (part == Regex::nothing) return part;
        const Node whole = node(part);
        if (whole.kind == Kind::all_of)
            for (std::size_t i = 0; i < whole.length; ++i) add(argument(whole, i));
        else
            add(part);
    }
    if (has_empty) return nullable ? Regex::empty : Regex::nothing;
    if (has_bytes) {
        if (set.empty()) return Regex::nothing;
        parts.push_back(bytes(set));
    }
    sort_unique(parts);
    if (parts.empty()) return Regex::anything;
    if (parts.size() == 1) return parts[0];
    Node result{Kind::all_of, nullable, false, false, 0, 0, 0, 0};
    std::uint32_t depth = 0;
    std::uint64_t size = 1;
    for (const Regex part : parts) {
        const Node& n = node(part);
        if (n.kind == Kind::complement && std::binary_search(parts.begin(), parts.end(), argument(n, 0)))
            return Regex::nothing;
        result.finite |= n.finite;
        depth = (std::max)(depth, n.depth + 1U);
        size += n.size;
    }
    result.depth = static_cast<std::uint16_t>(depth);
    result.size = static_cast<std::uint32_t>((std::min)(size, std::uint64_t{1} << 31U));
    return intern(result, regex_words(parts));
}

RWKV_INLINE Regex RegexSet::complement(Regex part) {
    if (part == Regex::nothing) return Regex::anything;
    const Node n = node(part);
    if (n.kind == Kind::complement) return argument(n, 0);
    const std::uint32_t words[] = {static_cast<std::uint32_t>(part)};
    return intern({Kind::complement, !n.nullable, false, false, static_cast<std::uint16_t>(n.depth + 1), n.size, 0, 0},
                  words);
}

RWKV_INLINE Regex RegexSet::repeat(Regex part, std::uint32_t min, std::uint32_t max) {
    if (max < min) return Regex::nothing;
    if (max == 0 || part == Regex::empty) return Regex::empty;
    if (part == Regex::nothing) return min == 0 ? Regex::empty : Regex::nothing;
    if (part == Regex::anything) return part;
    Node n = node(part);
    if (n.kind == Kind::any_of && argument(n, 0) == Regex::empty) {
        std::vector<Regex> others;
        for (std::size_t i = 1; i < n.length; ++i) others.push_back(argument(n, i));
        part = any_of(others);
        n = node(part);
        min = 0;
    }
    if (n.nullable) min = 0;
    if (n.kind == Kind::repeat && word(n, 1) == 0) {
        const std::uint64_t times = std::uint64_t{word(n, 2)} * max;
        if (word(n, 2) == unbounded || max == unbounded || times >= unbounded)
            max = unbounded;
        else
            max = static_cast<std::uint32_t>(times);
        part = argument(n, 0);
        n = node(part);
    }
    if (max == 1 && (min == 1 || n.nullable)) return part;
    if (n.kind == Kind::bytes && min == 0 && max == unbounded && byte_set(n) == ByteSet::all()) return Regex::anything;
    const std::uint32_t words[] = {static_cast<std::uint32_t>(part), min, max};
    return intern({Kind::repeat, min == 0, n.plain, n.finite && max != unbounded,
                   static_cast<std::uint16_t>(n.depth + 1), (std::min)(n.size + 1, 1U << 31U), 0, 0},
                  words);
}

RWKV_INLINE Regex RegexSet::remainder(std::uint64_t divisor, std::uint32_t scale) {
    if (divisor == 0 || divisor >= std::uint64_t{1} << 59U)
        core::fail<ArgumentError>("constraint", {"divisor"}, {"1 to 2^59 - 1"}, {divisor});
    if (scale > 400) core::fail<ArgumentError>("constraint", {"digits after the point"}, {"at most 400"}, {scale});
    return remainder_state(divisor, 0, scale, false);
}

/// What may follow a number of which `value` is the remainder, without the `scale` digits after the point that may
/// still come.
RWKV_INLINE Regex RegexSet::remainder_state(std::uint64_t divisor, std::uint64_t value, std::uint32_t scale,
                                            bool fraction) {
    std::uint64_t whole = value;
    std::uint64_t last = 0;  // what the digits to come can add at most, if less than the divisor
    for (std::uint32_t i = 0; i < scale; ++i) {
        whole = whole * 10 % divisor;
        last = (std::min)(last * 10 + 9, divisor);
    }
    if (fraction && whole != 0 && divisor - whole > last) return Regex::nothing;
    const std::uint32_t words[] = {static_cast<std::uint32_t>(divisor),
                                   static_cast<std::uint32_t>(divisor >> 32U),
                                   static_cast<std::uint32_t>(value),
                                   static_cast<std::uint32_t>(value >> 32U),
                                   scale,
                                   fraction ? 1U : 0U};
    return intern({Kind::remainder, whole == 0, true, false, 1, 16, 0, 0}, words);
}

RWKV_INLINE Regex RegexSet::derive_remainder(const Node& node, std::uint8_t byte) {
    const std::uint64_t divisor = long_word(node, 0), value = long_word(node, 2);
    const std::uint32_t scale = word(node, 4);
    const bool fraction = word(node, 5) != 0;
    if (byte == '.') return fraction ? Regex::nothing : remainder_state(divisor, value, scale, true);
    if (byte < '0' || byte > '9') return Regex::nothing;
    const std::uint64_t digit = byte - std::uint64_t{'0'};
    if (!fraction) return remainder_state(divisor, (value * 10 + digit) % divisor, scale, false);
    if (scale == 0) return digit == 0 ? remainder_state(divisor, value, 0, true) : Regex::nothing;
    return remainder_state(divisor, (value * 10 + digit) % divisor, scale - 1, true);
}

RWKV_INLINE Regex RegexSet::derivative(Regex regex, std::uint8_t byte) {
    return derive(regex, byte);
}

RWKV_INLINE Regex RegexSet::derive(Regex regex, std::uint8_t byte) {
    const Node n = node(regex);
    switch (n.kind) {
        case Kind::nothing:
        case Kind::empty:
            return Regex::nothing;
        case Kind::bytes:
            return byte_set(n).contains(byte) ? Regex::empty : Regex::nothing;
        case Kind::remainder:
            return derive_remainder(n, byte);
        case Kind::complement:
            return complement(derive(argument(n, 0), byte));
        case Kind::repeat: {
            const Regex part = derive(argument(n, 0), byte);
            if (part == Regex::nothing) return part;
            const std::uint32_t min = word(n, 1), max = word(n, 2);
            return concat_two(part, repeat(argument(n, 0), min == 0 ? 0 : min - 1, max == unbounded ? max : max - 1));
        }
        case Kind::concat: {
            const Regex left = argument(n, 0);
            if (node(left).kind == Kind::bytes)  // most are, and need no memory
                return byte_set(node(left)).contains(byte) ? argument(n, 1) : Regex::nothing;
            break;
        }
        case Kind::any_of:
        case Kind::all_of:
            break;
    }
    const std::uint64_t key = static_cast<std::uint64_t>(regex) << 8U | byte;
    if (const std::uint32_t* known = derivatives_.find(key)) return static_cast<Regex>(*known);
    std::vector<Regex> parts;
    Regex result = Regex::nothing;
    if (n.kind == Kind::concat) {
        for (Regex rest = regex;;) {
            const Node r = node(rest);
            if (r.kind != Kind::concat) {
                parts.push_back(derive(rest, byte));
                break;
            }
            const Regex left = argument(r, 0), right = argument(r, 1);
            const Regex part = derive(left, byte);
            if (part != Regex::nothing) parts.push_back(concat_two(part, right));
            if (!nullable(left)) break;
            rest = right;
        }
        result = any_of(parts);
    } else if (n.kind == Kind::any_of) {
        for (std::size_t i = 0; i < n.length; ++i) {
            const Regex part = derive(argument(n, i), byte);
            if (part != Regex::nothing) parts.push_back(part);
        }
        result = any_of(parts);
    } else {
        bool possible = true;
        for (std::size_t i = 0; i < n.length && possible; ++i) {
            parts.push_back(derive(argument(n, i), byte));
            possible = parts.back() != Regex::nothing;
        }
        if (possible) result = all_of(parts);
    }
    derivatives_.insert(key, static_cast<std::uint32_t>(result));
    return result;
}

RWKV_INLINE bool RegexSet::matches(Regex regex, std::string_view text) {
    for (const char c : text) {
        if (regex == Regex::nothing) return false;
        regex = derive(regex, static_cast<std::uint8_t>(c));
    }
    return nullable(regex);
}

RWKV_INLINE bool RegexSet::is_empty(Regex regex) {
    for (;;) {
        const Node n = node(regex);
        if (regex == Regex::nothing) return true;
        if (n.nullable || n.plain) return false;
        if (emptiness_.size() > index(regex) && emptiness_[index(regex)] != Emptiness::unknown)
            return emptiness_[index(regex)] == Emptiness::empty;
        if (n.kind == Kind::concat) {
            if (is_empty(argument(n, 0))) return true;
            regex = argument(n, 1);
        } else if (n.kind == Kind::repeat) {
            regex = argument(n, 0);  // at least once
        } else if (n.kind == Kind::any_of) {
            for (std::size_t i = 0; i < n.length; ++i)
                if (!is_empty(argument(n, i))) return false;
            return true;
        } else {
            return search_empty(regex);
        }
    }
}

/// Adds the sets that tell apart first bytes of what matches.
RWKV_INLINE void RegexSet::first_bytes(Regex regex, std::vector<ByteSet>& sets) const {
    for (;;) {
        const Node& n = node(regex);
        switch (n.kind) {
            case Kind::nothing:
            case Kind::empty:
                return;
            case Kind::bytes:
                sets.push_back(byte_set(n));
                return;
            case Kind::remainder:
                for (unsigned digit = '0'; digit <= '9'; ++digit) sets.push_back(ByteSet::range(digit, digit));
                sets.push_back(ByteSet::range('.', '.'));
                return;
            case Kind::concat:
                first_bytes(argument(n, 0), sets);
                if (!nullable(argument(n, 0))) return;
                regex = argument(n, 1);
                break;
            case Kind::any_of:
            case Kind::all_of:
                for (std::size_t i = 0; i < n.length; ++i) first_bytes(argument(n, i), sets);
                return;
            case Kind::complement:
            case Kind::repeat:
                regex = argument(n, 0);
                break;
        }
    }
}

/// Numbers the classes of bytes that no set tells apart, from 0 in order of their first byte. Returns their number.
inline std::size_t byte_classes(const std::vector<ByteSet>& sets, std::uint8_t (&class_of)[256]) {
    std::uint8_t representative[256];
    for (std::uint8_t& byte : class_of) byte = 0;
    std::size_t count = 1;
    for (const ByteSet& set : sets) {
        if (count == 256) break;
        // Each class is split in two, where the set has some of it: the part that its first byte is in keeps the
        // number.
        std::uint16_t other[256];
        bool seen[256] = {}, first_in[256] = {};
        for (unsigned i = 0; i < 256; ++i) other[i] = 256;
        for (unsigned byte = 0; byte < 256; ++byte) {
            const std::uint8_t now = class_of[byte];
            const bool in = set.contains(byte);
            if (!seen[now]) {
                seen[now] = true;
                first_in[now] = in;
            } else if (in != first_in[now]) {
                if (other[now] == 256) {
                    other[now] = static_cast<std::uint16_t>(count++);
                    seen[other[now]] = true;
                    first_in[other[now]] = in;
                }
                class_of[byte] = static_cast<std::uint8_t>(other[now]);
            }
        }
    }
    // In order of the first byte.
    bool known[256] = {};
    std::uint8_t next = 0;
    for (std::uint8_t& number : class_of) {
        if (!known[number]) {
            known[number] = true;
            representative[number] = next++;
        }
        number = representative[number];
    }
    return count;
}

/// Searches for a string that matches, depth first.
RWKV_INLINE bool RegexSet::search_empty(Regex start) {
    constexpr std::size_t max_visited = 200'000;
    struct Visit {
        Regex regex;
        std::size_t from;
    };
    std::vector<Visit> visits{{start, 0}};
    std::vector<std::size_t> stack{0};
    U64Map visited;
    visited.insert(static_cast<std::uint64_t>(start), 0);
    const auto mark = [&](Regex regex, Emptiness emptiness) {
        if (emptiness_.size() < nodes_.size()) emptiness_.resize(nodes_.size() + nodes_.size() / 2, Emptiness::unknown);
        emptiness_[index(regex)] = emptiness;
    };
    while (!stack.empty()) {
        const std::size_t now = stack.back();
        stack.pop_back();
        std::vector<ByteSet> sets;
        first_bytes(visits[now].regex, sets);
        std::uint8_t class_of[256];
        byte_classes(sets, class_of);
        std::size_t next_class = 0;
        for (unsigned byte = 0; byte < 256; ++byte) {
            if (class_of[byte] != next_class) continue;
            ++next_class;
            const Regex next = derive(visits[now].regex, static_cast<std::uint8_t>(byte));
            const Node n = node(next);
            const bool search = (n.kind == Kind::all_of || n.kind == Kind::complement) && !n.nullable && !n.plain &&
                                (emptiness_.size() <= index(next) || emptiness_[index(next)] == Emptiness::unknown);
            if (search) {
                if (!visited.insert(static_cast<std::uint64_t>(next), 0)) continue;
                if (visits.size() >= max_visited)
                    core::fail<ArgumentError>("constraint", {}, {"intersections whose strings can be found"},
                                              {"one of more than ", max_visited, " states"});
                stack.push_back(visits.size());
                visits.push_back({next, now});
            } else if (!is_empty(next)) {
                for (std::size_t i = now;; i = visits[i].from) {
                    mark(visits[i].regex, Emptiness::not_empty);
                    if (i == 0) return false;
                }
            }
        }
    }
    for (const Visit& visit : visits) mark(visit.regex, Emptiness::empty);
    return true;
}

RWKV_INLINE bool RegexSet::is_literal(Regex regex, std::string& text) const {
    const std::size_t before = text.size();
    for (;;) {
        const Node& n = node(regex);
        const Node& head = n.kind == Kind::concat ? node(argument(n, 0)) : n;
        if (regex == Regex::empty) return true;
        const ByteSet set = head.kind == Kind::bytes ? byte_set(head) : ByteSet();
        if (set.size() != 1) {
            text.resize(before);
            return false;
        }
        text.push_back(static_cast<char>(set.first()));
        regex = n.kind == Kind::concat ? argument(n, 1) : Regex::empty;
    }
}

RWKV_INLINE void RegexSet::collect_byte_sets(Regex regex, std::vector<ByteSet>& sets,
                                             std::vector<bool>& visited) const {
    visited.resize(nodes_.size(), false);
    std::vector<Regex> stack{regex};
    while (!stack.empty()) {
        const Regex next = stack.back();
        stack.pop_back();
        if (visited[index(next)]) continue;
        visited[index(next)] = true;
        const Node& n = node(next);
        switch (n.kind) {
            case Kind::nothing:
            case Kind::empty:
                break;
            case Kind::bytes:
                sets.push_back(byte_set(n));
                break;
            case Kind::remainder:
                first_bytes(next, sets);
                break;
            case Kind::repeat:
            case Kind::complement:
                stack.push_back(argument(n, 0));
                break;
            case Kind::concat:
            case Kind::any_of:
            case Kind::all_of:
                for (std::size_t i = 0; i < n.length; ++i) stack.push_back(argument(n, i));
                break;
        }
    }
}

/// Whether all characters of the class match `part`.
RWKV_INLINE bool RegexSet::repeats_class(Regex part, std::uint32_t character_class) {
    const std::uint64_t key = static_cast<std::uint64_t>(part) << 16U | character_class;
    if (const std::uint32_t* known = class_contained_.find(key)) return *known != 0;
    const bool result = contains(part, classes_[character_class]);
    class_contained_.insert(key, result ? 1 : 0);
    return result;
}

RWKV_INLINE bool RegexSet::accepts_run(Regex regex, std::uint32_t character_class, std::uint32_t length) {
    const Node n = node(regex);
    switch (n.kind) {
        case Kind::repeat:
            return word(n, 2) >= length && repeats_class(argument(n, 0), character_class);
        case Kind::concat: {
            const Node left = node(argument(n, 0));
            // The characters that must still come are no obstacle: more of the class.
            return left.kind == Kind::repeat && word(left, 2) >= length &&
                   repeats_class(argument(left, 0), character_class) && !is_empty(argument(n, 1));
        }
        case Kind::any_of:
            for (std::size_t i = 0; i < n.length; ++i)
                if (accepts_run(argument(n, i), character_class, length)) return true;
            return false;
        case Kind::complement:
            return node(argument(n, 0)).finite;
        case Kind::all_of: {
            // What may go on without end has completions besides those that are excluded, where these are bounded.
            bool endless = false;
            for (std::size_t i = 0; i < n.length; ++i) {
                const Node part = node(argument(n, i));
                if (part.kind == Kind::complement && node(argument(part, 0)).finite) continue;
                if (endless || !accepts_run(argument(n, i), character_class, unbounded)) return false;
                endless = true;
            }
            return true;
        }
        case Kind::nothing:
        case Kind::empty:
        case Kind::bytes:
        case Kind::remainder:
            return false;
    }
    return false;
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
           (derivatives_.size() + class_contained_.size()) * 32 + emptiness_.capacity();
}

}  // namespace rwkv::inline RWKV_ABI::constraint
