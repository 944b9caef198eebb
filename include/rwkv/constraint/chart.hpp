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
/// known by what it holds, not by its place in the text, and kept once: after each element of a list the parser is in
/// the same row again.
///
/// Thread safety: one thread at a time.
class Chart {
  public:
    /// The number of a row. A row's items began in rows of lower numbers, or in itself.
    using Row = std::uint32_t;
    /// A rule that was parsed up to a dot.
    struct Item {
        std::uint32_t dot;                             ///< of the grammar
        std::uint32_t count;                           ///< of a repetition, the parts so far
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
    /// The row with these items and what follows from them. The items have origins.
    Row row(std::vector<Item>& items);

    /// The state of the lexer at the beginning of the terminals that the row expects.
    Lexer::State start(Row row) const noexcept { return rows_[row].start; }
    /// Whether the text may end in this row.
    bool may_end(Row row) const noexcept { return rows_[row].may_end; }
    /// The items that the row was made of.
    std::span<const Item> kernel(Row row) const noexcept {
        return std::span(items_).subspan(rows_[row].kernel_begin, rows_[row].kernel_length);
    }
    /// The number of rows.
    std::size_t size() const noexcept { return rows_.size(); }
    /// Memory in use, in bytes.
    std::size_t memory() const noexcept;

  private:
    struct Entry {
        std::uint32_t kernel_begin, kernel_length;    // in items_
        std::uint32_t waiting_begin, waiting_length;  // in waiting_
        Lexer::State start;
        bool may_end;
    };
    /// An item that waits for a symbol: a terminal, or a nonterminal plus 2^31.
    struct Waiting {
        std::uint32_t symbol;
        Item item;
    };
    static constexpr std::uint32_t nonterminal_bit = 0x80000000U;

    Row compute_scan(Row row, Lexer::Accepted accepted);
    std::span<const Waiting> waiting(Row row, std::uint32_t symbol) const noexcept;
    void collect(Row row, Lexer::Accepted accepted, std::vector<Item>& items) const;
    Item advance(Item item, Row row) const noexcept;
    Entry close(std::span<const Item> kernel);
    void add(const Item& item);
    void predict(std::uint32_t nonterminal);
    std::uint64_t hash(Row row) const noexcept;

    const Grammar& grammar_;
    Lexer& lexer_;
    std::vector<Entry> rows_;
    std::vector<Item> items_;
    std::vector<Waiting> waiting_;
    Interner row_table_;
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
