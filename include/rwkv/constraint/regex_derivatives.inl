#pragma once

#include <algorithm>
#include <bit>
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

/// Empties the cache of derivatives when it is full. The lexer's states and the searches keep the derivatives that they
/// use often, and a larger table takes milliseconds whenever it grows.
RWKV_INLINE void RegexSet::forget_derivatives() {
    constexpr std::size_t max_derivatives = 60'000;
    if (derivatives_.size() > max_derivatives) derivatives_.clear();
}

RWKV_INLINE Regex RegexSet::derivative(Regex regex, std::uint8_t byte) {
    forget_derivatives();
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
    for (std::uint8_t& byte : class_of) byte = 0;
    std::uint16_t size[256] = {256}, common[256] = {}, part[256];  // of each class
    std::uint16_t count = 1;
    for (const ByteSet& whole : sets) {
        if (count == 256) break;
        // Each class of which the set, or as well its complement, has some and not all is split in two.
        const ByteSet set = whole.size() > 128 ? ~whole : whole;
        const auto for_each = [&set](const auto& action) {
            for (unsigned i = 0; i < 4; ++i)
                for (std::uint64_t left = set.words[i]; left != 0; left &= left - 1)
                    action(64 * i + static_cast<unsigned>(std::countr_zero(left)));
        };
        for_each([&](unsigned byte) {
            part[class_of[byte]] = 256;
            ++common[class_of[byte]];
        });
        const std::uint16_t known = count;
        for_each([&](unsigned byte) {
            const std::uint8_t now = class_of[byte];
            if (common[now] == size[now]) return;
            if (part[now] == 256) part[now] = count++;
            class_of[byte] = static_cast<std::uint8_t>(part[now]);
        });
        for (unsigned i = 0; i < known; ++i) {
            if (common[i] != 0 && common[i] != size[i]) {
                size[part[i]] = common[i];
                size[i] = static_cast<std::uint16_t>(size[i] - common[i]);
            }
            common[i] = 0;
        }
    }
    // In order of the first byte.
    std::uint8_t representative[256];
    bool numbered[256] = {};
    std::uint8_t next = 0;
    for (std::uint8_t& number : class_of) {
        if (!numbered[number]) {
            numbered[number] = true;
            representative[number] = next++;
        }
        number = representative[number];
    }
    return count;
}

/// Whether `known`, or some end of it, leads from the expression to one that matches the empty string.
RWKV_INLINE bool RegexSet::leads_to_end(Regex start, std::string_view known) {
    for (; !known.empty(); known.remove_prefix(1)) {
        Regex regex = start;
        for (const char byte : known) {
            regex = derive(regex, static_cast<std::uint8_t>(byte));
            if (nullable(regex)) return true;
            if (regex == Regex::nothing) break;
        }
    }
    return false;
}

/// The bytes that led to a visit, and one more.
RWKV_INLINE std::string RegexSet::path_to(std::span<const Visit> visits, std::size_t last, std::uint8_t byte) {
    std::string path(1, static_cast<char>(byte));
    for (; last != 0; last = visits[last].from) path.push_back(static_cast<char>(visits[last].byte));
    std::reverse(path.begin(), path.end());
    return path;
}

/// Searches depth first for a string that matches. Of the derivatives of an expression, those with the smallest lower
/// bound on the length of a match come first.
RWKV_INLINE bool RegexSet::search_empty(Regex start) {
    constexpr std::size_t max_visited = 200'000, max_known_end = 64;
    const auto mark = [&](Regex regex, Emptiness emptiness) {
        if (emptiness_.size() < nodes_.size()) emptiness_.resize(nodes_.size() + nodes_.size() / 2, Emptiness::unknown);
        emptiness_[index(regex)] = emptiness;
    };
    // What is the end of other expressions often is of this one.
    if (leads_to_end(start, known_end_)) {
        mark(start, Emptiness::not_empty);
        return false;
    }
    std::vector<Visit> visits{{start, 0, 0}};
    std::vector<std::size_t> stack{0};
    U64Map visited;
    visited.insert(static_cast<std::uint64_t>(start), 0);
    while (!stack.empty()) {
        const std::size_t now = stack.back();
        stack.pop_back();
        forget_derivatives();
        std::vector<ByteSet> sets;
        first_bytes(visits[now].regex, sets);
        std::uint8_t class_of[256];
        byte_classes(sets, class_of);
        std::size_t next_class = 0;
        const std::size_t begin = stack.size();
        for (unsigned i = 0; i < 256; ++i) {
            if (class_of[i] != next_class) continue;
            ++next_class;
            const auto byte = static_cast<std::uint8_t>(i);
            const Regex next = derive(visits[now].regex, byte);
            const Node n = node(next);
            const bool search = (n.kind == Kind::all_of || n.kind == Kind::complement) && !n.nullable && !n.plain &&
                                (emptiness_.size() <= index(next) || emptiness_[index(next)] == Emptiness::unknown);
            if (search) {
                if (!visited.insert(static_cast<std::uint64_t>(next), 0)) continue;
                if (visits.size() >= max_visited)
                    core::fail<ArgumentError>("constraint", {}, {"intersections whose strings can be found"},
                                              {"one of more than ", max_visited, " states"});
                stack.push_back(visits.size());
                visits.push_back({next, now, byte});
            } else if (!is_empty(next)) {
                for (std::size_t at = now; at != 0; at = visits[at].from) mark(visits[at].regex, Emptiness::not_empty);
                mark(start, Emptiness::not_empty);
                std::string path = path_to(visits, now, byte);
                if (!nullable(next)) path += known_end_;
                if (path.size() <= max_known_end) known_end_ = std::move(path);
                return false;
            }
        }
        std::sort(stack.begin() + static_cast<std::ptrdiff_t>(begin), stack.end(), [&](std::size_t a, std::size_t b) {
            const unsigned left = node(visits[a].regex).least, right = node(visits[b].regex).least;
            return left != right ? left > right : a < b;
        });
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
        case Kind::concat:
            // The characters that must still come are no obstacle: more of the class.
            return accepts_run(argument(n, 0), character_class, length) && !is_empty(argument(n, 1));
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

}  // namespace rwkv::inline RWKV_ABI::constraint
