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

RWKV_INLINE Regex RegexSet::concat_two(Regex left, Regex right) {
    if (left == Regex::nothing || right == Regex::nothing) return Regex::nothing;
    if (left == Regex::empty) return right;
    if (right == Regex::empty) return left;
    if (left == Regex::anything && right == Regex::anything) return left;
    if (node(left).kind != Kind::concat) return append(left, right);
    std::vector<Regex> lefts;  // only the right side of a concat is one
    for (; node(left).kind == Kind::concat; left = argument(node(left), 1)) lefts.push_back(argument(node(left), 0));
    lefts.push_back(left);
    for (std::size_t i = lefts.size(); i-- > 0;) right = append(lefts[i], right);
    return right;
}

/// One, which is no concat, after the other; neither is `nothing` or `empty`.
RWKV_INLINE Regex RegexSet::append(Regex left, Regex right) {
    const Node l = node(left), r = node(right);
    std::uint32_t depth = l.depth + 1U;
    if (r.kind == Kind::concat)
        depth = (std::max)(depth, std::uint32_t{r.depth});
    else if (l.nullable || !r.plain)
        depth = (std::max)(depth, r.depth + 1U);
    const std::uint32_t words[] = {static_cast<std::uint32_t>(left), static_cast<std::uint32_t>(right)};
    return intern({Kind::concat, l.nullable && r.nullable, l.plain && r.plain, l.finite && r.finite,
                   static_cast<std::uint16_t>(depth), false, 0, (std::min)(l.size + r.size, 1U << 31U), 0, 0},
                  words);
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
    if (given.size() == 1) return given[0];
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
    Node result{Kind::any_of, false, true, true, 0, false, 0, 0, 0, 0};
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
    Node result{Kind::all_of, nullable, false, false, 0, false, 0, 0, 0, 0};
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
    return intern(
        {Kind::complement, !n.nullable, false, false, static_cast<std::uint16_t>(n.depth + 1), false, 0, n.size, 0, 0},
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
                   static_cast<std::uint16_t>(n.depth + 1), false, 0, (std::min)(n.size + 1, 1U << 31U), 0, 0},
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
    return intern({Kind::remainder, whole == 0, true, false, 1, false, 0, 16, 0, 0}, words);
}

}  // namespace rwkv::inline RWKV_ABI::constraint
