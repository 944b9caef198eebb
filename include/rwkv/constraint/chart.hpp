#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <utility>
#include <vector>

#include <rwkv/constraint/grammar.hpp>
#include <rwkv/constraint/interner.hpp>
#include <rwkv/constraint/lexer.hpp>
#include <rwkv/version.hpp>

namespace rwkv::inline RWKV_ABI::constraint {

/// The rows of Earley's parser (1970), over terminals: what was parsed of which rules, and where these began. A row is
/// known by what it waits for, not by its place in the text, and kept once: after each element of a list the parser is
/// in the same row again.
///
/// Thread safety: one thread at a time.
class Chart {
  public:
    /// The number of a row. A row's items began in rows of lower numbers, or in itself.
    using Row = std::uint32_t;
    /// A rule that was parsed up to a dot.
    struct Item {
        std::uint32_t dot;                             ///< of the grammar
        std::uint32_t count;                           ///< of a repetition, the parts so far; see `Seen`
        Row origin;                                    ///< where the rule began; `self`: in the row that has the item
        bool operator==(const Item&) const = default;  ///< whether both are equal
    };
    static constexpr Row self = 0xFFFFFFFFU;  ///< as an origin

    /// With the first row, number 0. Keeps a reference to both.
    Chart(const Grammar& grammar, Lexer& lexer);

    /// The row after a lexeme that began in a row and ended as one of these terminals, which the row expects.
    Row scan(Row row, Lexer::Accepted accepted) {
        const std::uint32_t* known = scanned_.find(std::uint64_t{row} << 32U | accepted);
        return known ? *known : compute_scan(row, accepted);
    }
    /// The same where several lexemes end at one place.
    Row scan(std::span<const std::pair<Row, Lexer::Accepted>> sources);
    /// The row with these items and what follows from them. The items have origins, which are earlier rows.
    Row row(std::vector<Item>& items);
    /// The row of `waiting_items`, and whether the text may end there: what is known of a row of another chart.
    Row row(std::vector<Item>& items, bool may_end);

    /// The state of the lexer at the beginning of the terminals that the row expects.
    Lexer::State start(Row row) const noexcept { return rows_[row].start; }
    /// Whether the text may end in this row.
    bool may_end(Row row) const noexcept { return rows_[row].may_end; }
    /// The items that wait for something and began in earlier rows, which all else follows from; sorted.
    std::span<const Item> waiting_items(Row row) const noexcept {
        return std::span(items_).subspan(rows_[row].items_begin, rows_[row].items_length);
    }
    /// The number of rows.
    std::size_t size() const noexcept { return rows_.size(); }
    /// Memory in use, in bytes.
    std::size_t memory() const noexcept;

  private:
    struct Entry {
        std::uint32_t items_begin, items_length;      // in items_
        std::uint32_t waiting_begin, waiting_length;  // in waiting_
        Lexer::State start;
        bool may_end;
    };
    /// An item that waits for a symbol: a terminal, or a nonterminal plus 2^31.
    struct Waiting {
        std::uint32_t symbol;
        Item item;
    };
    /// Items that a row was made of, with those that were complete.
    struct Kernel {
        std::uint32_t begin, length;  // in kernel_items_
        Row row;
    };
    static constexpr std::uint32_t nonterminal_bit = 0x80000000U;
    /// The count of unordered members: bit i where the i-th was seen, and what was read last.
    enum Seen : std::uint32_t { after_separator = 0x40000000U, after_a_member = 0x80000000U };

    Row compute_scan(Row row, Lexer::Accepted accepted);
    std::span<const Waiting> waiting(Row row, std::uint32_t symbol) const noexcept;
    void collect(Row row, Lexer::Accepted accepted, std::vector<Item>& items) const;
    Item advance(const Waiting& waiting, Row row) const noexcept;
    std::uint32_t after_member(const Grammar::Nonterminal& nonterminal, std::uint32_t count,
                               std::uint32_t symbol) const noexcept;
    static std::uint32_t symbol_of(const Grammar::Position& position) noexcept {
        return position.next == Grammar::Next::terminal ? position.value : position.value | nonterminal_bit;
    }
    bool close(std::span<const Item> kernel);
    Row closed_row(bool may_end);
    Entry make_entry(std::span<const Item> items, bool may_end);
    void add(const Item& item);
    void predict(std::uint32_t nonterminal);
    std::span<const Item> kernel(std::uint32_t i) const noexcept {
        return std::span(kernel_items_).subspan(kernels_[i].begin, kernels_[i].length);
    }

    const Grammar& grammar_;
    Lexer& lexer_;
    std::vector<Entry> rows_;
    std::vector<Item> items_;
    std::vector<Waiting> waiting_;
    Interner row_table_;
    std::vector<Kernel> kernels_;
    std::vector<Item> kernel_items_;
    Interner kernel_table_;
    U64Map scanned_;

    // Scratch of `close`.
    std::vector<Item> work_;
    std::vector<Waiting> found_;
    std::vector<std::uint32_t> seen_;       // hash table of indices into work_, each + 1
    std::vector<std::uint32_t> predicted_;  // by nonterminal, the number of the call
    std::uint32_t calls_ = 0;
};

}  // namespace rwkv::inline RWKV_ABI::constraint

#ifndef RWKV_COMPILED
#include <rwkv/constraint/chart.inl>
#endif
