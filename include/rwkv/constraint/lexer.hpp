#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <vector>

#include <rwkv/constraint/grammar.hpp>
#include <rwkv/constraint/interner.hpp>
#include <rwkv/constraint/regex_set.hpp>
#include <rwkv/version.hpp>

namespace rwkv::inline RWKV_ABI::constraint {

/// A terminal of which part was read, and what may follow.
struct Lexeme {
    std::uint32_t terminal;                          ///< of the grammar
    Regex rest;                                      ///< its derivative
    bool operator==(const Lexeme&) const = default;  ///< whether both are equal
};

/// The deterministic automaton of the terminals that may be in progress together, built state by state as texts reach
/// them. Every state but `dead` can be completed.
///
/// Thread safety: one thread at a time.
class Lexer {
  public:
    /// The number of a state.
    using State = std::uint32_t;
    /// From which no text leads to a terminal.
    static constexpr State dead = 0;
    /// The number of a list of terminals; 0: none.
    using Accepted = std::uint32_t;

    /// Nothing of these terminals was read.
    explicit Lexer(const Grammar& grammar);

    /// The state of these, in ascending order of terminals, each once.
    State state(const std::vector<Lexeme>& lexemes);
    /// Where the byte leads.
    State next(State state, std::uint8_t byte) {
        const State known = transition(state, byte);
        return known != unknown ? known : compute_next(state, byte);
    }
    /// The terminals that end here.
    Accepted accepted(State state) const noexcept { return states_[state].accepted; }
    /// The terminals of a list, in ascending order.
    std::span<const std::uint32_t> terminals(Accepted accepted) const noexcept {
        return std::span(accepted_terminals_).subspan(accepted_[accepted].begin, accepted_[accepted].length);
    }
    /// The list of this one.
    Accepted accepted_alone(std::uint32_t terminal) { return accepted_list({terminal}); }
    /// The terminals in progress.
    std::span<const Lexeme> lexemes(State state) const noexcept {
        return std::span(lexemes_).subspan(states_[state].begin, states_[state].length);
    }
    /// Whether any byte may follow.
    bool continues(State state) {
        return states_[state].continues == Answer::unknown ? compute_continues(state)
                                                           : states_[state].continues == Answer::yes;
    }
    /// The byte that alone may follow; `no_byte` where none may, `many_bytes` where several may.
    std::uint32_t only_byte(State state);
    static constexpr std::uint32_t no_byte = 256;     ///< see `only_byte`
    static constexpr std::uint32_t many_bytes = 257;  ///< see `only_byte`

    /// A state from which the same strings of at most `length` bytes lead to terminals, and others besides: without
    /// the limits on repetition that are too far away to matter. The same state where there are none.
    State without_far_limits(State state, std::uint32_t length);
    /// Whether what is in progress has ends at most `max_end` bytes away. May say no where the answer is yes.
    bool ends_nearby(State state);
    static constexpr std::uint32_t max_end = 8;  ///< see `ends_nearby`

    /// Whether the terminals in progress are plain (see RegexSet::is_plain).
    bool is_plain(State state) const noexcept;

    /// The expressions, derivatives included.
    RegexSet& regexes() noexcept { return regexes_; }
    /// The expressions, to read only.
    const RegexSet& regexes() const noexcept { return regexes_; }
    /// Memory in use, in bytes.
    std::size_t memory() const noexcept;

  private:
    static constexpr State unknown = 0xFFFFFFFFU;
    static constexpr State page_states = 32;
    enum class Answer : std::uint8_t { unknown, no, yes };
    struct Entry {
        std::uint32_t begin, length;  // in lexemes_
        Accepted accepted;
        std::uint32_t only_byte;
        Answer continues;
        Answer ends_nearby;
    };
    struct List {
        std::uint32_t begin, length;  // in accepted_terminals_
    };

    bool compute_continues(State state);
    State compute_next(State state, std::uint8_t byte);
    Accepted accepted_list(const std::vector<std::uint32_t>& terminals);
    State& transition(State state, std::uint8_t byte) noexcept {
        return pages_[state / page_states][state % page_states * class_count_ + class_of_[byte]];
    }

    RegexSet regexes_;
    std::size_t class_count_ = 1;
    std::uint8_t class_of_[256] = {};
    std::vector<std::uint8_t> ways_;  // a byte of each class
    std::vector<Entry> states_;
    std::vector<Lexeme> lexemes_;
    std::vector<std::unique_ptr<State[]>> pages_;  // of transitions, each [state][class]: never moved
    Interner state_table_;
    std::vector<List> accepted_;
    std::vector<std::uint32_t> accepted_terminals_;
    Interner accepted_table_;
};

}  // namespace rwkv::inline RWKV_ABI::constraint

#ifndef RWKV_COMPILED
#include <rwkv/constraint/lexer.inl>
#endif
