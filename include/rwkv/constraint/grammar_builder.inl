#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include <rwkv/constraint/grammar_builder.hpp>
#include <rwkv/constraint/limits.hpp>
#include <rwkv/core/error.hpp>
#include <rwkv/core/inline.hpp>
#include <rwkv/core/message.hpp>

namespace rwkv::inline RWKV_ABI::constraint {

RWKV_INLINE GrammarBuilder::GrammarBuilder() = default;

RWKV_INLINE Symbol GrammarBuilder::define(const Definition& definition) {
    if (definitions_.size() >= max_grammar_symbols)
        core::fail<ArgumentError>("constraint", {}, {"at most ", max_grammar_symbols, " symbols"}, {"more"});
    definitions_.push_back(definition);
    return static_cast<Symbol>(static_cast<std::uint32_t>(definitions_.size() - 1));
}

RWKV_INLINE Symbol GrammarBuilder::terminal(Regex regex) {
    if (const std::uint32_t* known = terminals_.find(static_cast<std::uint64_t>(regex)))
        return static_cast<Symbol>(*known);
    const Symbol symbol = define({.kind = Kind::terminal, .argument = static_cast<std::uint32_t>(regex)});
    terminals_.insert(static_cast<std::uint64_t>(regex), static_cast<std::uint32_t>(symbol));
    return symbol;
}

RWKV_INLINE Symbol GrammarBuilder::rule() {
    return define({.kind = Kind::rule});
}

RWKV_INLINE void GrammarBuilder::add(Symbol rule, std::span<const Symbol> sequence) {
    if (static_cast<std::size_t>(rule) >= definitions_.size() || definition(rule).kind != Kind::rule)
        core::fail<ArgumentError>("GrammarBuilder::add", {}, {"a rule"}, {"another symbol"});
    add_alternative(definitions_[static_cast<std::size_t>(rule)], sequence);
}

RWKV_INLINE void GrammarBuilder::add_alternative(Definition& changed, std::span<const Symbol> sequence) {
    if (symbols_.size() + sequence.size() + alternatives_.size() >= max_grammar_symbols)
        core::fail<ArgumentError>("constraint", {}, {"at most ", max_grammar_symbols, " symbols in rules"}, {"more"});
    alternatives_.push_back({static_cast<std::uint32_t>(symbols_.size()), static_cast<std::uint32_t>(sequence.size()),
                             changed.last_alternative});
    symbols_.insert(symbols_.end(), sequence.begin(), sequence.end());
    changed.last_alternative = static_cast<std::uint32_t>(alternatives_.size());
}

RWKV_INLINE Symbol GrammarBuilder::sequence(std::span<const Symbol> parts) {
    if (parts.size() == 1) return parts[0];
    if (parts.empty()) return empty();
    const Symbol result = rule();
    add(result, parts);
    return result;
}

RWKV_INLINE Symbol GrammarBuilder::any_of(std::span<const Symbol> parts) {
    if (parts.size() == 1) return parts[0];
    std::vector<Regex> expressions;
    std::vector<std::string> texts;
    std::string text;
    for (const Symbol part : parts) {
        if (!is_terminal(part)) break;
        expressions.push_back(regex(part));
        text.clear();
        if (regexes_.is_literal(regex(part), text)) texts.push_back(text);
    }
    if (expressions.size() == parts.size())
        return terminal(texts.size() == parts.size() ? regexes_.literals(texts) : regexes_.any_of(expressions));
    const Symbol result = rule();
    for (const Symbol part : parts) add(result, {part});
    return result;
}

RWKV_INLINE Symbol GrammarBuilder::unordered(std::span<const Member> members, Symbol separator, Symbol other) {
    Definition result{.kind = Kind::unordered};
    add_alternative(result, {&separator, 1});
    add_alternative(result, {&other, 1});
    for (const bool required : {true, false})
        for (const Member& member : members)
            if (member.required == required) {
                add_alternative(result, {&member.symbol, 1});
                result.min += required ? 1U : 0U;
            }
    if (result.min > max_tracked_members)
        core::fail<ArgumentError>("GrammarBuilder::unordered", {"required members"}, {"at most ", max_tracked_members},
                                  {result.min});
    return define(result);
}

RWKV_INLINE Symbol GrammarBuilder::repeat(Symbol part, std::uint32_t min, std::uint32_t max) {
    if (min == 1 && max == 1) return part;
    if (max < min) return nothing();
    if (max == 0) return empty();
    if (is_terminal(part)) return terminal(regexes_.repeat(regex(part), min, max));
    return define({.kind = Kind::repeat, .argument = static_cast<std::uint32_t>(part), .min = min, .max = max});
}

}  // namespace rwkv::inline RWKV_ABI::constraint
