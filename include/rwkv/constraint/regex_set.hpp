#pragma once

#include <cstddef>
#include <cstdint>
#include <initializer_list>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <rwkv/constraint/byte_set.hpp>
#include <rwkv/constraint/interner.hpp>
#include <rwkv/version.hpp>

namespace rwkv::inline RWKV_ABI::constraint {

/// A regular expression of a RegexSet: a language, that is a set of byte strings. Two that are equal have the same
/// language; two of the same language are often, not always, equal.
enum class Regex : std::uint32_t {
    nothing = 0,   ///< no string at all
    empty = 1,     ///< the empty string alone
    anything = 2,  ///< every byte string
};

/// Characters from `first` to `last`, both included.
struct CharacterRange {
    char32_t first;                                          ///< at most U+10FFFF
    char32_t last;                                           ///< at most U+10FFFF, and not below `first`
    bool operator==(const CharacterRange&) const = default;  ///< whether both are equal
};

/// As the maximum of a repetition: there is none.
inline constexpr std::uint32_t unbounded = 0xFFFFFFFFU;

/// Regular expressions over bytes, each kept once, and their derivatives (Brzozowski 1964; Owens, Reppy, Turon 2009):
/// the derivative of an expression by a byte matches what may follow that byte. Repetitions are counted, not unrolled;
/// intersection and complement are expressions like others.
///
/// All functions that return a Regex, and `is_empty`, throw ArgumentError where the set outgrows its limits
/// (`max_nodes`, `max_depth` in limits.hpp); the set can still be used.
/// Thread safety: one thread at a time.
class RegexSet {
  public:
    RegexSet();

    /// One byte of the set.
    Regex bytes(const ByteSet& set);
    /// This string.
    Regex literal(std::string_view text);
    /// One of these strings: much cheaper than `any_of` of literals where there are thousands.
    Regex literals(std::span<const std::string> texts);
    /// One character of the ranges, in UTF-8. Surrogates in the ranges are left out. Ranges may overlap.
    Regex characters(std::span<const CharacterRange> ranges);
    /// One character that is in none of the ranges.
    Regex characters_except(std::span<const CharacterRange> ranges);
    /// One after the other.
    Regex concat(std::span<const Regex> parts);
    Regex concat(std::initializer_list<Regex> parts) { return concat(std::span(parts.begin(), parts.size())); }
    /// Union.
    Regex any_of(std::span<const Regex> parts);
    Regex any_of(std::initializer_list<Regex> parts) { return any_of(std::span(parts.begin(), parts.size())); }
    /// Intersection.
    Regex all_of(std::span<const Regex> parts);
    Regex all_of(std::initializer_list<Regex> parts) { return all_of(std::span(parts.begin(), parts.size())); }
    /// All byte strings (whether UTF-8 or not) that do not match.
    Regex complement(Regex part);
    /// What matches `part` and not `excluded`.
    Regex difference(Regex part, Regex excluded) { return all_of({part, complement(excluded)}); }
    /// `min` to `max` times, where `max` may be `unbounded`. Nothing where max < min.
    Regex repeat(Regex part, std::uint32_t min, std::uint32_t max);
    Regex optional(Regex part) { return any_of({Regex::empty, part}); }
    Regex star(Regex part) { return repeat(part, 0, unbounded); }
    Regex plus(Regex part) { return repeat(part, 1, unbounded); }
    /// Decimal numbers without sign, digits and perhaps a point and digits, that are multiples of
    /// `divisor` × 10^-`scale`. Leading zeros, an absent number before or after the point and the empty string (as 0)
    /// match, too: intersect with what a number looks like. 1 ≤ divisor < 2^59.
    Regex remainder(std::uint64_t divisor, std::uint32_t scale);

    /// Whether the empty string matches.
    bool nullable(Regex regex) const noexcept { return nodes_[index(regex)].nullable; }
    /// Whether it has no intersections and complements within, so that its form shows what is empty: `nothing` has no
    /// string, `empty` the empty one, and all others some that are longer.
    bool is_plain(Regex regex) const noexcept { return nodes_[index(regex)].plain; }
    /// What may follow that byte.
    Regex derivative(Regex regex, std::uint8_t byte);
    /// Whether no string matches: exact, by search where intersections and complements demand it.
    bool is_empty(Regex regex);
    /// Whether the string matches.
    bool matches(Regex regex, std::string_view text);
    /// Whether no string matches both.
    bool disjoint(Regex a, Regex b) { return is_empty(all_of({a, b})); }
    /// Whether all that matches `part` matches `whole`.
    bool contains(Regex whole, Regex part) { return is_empty(difference(part, whole)); }
    /// The string where exactly one matches and the expression shows it (a literal), appended to `text`; else false.
    bool is_literal(Regex regex, std::string& text) const;
    /// The length of the expression as written out: no less than that, where it is 2^31.
    std::uint32_t size(Regex regex) const noexcept { return nodes_[index(regex)].size; }
    /// The number of expressions.
    std::size_t count() const noexcept { return nodes_.size(); }
    /// Adds the sets of bytes within the expression, which tell bytes apart. `visited` holds what was visited before.
    void collect_byte_sets(Regex regex, std::vector<ByteSet>& sets, std::vector<bool>& visited) const;
    /// Whether every string of 1 to `length` characters of `characters` (an index of `add_character_class`) may come
    /// next. May say no where the answer is yes.
    bool accepts_run(Regex regex, std::uint32_t character_class, std::uint32_t length);
    /// The expression without the limits on repetition that no string of at most `length` bytes reaches: of these
    /// strings, the same match. Longer ones may match besides; none is lost.
    Regex without_far_limits(Regex regex, std::uint32_t length);
    /// Whether one of the first parts has limits on repetition.
    bool has_limits_ahead(Regex regex) const noexcept;
    /// Whether what is in progress in the expression can be completed by at most `length` bytes, where intersections
    /// make that a question; of `ways`, there is one for each class of bytes. May say no where the answer is yes.
    bool ends_nearby(Regex regex, std::uint32_t length, std::span<const std::uint8_t> ways);
    /// Makes a class of characters known to `accepts_run`.
    std::uint32_t add_character_class(Regex one_character) {
        classes_.push_back(one_character);
        return static_cast<std::uint32_t>(classes_.size() - 1);
    }
    /// The expression of another set, in this one. `known` holds what was copied before.
    Regex copy_from(const RegexSet& other, Regex regex, U64Map& known);
    /// Memory in use, in bytes.
    std::size_t memory() const noexcept;

