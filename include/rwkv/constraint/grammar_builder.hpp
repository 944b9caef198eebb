#pragma once

#include <cstddef>
#include <cstdint>
#include <initializer_list>
#include <span>
#include <string_view>
#include <vector>

#include <rwkv/constraint/regex_set.hpp>
#include <rwkv/version.hpp>

namespace rwkv::inline RWKV_ABI::constraint {

/// A symbol of a GrammarBuilder: a terminal, which is a regular expression, or a nonterminal.
enum class Symbol : std::uint32_t {};

/// A context-free grammar while it is put together; `Constraint` is made of it. Its language is exactly that of the
/// rules: a terminal may end wherever it matches, and also go on (no maximal munch). Left and right recursion,
/// ambiguity, nullable terminals, rules that produce nothing or are never reached: all are allowed, and cost little.
///
/// All functions that return a Symbol throw ArgumentError where the grammar outgrows the limits of limits.hpp.
/// Thread safety: one thread at a time.
class GrammarBuilder {
  public:
    GrammarBuilder();

    /// The expressions that terminals are made of.
    RegexSet& regexes() noexcept { return regexes_; }

    /// What the expression matches. The same symbol for the same expression.
    Symbol terminal(Regex regex);
    /// This text.
    Symbol literal(std::string_view text) { return terminal(regexes_.literal(text)); }
    /// The empty text alone.
    Symbol empty() { return terminal(Regex::empty); }
    /// No text at all.
    Symbol nothing() { return terminal(Regex::nothing); }

    /// A new nonterminal without alternatives, which are given to it by `add`, now or later: the way to recursion.
    Symbol rule();
    /// One more alternative of a nonterminal that `rule` returned: these symbols one after the other, perhaps none.
    void add(Symbol rule, std::span<const Symbol> sequence);
    void add(Symbol rule, std::initializer_list<Symbol> parts) { add(rule, std::span(parts.begin(), parts.size())); }

    /// One after the other.
    Symbol sequence(std::span<const Symbol> parts);
    Symbol sequence(std::initializer_list<Symbol> parts) { return sequence(std::span(parts.begin(), parts.size())); }
    /// One of these.
    Symbol any_of(std::span<const Symbol> parts);
    Symbol any_of(std::initializer_list<Symbol> parts) { return any_of(std::span(parts.begin(), parts.size())); }
    /// The symbol or nothing.
    Symbol optional(Symbol part) { return repeat(part, 0, 1); }
    /// `min` to `max` times (`unbounded`), counted while parsing and not unrolled, whatever the numbers.
    Symbol repeat(Symbol part, std::uint32_t min, std::uint32_t max);

    /// A part of what `unordered` returns.
    struct Member {
        Symbol symbol;          ///< does not match the empty text, and is another one for each member
        bool required = false;  ///< must be there
    };
    /// Members in any order with separators between them, perhaps none. Required ones must be there, at most
    /// `max_tracked_members` in number. The first `max_tracked_members`, required ones before others, come at most
    /// once; what comes after them, and `other`, which may be `nothing()`, any number of times. What was seen is noted
    /// while parsing: the grammar has the size of the members.
    Symbol unordered(std::span<const Member> members, Symbol separator, Symbol other);
    /// See `unordered`.
    static constexpr std::uint32_t max_tracked_members = 30;

    /// Rules that are regular become terminals where their expressions are no longer than this; 0, the default, leaves
    /// rules as they are. Faster for grammars that people have written character by character.
    void set_fold_limit(std::uint32_t size) noexcept { fold_limit_ = size; }

    /// Whether it is a terminal.
    bool is_terminal(Symbol symbol) const noexcept { return definition(symbol).kind == Kind::terminal; }
    /// The expression of a terminal.
    Regex regex(Symbol symbol) const noexcept { return static_cast<Regex>(definition(symbol).argument); }

  private:
    friend class Grammar;
    friend struct GrammarDraft;

    enum class Kind : std::uint8_t { terminal, rule, repeat, unordered };
    struct Definition {
        Kind kind;
        std::uint32_t argument = 0;          // the regex of a terminal, the symbol that is repeated
        std::uint32_t min = 0, max = 0;      // of a repetition; of unordered members, how many are required
        std::uint32_t last_alternative = 0;  // of a rule: index + 1 into alternatives_, which are linked; 0: none.
                                             // Of unordered members: separator, other, members, required ones first
    };
    struct Alternative {
        std::uint32_t begin, length;  // in symbols_
        std::uint32_t previous;       // the alternative before it, as last_alternative
    };

    const Definition& definition(Symbol symbol) const noexcept {
        return definitions_[static_cast<std::size_t>(symbol)];
    }
    Symbol define(const Definition& definition);
    void add_alternative(Definition& changed, std::span<const Symbol> sequence);

    RegexSet regexes_;
    std::vector<Definition> definitions_;
    std::vector<Alternative> alternatives_;
    std::vector<Symbol> symbols_;
    U64Map terminals_;
    std::uint32_t fold_limit_ = 0;
};

}  // namespace rwkv::inline RWKV_ABI::constraint

#ifndef RWKV_COMPILED
#include <rwkv/constraint/grammar_builder.inl>
#endif
