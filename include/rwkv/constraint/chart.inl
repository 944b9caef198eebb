#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <span>
#include <utility>
#include <vector>

#include <rwkv/constraint/chart.hpp>
#include <rwkv/constraint/limits.hpp>
#include <rwkv/core/error.hpp>
#include <rwkv/core/inline.hpp>
#include <rwkv/core/message.hpp>

namespace rwkv::inline RWKV_ABI::constraint {

/// As a dot: not an item, but that this nonterminal, from this origin, is complete.
inline constexpr std::uint32_t completed_bit = 0x80000000U;

inline std::uint64_t hash_item(std::uint64_t sum, const Chart::Item& item) noexcept {
    return Interner::combine(Interner::combine(sum, std::uint64_t{item.dot} << 32U | item.origin), item.count);
}

inline bool item_less(const Chart::Item& a, const Chart::Item& b) noexcept {
    if (a.dot != b.dot) return a.dot < b.dot;
    if (a.origin != b.origin) return a.origin < b.origin;
    return a.count < b.count;
}

inline std::uint64_t hash_items(std::span<const Chart::Item> items, bool may_end) noexcept {
    std::uint64_t sum = may_end ? 5 : 3;
    for (const Chart::Item& item : items) sum = hash_item(sum, item);
    return sum;
}

inline void sort_unique(std::vector<Chart::Item>& items) {
    std::sort(items.begin(), items.end(), item_less);
    items.erase(std::unique(items.begin(), items.end()), items.end());
}

RWKV_INLINE Chart::Chart(const Grammar& grammar, Lexer& lexer)
    : grammar_(grammar), lexer_(lexer), predicted_(grammar.nonterminal_count(), 0) {
    std::vector<Item> items;
    for (const std::uint32_t dot : grammar.starts(grammar.nonterminal(grammar.root()))) items.push_back({dot, 0, self});
    close(items);
    // Not in the table of rows: what it waits for began in itself.
    rows_.push_back(make_entry({}, grammar.nonterminal(grammar.root()).nullable));
}

RWKV_INLINE Chart::Row Chart::row(std::vector<Item>& items) {
    sort_unique(items);
    const auto equal = [&](std::uint32_t known) {
        const auto other = kernel(known);
        return std::equal(other.begin(), other.end(), items.begin(), items.end());
    };
    const auto create = [&] {
        if (kernels_.capacity() == kernels_.size()) kernels_.reserve(2 * kernels_.size() + 16);
        const Row result = closed_row(close(items));
        const auto begin = static_cast<std::uint32_t>(kernel_items_.size());
        kernel_items_.insert(kernel_items_.end(), items.begin(), items.end());
        kernels_.push_back({begin, static_cast<std::uint32_t>(items.size()), result});
        return static_cast<std::uint32_t>(kernels_.size() - 1);
    };
    const std::uint32_t found = kernel_table_.find_or_create(hash_items(items, false), equal, create);
    return kernels_[found].row;
}

RWKV_INLINE Chart::Row Chart::row(std::vector<Item>& items, bool may_end) {
    sort_unique(items);
    close(items);
    return closed_row(may_end);
}

/// The row of what `close` has found.
RWKV_INLINE Chart::Row Chart::closed_row(bool may_end) {
    std::vector<Item> items;
    for (const Waiting& w : found_)
        if (w.item.origin != self) items.push_back(w.item);
    sort_unique(items);
    const auto equal = [&](std::uint32_t known) {
        const auto other = waiting_items(known);
        return rows_[known].may_end == may_end && std::equal(other.begin(), other.end(), items.begin(), items.end());
    };
    const auto create = [&] {
        if (rows_.capacity() == rows_.size()) rows_.reserve(2 * rows_.size() + 16);
        rows_.push_back(make_entry(items, may_end));
        return static_cast<Row>(rows_.size() - 1);
    };
    return row_table_.find_or_create(hash_items(items, may_end), equal, create);
}

RWKV_INLINE Chart::Entry Chart::make_entry(std::span<const Item> items, bool may_end) {
    std::sort(found_.begin(), found_.end(), [](const Waiting& a, const Waiting& b) { return a.symbol < b.symbol; });
    std::vector<Lexeme> lexemes;
    for (const Waiting& w : found_) {
        if (w.symbol & nonterminal_bit) break;
        if (lexemes.empty() || lexemes.back().terminal != w.symbol)
            lexemes.push_back({w.symbol, grammar_.terminal(w.symbol)});
    }
    const Entry entry{static_cast<std::uint32_t>(items_.size()),
                      static_cast<std::uint32_t>(items.size()),
                      static_cast<std::uint32_t>(waiting_.size()),
                      static_cast<std::uint32_t>(found_.size()),
                      lexer_.state(lexemes),
                      may_end};
    items_.insert(items_.end(), items.begin(), items.end());
    waiting_.insert(waiting_.end(), found_.begin(), found_.end());
    return entry;
}

/// The items that wait for a symbol.
RWKV_INLINE std::span<const Chart::Waiting> Chart::waiting(Row row, std::uint32_t symbol) const noexcept {
    const Waiting* begin = waiting_.data() + rows_[row].waiting_begin;
    const Waiting* end = begin + rows_[row].waiting_length;
    begin = std::lower_bound(begin, end, symbol, [](const Waiting& w, std::uint32_t s) { return w.symbol < s; });
    const Waiting* last = begin;
    while (last != end && last->symbol == symbol) ++last;
    return {begin, last};
}

/// The item of a row after the symbol that it waits for.
RWKV_INLINE Chart::Item Chart::advance(const Waiting& waiting, Row row) const noexcept {
    Item item = waiting.item;
    if (item.origin == self) item.origin = row;
    const Grammar::Position position = grammar_.at(item.dot);
    if (position.next == Grammar::Next::repeat) {
        // Where no number is too large, what counts is that there are enough.
        const Grammar::Nonterminal& nonterminal = grammar_.nonterminal(position.value);
        if (nonterminal.max != unbounded || item.count < nonterminal.min) ++item.count;
    } else if (position.next == Grammar::Next::unordered) {
        item.count = after_member(grammar_.nonterminal(position.value), item.count, waiting.symbol);
    } else {
        ++item.dot;
    }
    return item;
}

/// The count of unordered members after one of them, another, or a separator.
RWKV_INLINE std::uint32_t Chart::after_member(const Grammar::Nonterminal& nonterminal, std::uint32_t count,
                                              std::uint32_t symbol) const noexcept {
    if (count & after_a_member) return (count & ~after_a_member) | after_separator;
    count = (count & ~after_separator) | after_a_member;
    const std::span<const Grammar::Position> members = grammar_.members(nonterminal);
    for (std::uint32_t i = 0; i < members.size() && i < GrammarBuilder::max_tracked_members; ++i)
        if (symbol_of(members[i]) == symbol) return count | 1U << i;
    return count;
}

RWKV_INLINE void Chart::collect(Row row, Lexer::Accepted accepted, std::vector<Item>& items) const {
    for (const std::uint32_t terminal : lexer_.terminals(accepted))
        for (const Waiting& w : waiting(row, terminal)) items.push_back(advance(w, row));
}

RWKV_INLINE Chart::Row Chart::compute_scan(Row from, Lexer::Accepted accepted) {
    std::vector<Item> items;
    collect(from, accepted, items);
    const Row result = row(items);
    scanned_.insert(std::uint64_t{from} << 32U | accepted, result);
    return result;
}

RWKV_INLINE Chart::Row Chart::scan(std::span<const std::pair<Row, Lexer::Accepted>> sources) {
    if (sources.size() == 1) return scan(sources[0].first, sources[0].second);
    std::vector<Item> items;
    for (const auto& [from, accepted] : sources) collect(from, accepted, items);
    return row(items);
}

/// Adds an item to the work, once.
RWKV_INLINE void Chart::add(const Item& item) {
    if (2 * (work_.size() + 1) > seen_.size()) {
        seen_.assign(2 * seen_.size(), 0);
        for (std::size_t k = 0; k < work_.size(); ++k) {
            std::size_t i = hash_item(4, work_[k]) & (seen_.size() - 1);
            while (seen_[i] != 0) i = (i + 1) & (seen_.size() - 1);
            seen_[i] = static_cast<std::uint32_t>(k + 1);
        }
    }
    std::size_t i = hash_item(4, item) & (seen_.size() - 1);
    for (; seen_[i] != 0; i = (i + 1) & (seen_.size() - 1))
        if (work_[seen_[i] - 1] == item) return;
    if (work_.size() >= max_row_items)
        core::fail<ArgumentError>(
            grammar_.where(), {},
            {"a grammar that is parsed with at most ", max_row_items, " rules in progress at one place"},
            {"one that is too ambiguous or too large"});
    work_.push_back(item);
    seen_[i] = static_cast<std::uint32_t>(work_.size());
}

RWKV_INLINE void Chart::predict(std::uint32_t n) {
    if (predicted_[n] == calls_) return;
    predicted_[n] = calls_;
    for (const std::uint32_t dot : grammar_.starts(grammar_.nonterminal(n))) add({dot, 0, self});
}

/// Finds all that follows from the items and waits for something. Returns whether the text may end.
RWKV_INLINE bool Chart::close(std::span<const Item> items) {
    using Next = Grammar::Next;
    ++calls_;
    work_.clear();
    found_.clear();
    seen_.assign(64, 0);
    bool may_end = false;
    for (const Item& item : items) add(item);
    const auto wait = [&](const Grammar::Position& symbol, const Item& item) {
        found_.push_back({symbol_of(symbol), item});
        if (symbol.next != Next::terminal) predict(symbol.value);
    };
    const auto complete = [&](std::uint32_t n, Row origin) {
        if (n == grammar_.root())
            may_end = true;
        else if (origin != self)  // of length 0: who waits for it went on when it was predicted
            add({completed_bit | n, 0, origin});
    };
    for (std::size_t i = 0; i < work_.size(); ++i) {
        const Item item = work_[i];
        if (item.dot & completed_bit) {
            for (const Waiting& w : waiting(item.origin, (item.dot & ~completed_bit) | nonterminal_bit))
                add(advance(w, item.origin));
            continue;
        }
        const Grammar::Position position = grammar_.at(item.dot);
        switch (position.next) {
            case Next::end:
                complete(position.value, item.origin);
                break;
            case Next::terminal:
                wait(position, item);
                if (grammar_.terminal_nullable(position.value)) add({item.dot + 1, item.count, item.origin});
                break;
            case Next::nonterminal:
                wait(position, item);
                if (grammar_.nonterminal(position.value).nullable) add({item.dot + 1, item.count, item.origin});
                break;
            case Next::repeat: {
                const Grammar::Nonterminal& nonterminal = grammar_.nonterminal(position.value);
                if (item.count >= nonterminal.min) complete(position.value, item.origin);
                if (item.count < nonterminal.max) wait(nonterminal.part, item);
                break;
            }
            case Next::unordered: {
                const Grammar::Nonterminal& nonterminal = grammar_.nonterminal(position.value);
                const std::uint32_t required = (1U << nonterminal.min) - 1;
                if ((item.count & required) == required && !(item.count & after_separator))
                    complete(position.value, item.origin);
                const std::span<const Grammar::Position> members = grammar_.members(nonterminal);
                bool more = nonterminal.other.next != Next::end;  // whether a separator can be followed by anything
                for (std::uint32_t k = 0; k < members.size(); ++k) {
                    if (k < GrammarBuilder::max_tracked_members && (item.count >> k & 1U) != 0) continue;
                    more = true;
                    if (!(item.count & after_a_member)) wait(members[k], item);
                }
                if (item.count & after_a_member) {
                    if (more) wait(nonterminal.part, item);
                } else if (nonterminal.other.next != Next::end) {
                    wait(nonterminal.other, item);
                }
                break;
            }
        }
    }
    return may_end;
}

RWKV_INLINE std::size_t Chart::memory() const noexcept {
    return rows_.capacity() * sizeof(Entry) + items_.capacity() * sizeof(Item) + waiting_.capacity() * sizeof(Waiting) +
           row_table_.memory() + scanned_.size() * 32;
}

}  // namespace rwkv::inline RWKV_ABI::constraint