  private:
    enum class Kind : std::uint8_t { nothing, empty, bytes, concat, any_of, all_of, complement, repeat, remainder };

    struct Node {
        Kind kind;
        bool nullable;
        bool plain;           // no all_of, complement or remainder within, so that it is empty only as `nothing`
        bool finite;          // of a bounded length, as far as the expression shows
        std::uint16_t depth;  // of nesting; the right sides of concat do not count
        bool limited;         // has repetitions with limits within; complements do not count
        std::uint8_t least;   // no shorter string matches, in bytes
        std::uint32_t size;
        std::uint32_t begin;  // its arguments in words_
        std::uint32_t length;
    };
    enum class Emptiness : std::uint8_t { unknown, empty, not_empty };
    /// Bytes from `first` to `last`, and what follows them.
    struct Edge {
        std::uint8_t first, last;
        Regex rest;
    };
    /// What a search has reached: an expression, by a byte from another visit; the first one is where it began.
    struct Visit {
        Regex regex;
        std::size_t from;
        std::uint8_t byte;
    };

    static std::size_t index(Regex regex) noexcept { return static_cast<std::size_t>(regex); }
    static Regex at(std::size_t i) noexcept { return static_cast<Regex>(static_cast<std::uint32_t>(i)); }
    const Node& node(Regex regex) const noexcept { return nodes_[index(regex)]; }
    std::uint32_t word(const Node& node, std::size_t i) const noexcept { return words_[node.begin + i]; }
    Regex argument(const Node& node, std::size_t i) const noexcept { return static_cast<Regex>(word(node, i)); }

    Regex intern(Node node, std::span<const std::uint32_t> words);
    void measure(Node& changed, std::span<const std::uint32_t> words) const noexcept;
    Regex concat_two(Regex left, Regex right);
    Regex append(Regex left, Regex right);
    Regex remainder_state(std::uint64_t divisor, std::uint64_t value, std::uint32_t scale, bool fraction);
    void merge_repeats(std::vector<Regex>& parts);
    ByteSet byte_set(const Node& node) const noexcept;
    std::uint64_t long_word(const Node& node, std::size_t i) const noexcept {
        return word(node, i) | std::uint64_t{word(node, i + 1)} << 32U;
    }
    Regex derive(Regex regex, std::uint8_t byte);
    void forget_derivatives();
    Regex derive_remainder(const Node& node, std::uint8_t byte);
    bool leads_to_end(Regex regex, std::string_view known);
    static std::string path_to(std::span<const Visit> visits, std::size_t last, std::uint8_t byte);
    bool search_empty(Regex regex);
    bool search_short(Regex regex, std::uint32_t length, std::span<const std::uint8_t> ways);
    bool repeats_class(Regex part, std::uint32_t character_class);
    void first_bytes(Regex regex, std::vector<ByteSet>& sets) const;
    void add_edges(std::vector<Edge>& edges, std::span<const CharacterRange> ranges, char32_t begin,
                   std::uint32_t count, std::uint32_t first, std::uint32_t level);
    Regex group_by_rest(std::vector<Edge>& edges);

    std::vector<Node> nodes_;
    std::vector<std::uint32_t> words_;
    Interner table_;
    std::vector<Emptiness> emptiness_;
    U64Map derivatives_;  // of expressions and bytes, some of those that are known
    std::vector<Regex> classes_;
    U64Map class_contained_;
    U64Map without_far_limits_;          // by length and expression
    std::string known_end_ = "a";        // by which an expression was found not to be empty
    std::string known_short_end_ = "a";  // the same where the end was to be nearby
};

}  // namespace rwkv::inline RWKV_ABI::constraint

#ifndef RWKV_COMPILED
#include <rwkv/constraint/regex_derivatives.inl>
#include <rwkv/constraint/regex_limits.inl>
#include <rwkv/constraint/regex_operations.inl>
#include <rwkv/constraint/regex_set.inl>
#endif
