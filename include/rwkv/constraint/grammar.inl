#pragma once

#include <cstddef>
#include <cstdint>
#include <string_view>
#include <utility>
#include <vector>

#include <rwkv/constraint/grammar.hpp>
#include <rwkv/constraint/grammar_draft.hpp>
#include <rwkv/constraint/regex_derivatives.inl>
#include <rwkv/core/error.hpp>
#include <rwkv/core/inline.hpp>
#include <rwkv/core/message.hpp>

namespace rwkv::inline RWKV_ABI::constraint {

RWKV_INLINE Grammar::Grammar(GrammarBuilder builder, Symbol root, std::string_view where, std::string_view subject)
    : regexes_(std::move(builder.regexes_)), where_(where) {
    GrammarDraft draft(builder, root, regexes_, builder.fold_limit_);
    draft.remove_right_recursion();
    draft.fold();
    if (!draft.remove_unproductive())
        core::fail<ArgumentError>(where, {subject}, {"one that some text satisfies"}, {"one that none does"});
    draft.resolve_all();
    draft.splice();
    draft.resolve_all();
    const std::vector<bool> nullable =
        draft.find_property([this](Regex regex) { return regexes_.nullable(regex); }).holds;

    // Numbers for what is still reached, in the order of the search.
    using Kind = GrammarBuilder::Kind;
    constexpr std::uint32_t unknown = 0xFFFFFFFFU;
    std::vector<std::uint32_t> number(draft.entries.size(), unknown);
    std::vector<std::uint32_t> order{0};
    number[0] = 0;
    U64Map terminal_numbers;
    const auto position = [&](Next next, std::uint32_t value) {
        return static_cast<std::uint32_t>(next) << 29U | value;
    };
    const auto number_of = [&](std::uint32_t symbol) -> Position {
        const GrammarDraft::Entry& entry = draft.entries[symbol];
        if (entry.kind == Kind::terminal) {
            const auto key = static_cast<std::uint64_t>(entry.regex);
            if (terminal_numbers.insert(key, static_cast<std::uint32_t>(terminals_.size())))
                terminals_.push_back(entry.regex);
            return {Next::terminal, *terminal_numbers.find(key)};
        }
        if (number[symbol] == unknown) {
            number[symbol] = static_cast<std::uint32_t>(order.size());
            order.push_back(symbol);
        }
        return {Next::nonterminal, number[symbol]};
    };
    for (std::uint32_t n = 0; n < order.size(); ++n) {
        const std::uint32_t symbol = order[n];
        const GrammarDraft::Entry entry = draft.entries[symbol];
        Nonterminal result{.starts_begin = static_cast<std::uint32_t>(starts_.size()), .nullable = nullable[symbol]};
        if (entry.kind == Kind::repeat) {
            result.is_repeat = true;
            result.min = nullable[entry.part] ? 0 : entry.min;
            result.max = entry.max;
            result.part = number_of(entry.part);
            starts_.push_back(static_cast<std::uint32_t>(positions_.size()));
            positions_.push_back(position(Next::repeat, n));
        } else if (entry.kind == Kind::unordered) {
            result.min = entry.min;
            result.part = number_of(entry.alternatives[0][0]);
            if (!entry.alternatives[1].empty()) result.other = number_of(entry.alternatives[1][0]);
            result.members_begin = static_cast<std::uint32_t>(members_.size());
            for (std::size_t a = 2; a < entry.alternatives.size(); ++a)
                members_.push_back(number_of(entry.alternatives[a][0]));
            result.members_count = static_cast<std::uint32_t>(members_.size()) - result.members_begin;
            starts_.push_back(static_cast<std::uint32_t>(positions_.size()));
            positions_.push_back(position(Next::unordered, n));
        } else {
            for (const GrammarDraft::Sequence& sequence : entry.alternatives) {
                starts_.push_back(static_cast<std::uint32_t>(positions_.size()));
                for (const std::uint32_t part : sequence) {
                    const Position next = number_of(part);
                    positions_.push_back(position(next.next, next.value));
                }
                positions_.push_back(position(Next::end, n));
            }
        }
        result.starts_count = static_cast<std::uint32_t>(starts_.size()) - result.starts_begin;
        nonterminals_.push_back(result);
    }
    std::vector<ByteSet> sets;
    std::vector<bool> visited;
    for (const Regex terminal : terminals_) regexes_.collect_byte_sets(terminal, sets, visited);
    byte_class_count_ = constraint::byte_classes(sets, byte_classes_);
}

}  // namespace rwkv::inline RWKV_ABI::constraint
