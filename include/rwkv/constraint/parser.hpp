#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <utility>
#include <vector>

#include <rwkv/constraint/chart.hpp>
#include <rwkv/constraint/grammar.hpp>
#include <rwkv/constraint/lexer.hpp>
#include <rwkv/version.hpp>

namespace rwkv::inline RWKV_ABI::constraint {

/// A place in a text, seen by the parser: one of the lexemes that may be in progress, after the row that it began in.
struct Thread {
    Chart::Row row;                                  ///< where the lexeme began
    Lexer::State state;                              ///< not dead
    bool operator==(const Thread&) const = default;  ///< whether both are equal
};

/// Reads texts of a grammar byte by byte. A place in a text is a list of threads, nearly always of one.
///
/// Thread safety: one thread at a time.
class Parser {
  public:
    explicit Parser(std::shared_ptr<const Grammar> grammar)
        : grammar_(std::move(grammar)), lexer_(*grammar_), chart_(*grammar_, lexer_) {}
    Parser(const Parser&) = delete;
    Parser& operator=(const Parser&) = delete;
    ~Parser() = default;

    /// Where a byte led.
    struct Step {
        bool possible;  ///< whether the byte may come
        bool may_end;   ///< whether the text may end after it
    };

    /// The beginning of a text. Returns whether the text may end there.
    bool begin(std::vector<Thread>& threads);

    /// Appends to `threads` where the byte leads from its elements `first` to `last`, each place once. None are
    /// appended where no byte may follow. Throws: ArgumentError where the limits are exceeded.
    Step next(std::vector<Thread>& threads, std::size_t first, std::size_t last, std::uint8_t byte) {
        if (last - first != 1) return next_of_many(threads, first, last, byte);
        const Thread from = threads[first];
        const Lexer::State state = lexer_.next(from.state, byte);
        if (state == Lexer::dead) return {false, false};
        const Lexer::Accepted accepted = lexer_.accepted(state);
        const Thread same{from.row, state};
        if (accepted == 0) {
            threads.push_back(same);
            return {true, false};
        }
        const Chart::Row row = chart_.scan(from.row, accepted);
        const Thread begun{row, chart_.start(row)};
        if (lexer_.continues(state)) threads.push_back(same);
        if (begun.state != Lexer::dead && begun != same) threads.push_back(begun);
        return {true, chart_.may_end(row)};
    }

    const Grammar& grammar() const noexcept { return *grammar_; }                       ///< what is parsed
    const std::shared_ptr<const Grammar>& shared() const noexcept { return grammar_; }  ///< what is parsed, shared
    Lexer& lexer() noexcept { return lexer_; }                                          ///< of the terminals
    Chart& chart() noexcept { return chart_; }                                          ///< of the rules
    /// Memory in use, in bytes.
    std::size_t memory() const noexcept { return lexer_.memory() + chart_.memory(); }

    /// The threads of another parser of the same grammar, in this one.
    std::vector<Thread> copy_from(const Parser& other, std::span<const Thread> threads);

  private:
    Step next_of_many(std::vector<Thread>& threads, std::size_t first, std::size_t last, std::uint8_t byte);

    std::shared_ptr<const Grammar> grammar_;
    Lexer lexer_;
    Chart chart_;
    std::vector<std::pair<Chart::Row, Lexer::Accepted>> sources_;
};

}  // namespace rwkv::inline RWKV_ABI::constraint

#ifndef RWKV_COMPILED
#include <rwkv/constraint/parser.inl>
#endif
