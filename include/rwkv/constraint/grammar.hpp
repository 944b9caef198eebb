#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include <rwkv/constraint/grammar_builder.hpp>
#include <rwkv/constraint/regex_set.hpp>
#include <rwkv/version.hpp>

namespace rwkv::inline RWKV_ABI::constraint {

/// A grammar made ready for the parser: every nonterminal is reached and produces a text; direct right recursion has
/// become repetition.
///
/// Thread safety: immutable, so any number of threads may use it.
class Grammar {
  public:
    /// Throws: ArgumentError where no text matches, or the limits are exceeded.
    Grammar(GrammarBuilder builder, Symbol root, std::string_view where, std::string_view subject);

    /// What comes after a dot: the place in a production up to which it was parsed.
    enum class Next : std::uint32_t {
        terminal,     ///< that terminal
        nonterminal,  ///< that nonterminal
        repeat,       ///< one more part of that nonterminal, which is a repetition, or its end
        unordered,    ///< one more member of that nonterminal, whose members are unordered, a separator or its end
        end,          ///< nothing: that nonterminal is complete
    };
    /// A number with what it is a number of.
    struct Position {
        Next next;                                         ///< the kind
        std::uint32_t value;                               ///< the number
        bool operator==(const Position&) const = default;  ///< whether both are equal
    };
    /// What a rule or a repetition became.
    struct Nonterminal {
        std::uint32_t starts_begin = 0, starts_count = 0;    ///< the dots where it begins, in `starts`
        bool nullable = false;                               ///< matches the empty string
        bool is_repeat = false;                              ///< the one start is of kind `repeat`
        std::uint32_t min = 0, max = 0;                      ///< of a repetition; of members, how many are required
        Position part = {Next::end, 0};                      ///< of a repetition; of unordered members, the separator
        Position other = {Next::end, 0};                     ///< of unordered members; `end`: none
        std::uint32_t members_begin = 0, members_count = 0;  ///< of unordered members, in `members`
    };

    /// What comes after a dot.
    Position at(std::uint32_t dot) const noexcept {
        return {static_cast<Next>(positions_[dot] >> 29U), positions_[dot] & 0x1FFFFFFFU};
    }
    /// A nonterminal.
    const Nonterminal& nonterminal(std::uint32_t i) const noexcept { return nonterminals_[i]; }
    /// The number of nonterminals.
    std::size_t nonterminal_count() const noexcept { return nonterminals_.size(); }
    /// The dots where it begins.
    std::span<const std::uint32_t> starts(const Nonterminal& nonterminal) const noexcept {
        return std::span(starts_).subspan(nonterminal.starts_begin, nonterminal.starts_count);
    }
    /// The members of a nonterminal whose members are unordered.
    std::span<const Position> members(const Nonterminal& nonterminal) const noexcept {
        return std::span(members_).subspan(nonterminal.members_begin, nonterminal.members_count);
    }
    /// The nonterminal of the whole text. It is part of no other.
    std::uint32_t root() const noexcept { return 0; }
    /// The expression of a terminal.
    Regex terminal(std::uint32_t i) const noexcept { return terminals_[i]; }
    /// The number of terminals.
    std::size_t terminal_count() const noexcept { return terminals_.size(); }
    /// Whether a terminal matches the empty string.
    bool terminal_nullable(std::uint32_t i) const noexcept { return regexes_.nullable(terminals_[i]); }
    /// The terminals' expressions, to be copied.
    const RegexSet& regexes() const noexcept { return regexes_; }
    /// For each byte, the number of its class: no terminal tells bytes of a class apart.
    std::span<const std::uint8_t, 256> byte_classes() const noexcept { return byte_classes_; }
    /// The number of these classes.
    std::size_t byte_class_count() const noexcept { return byte_class_count_; }
    /// The function that the user called.
    std::string_view where() const noexcept { return where_; }

  private:
    RegexSet regexes_;
    std::string where_;
    std::vector<Regex> terminals_;
    std::vector<Nonterminal> nonterminals_;
    std::vector<std::uint32_t> starts_;
    std::vector<std::uint32_t> positions_;
    std::vector<Position> members_;
    std::uint8_t byte_classes_[256] = {};
    std::size_t byte_class_count_ = 1;
};

}  // namespace rwkv::inline RWKV_ABI::constraint

#ifndef RWKV_COMPILED
#include <rwkv/constraint/grammar.inl>
#endif
