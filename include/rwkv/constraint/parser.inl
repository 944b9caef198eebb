#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <utility>
#include <vector>

#include <rwkv/constraint/limits.hpp>
#include <rwkv/constraint/parser.hpp>
#include <rwkv/core/error.hpp>
#include <rwkv/core/inline.hpp>
#include <rwkv/core/message.hpp>

namespace rwkv::inline RWKV_ABI::constraint {

inline bool thread_less(const Thread& a, const Thread& b) noexcept {
    return a.row != b.row ? a.row < b.row : a.state < b.state;
}

RWKV_INLINE bool Parser::begin(std::vector<Thread>& threads) {
    threads.clear();
    if (lexer_.continues(chart_.start(0))) threads.push_back({0, chart_.start(0)});
    return chart_.may_end(0);
}

RWKV_INLINE Parser::Step Parser::next_of_many(std::vector<Thread>& threads, std::size_t first, std::size_t last,
                                              std::uint8_t byte) {
    bool possible = false;
    const std::size_t begin = threads.size();
    sources_.clear();
    for (std::size_t i = first; i < last; ++i) {
        const Thread from = threads[i];
        const Lexer::State state = lexer_.next(from.state, byte);
        if (state == Lexer::dead) continue;
        possible = true;
        if (lexer_.continues(state)) threads.push_back({from.row, state});
        if (lexer_.accepted(state) != 0) sources_.push_back({from.row, lexer_.accepted(state)});
    }
    bool may_end = false;
    if (!sources_.empty()) {
        const Chart::Row row = chart_.scan(sources_);
        may_end = chart_.may_end(row);
        if (chart_.start(row) != Lexer::dead) threads.push_back({row, chart_.start(row)});
    }
    const auto begun = threads.begin() + static_cast<std::ptrdiff_t>(begin);
    std::sort(begun, threads.end(), thread_less);
    threads.erase(std::unique(begun, threads.end()), threads.end());
    if (threads.size() - begin > max_parallel_lexemes)
        core::fail<ArgumentError>(
            grammar_->where(), {},
            {"a grammar with at most ", max_parallel_lexemes, " places where what is in progress may have begun"},
            {"one that is too ambiguous"});
    return {possible, may_end};
}

RWKV_INLINE std::vector<Thread> Parser::copy_from(const Parser& other, std::span<const Thread> threads) {
    // The rows that are needed: origins have lower numbers than the rows of the items.
    std::vector<bool> needed(other.chart_.size(), false);
    for (const Thread& thread : threads) needed[thread.row] = true;
    for (std::size_t row = needed.size(); row-- > 0;) {
        if (!needed[row]) continue;
        for (const Chart::Item& item : other.chart_.waiting_items(static_cast<Chart::Row>(row)))
            needed[item.origin] = true;
    }
    std::vector<Chart::Row> number(needed.size(), 0);
    for (std::size_t row = 1; row < needed.size(); ++row) {
        if (!needed[row]) continue;
        std::vector<Chart::Item> items;
        for (Chart::Item item : other.chart_.waiting_items(static_cast<Chart::Row>(row))) {
            item.origin = number[item.origin];
            items.push_back(item);
        }
        number[row] = chart_.row(items, other.chart_.may_end(static_cast<Chart::Row>(row)));
    }
    U64Map known;
    std::vector<Thread> result;
    for (const Thread& thread : threads) {
        std::vector<Lexeme> lexemes;
        for (const Lexeme& lexeme : other.lexer_.lexemes(thread.state))
            lexemes.push_back(
                {lexeme.terminal, lexer_.regexes().copy_from(other.lexer_.regexes(), lexeme.rest, known)});
        result.push_back({number[thread.row], lexer_.state(lexemes)});
    }
    std::sort(result.begin(), result.end(), thread_less);
    return result;
}

}  // namespace rwkv::inline RWKV_ABI::constraint
