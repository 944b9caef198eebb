#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <memory>
#include <utility>
#include <vector>

#include <rwkv/constraint/lexer.hpp>
#include <rwkv/core/inline.hpp>

namespace rwkv::inline RWKV_ABI::constraint {

RWKV_INLINE Lexer::Lexer(const Grammar& grammar)
    : regexes_(grammar.regexes()), class_count_(grammar.byte_class_count()) {
    std::copy_n(grammar.byte_classes().begin(), 256, class_of_);
    for (unsigned byte = 0; byte < 256; ++byte)
        if (class_of_[byte] == ways_.size()) ways_.push_back(static_cast<std::uint8_t>(byte));
    accepted_list({});  // 0
    state({});          // dead
}

RWKV_INLINE Lexer::Accepted Lexer::accepted_list(const std::vector<std::uint32_t>& list) {
    std::uint64_t sum = 2;
    for (const std::uint32_t terminal : list) sum = Interner::combine(sum, terminal);
    const auto equal = [&](std::uint32_t known) {
        const auto other = terminals(known);
        return std::equal(other.begin(), other.end(), list.begin(), list.end());
    };
    const auto create = [&] {
        accepted_.reserve(accepted_.size() + 1 + accepted_.size() / 2);
        const auto begin = static_cast<std::uint32_t>(accepted_terminals_.size());
        accepted_terminals_.insert(accepted_terminals_.end(), list.begin(), list.end());
        accepted_.push_back({begin, static_cast<std::uint32_t>(list.size())});
        return static_cast<std::uint32_t>(accepted_.size() - 1);
    };
    return accepted_table_.find_or_create(sum, equal, create);
}

RWKV_INLINE Lexer::State Lexer::state(const std::vector<Lexeme>& list) {
    std::uint64_t sum = 1;
    for (const Lexeme& lexeme : list)
        sum = Interner::combine(sum, std::uint64_t{lexeme.terminal} << 32U | static_cast<std::uint32_t>(lexeme.rest));
    const auto equal = [&](std::uint32_t known) {
        const auto other = lexemes(known);
        return std::equal(other.begin(), other.end(), list.begin(), list.end());
    };
    const auto create = [&] {
        std::vector<std::uint32_t> complete;
        for (const Lexeme& lexeme : list)
            if (regexes_.nullable(lexeme.rest)) complete.push_back(lexeme.terminal);
        const Accepted accepted = accepted_list(complete);
        const std::size_t count = states_.size();
        // What may fail comes first.
        if (states_.capacity() == count) states_.reserve(2 * count + 16);
        const auto begin = static_cast<std::uint32_t>(lexemes_.size());
        lexemes_.insert(lexemes_.end(), list.begin(), list.end());
        if (count % page_states == 0) {
            auto page = std::make_unique<State[]>(page_states * class_count_);
            std::fill_n(page.get(), page_states * class_count_, unknown);
            pages_.push_back(std::move(page));
        }
        if (list.empty()) std::fill_n(pages_.back().get() + count % page_states * class_count_, class_count_, dead);
        states_.push_back({begin, static_cast<std::uint32_t>(list.size()), accepted, unknown,
                           list.empty()    ? Answer::no
                           : accepted == 0 ? Answer::yes
                                           : Answer::unknown,
                           Answer::unknown});
        return static_cast<State>(count);
    };
    return state_table_.find_or_create(sum, equal, create);
}

RWKV_INLINE Lexer::State Lexer::compute_next(State from, std::uint8_t byte) {
    std::vector<Lexeme> list;
    const std::size_t count = states_[from].length;
    for (std::size_t i = 0; i < count; ++i) {
        const Lexeme lexeme = lexemes(from)[i];
        const Regex rest = regexes_.derivative(lexeme.rest, byte);
        if (rest != Regex::nothing && !regexes_.is_empty(rest)) list.push_back({lexeme.terminal, rest});
    }
    const State result = state(list);
    transition(from, byte) = result;
    return result;
}

RWKV_INLINE bool Lexer::compute_continues(State state) {
    bool result = false;
    for (const Lexeme& lexeme : lexemes(state))
        result |= lexeme.rest != Regex::empty && (!regexes_.nullable(lexeme.rest) || regexes_.is_plain(lexeme.rest));
    if (!result) result = only_byte(state) != no_byte;
    states_[state].continues = result ? Answer::yes : Answer::no;
    return result;
}

RWKV_INLINE std::uint32_t Lexer::only_byte(State from) {
    if (states_[from].only_byte != unknown) return states_[from].only_byte;
    std::uint32_t result = no_byte;
    for (unsigned byte = 0; byte < 256 && result != many_bytes; ++byte)
        if (next(from, static_cast<std::uint8_t>(byte)) != dead) result = result == no_byte ? byte : many_bytes;
    states_[from].only_byte = result;
    return result;
}

RWKV_INLINE Lexer::State Lexer::without_far_limits(State from, std::uint32_t length) {
    constexpr std::size_t max_lexemes = 8;  // where names of members are in progress, there are many, and seldom twice
    bool changed = false;
    for (const Lexeme& lexeme : lexemes(from)) changed |= regexes_.has_limits_ahead(lexeme.rest);
    if (!changed || lexemes(from).size() > max_lexemes) return from;
    changed = false;
    std::vector<Lexeme> list(lexemes(from).begin(), lexemes(from).end());
    for (Lexeme& lexeme : list) {
        const Regex rest = regexes_.without_far_limits(lexeme.rest, length);
        changed |= rest != lexeme.rest;
        lexeme.rest = rest;
    }
    return changed ? state(list) : from;
}

RWKV_INLINE bool Lexer::is_plain(State state) const noexcept {
    for (const Lexeme& lexeme : lexemes(state))
        if (!regexes_.is_plain(lexeme.rest)) return false;
    return true;
}

RWKV_INLINE bool Lexer::ends_nearby(State state) {
    if (states_[state].ends_nearby != Answer::unknown) return states_[state].ends_nearby == Answer::yes;
    bool result = true;
    for (std::size_t i = 0; i < lexemes(state).size() && result; ++i)
        result = regexes_.ends_nearby(lexemes(state)[i].rest, max_end, ways_);
    states_[state].ends_nearby = result ? Answer::yes : Answer::no;
    return result;
}

RWKV_INLINE std::size_t Lexer::memory() const noexcept {
    return regexes_.memory() + states_.capacity() * sizeof(Entry) + lexemes_.capacity() * sizeof(Lexeme) +
           pages_.size() * page_states * class_count_ * sizeof(State) + state_table_.memory() +
           accepted_table_.memory() + accepted_terminals_.capacity() * sizeof(std::uint32_t) +
           accepted_.capacity() * sizeof(List);
}

}  // namespace rwkv::inline RWKV_ABI::constraint
