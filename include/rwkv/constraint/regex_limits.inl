#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include <rwkv/constraint/regex_set.hpp>
#include <rwkv/core/inline.hpp>

namespace rwkv::inline RWKV_ABI::constraint {

RWKV_INLINE Regex RegexSet::without_far_limits(Regex regex, std::uint32_t length) {
    const auto key = [length](Regex part) { return std::uint64_t{length} << 32U | static_cast<std::uint64_t>(part); };
    const auto known = [&](Regex part) { return without_far_limits_.find(key(part)); };
    // The right sides of concat may be many, of which each is kept.
    std::vector<Regex> spine;
    while (node(regex).kind == Kind::concat && node(regex).limited && !known(regex)) {
        spine.push_back(regex);
        regex = argument(node(regex), 1);
    }
    Regex result = regex;
    const Node n = node(regex);
    if (n.limited && known(regex)) {
        result = static_cast<Regex>(*known(regex));
    } else if (n.limited) {
        std::vector<Regex> parts;
        bool changed = false;
        const std::size_t count = n.kind == Kind::repeat ? 1 : n.length;
        for (std::size_t i = 0; i < count; ++i) {
            parts.push_back(without_far_limits(argument(n, i), length));
            changed |= parts[i] != argument(n, i);
        }
        if (n.kind == Kind::repeat) {
            // No string of that length holds more of them, complete and begun.
            const std::uint32_t most = length / (std::max)(std::uint32_t{node(argument(n, 0)).least}, 1U) + 1;
            const std::uint32_t min = word(n, 1), max = word(n, 2);
            const bool is_far = max > 1 && max >= most;
            if (changed || is_far)
                result = repeat(parts[0], is_far ? (std::min)(min, most) : min, is_far ? unbounded : max);
        } else if (changed) {
            result = n.kind == Kind::any_of ? any_of(parts) : all_of(parts);
        }
        without_far_limits_.insert(key(regex), static_cast<std::uint32_t>(result));
    }
    for (std::size_t i = spine.size(); i-- > 0;) {
        const Regex left = argument(node(spine[i]), 0), right = argument(node(spine[i]), 1);
        const Regex now = without_far_limits(left, length);
        result = now == left && result == right ? spine[i] : concat_two(now, result);
        without_far_limits_.insert(key(spine[i]), static_cast<std::uint32_t>(result));
    }
    return result;
}

RWKV_INLINE bool RegexSet::has_limits_ahead(Regex regex) const noexcept {
    for (int part = 0; part < 5; ++part) {
        const Node& n = node(regex);
        if (n.kind != Kind::concat || !n.limited) return n.limited;
        if (node(argument(n, 0)).limited) return true;
        regex = argument(n, 1);
    }
    return false;
}

RWKV_INLINE bool RegexSet::ends_nearby(Regex regex, std::uint32_t length, std::span<const std::uint8_t> ways) {
    for (;;) {
        const Node n = node(regex);
        if (n.plain) return true;
        switch (n.kind) {
            case Kind::concat:
                if (!ends_nearby(argument(n, 0), length, ways)) return false;
                regex = argument(n, 1);
                continue;
            case Kind::any_of:
                for (std::size_t i = 0; i < n.length; ++i)
                    if (!ends_nearby(argument(n, i), length, ways)) return false;
                return true;
            case Kind::repeat:
                regex = argument(n, 0);
                continue;
            case Kind::all_of:
                return search_short(regex, length, ways);
            case Kind::nothing:
            case Kind::empty:
            case Kind::bytes:
            case Kind::complement:  // with what is within, the same as before limits were taken away
            case Kind::remainder:
                return true;
        }
    }
}

/// Whether a string of at most `length` bytes matches: no, too, where the search for it is not short.
RWKV_INLINE bool RegexSet::search_short(Regex start, std::uint32_t length, std::span<const std::uint8_t> ways) {
    constexpr std::size_t max_visited = 64;
    if (nullable(start)) return true;
    if (known_short_end_.size() <= length && leads_to_end(start, known_short_end_)) return true;
    std::vector<Visit> visits{{start, 0, 0}};
    U64Map visited;
    std::size_t begin = 0;
    for (std::uint32_t depth = 0; depth < length; ++depth) {
        const std::size_t end = visits.size();
        for (; begin < end; ++begin) {
            for (const std::uint8_t byte : ways) {
                const Regex rest = derive(visits[begin].regex, byte);
                if (nullable(rest)) {
                    known_short_end_ = path_to(visits, begin, byte);
                    return true;
                }
                if (rest == Regex::nothing || !visited.insert(static_cast<std::uint64_t>(rest), 0)) continue;
                if (visited.size() > max_visited) return false;
                visits.push_back({rest, begin, byte});
            }
        }
    }
    return false;
}

}  // namespace rwkv::inline RWKV_ABI::constraint
