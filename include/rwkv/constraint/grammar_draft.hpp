#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include <rwkv/constraint/grammar_builder.hpp>
#include <rwkv/constraint/limits.hpp>
#include <rwkv/constraint/regex_set.hpp>
#include <rwkv/core/error.hpp>
#include <rwkv/core/message.hpp>

namespace rwkv::inline RWKV_ABI::constraint {

/// The grammar while it is simplified. Every step keeps the language of every symbol.
struct GrammarDraft {
    using Kind = GrammarBuilder::Kind;
    using Sequence = std::vector<std::uint32_t>;
    struct Entry {
        Kind kind;
        Regex regex = Regex::nothing;              // of a terminal
        std::uint32_t part = 0, min = 0, max = 0;  // of a repetition; of unordered members, min are required
        std::vector<Sequence> alternatives;        // of a rule; of unordered members: separator, other, the members
    };

    GrammarDraft(const GrammarBuilder& builder, Symbol root, RegexSet& set, std::uint32_t limit)
        : regexes(set), fold_limit(limit) {
        // What is reached from the root, which gets number 0 as a rule of its own.
        std::vector<std::uint32_t> number(builder.definitions_.size(), 0);
        std::vector<std::uint32_t> order;
        const auto number_of = [&](std::uint32_t symbol) {
            if (number[symbol] == 0) {
                order.push_back(symbol);
                number[symbol] = static_cast<std::uint32_t>(order.size());
            }
            return number[symbol];
        };
        entries.push_back({.kind = Kind::rule, .alternatives = {{number_of(static_cast<std::uint32_t>(root))}}});
        for (std::size_t i = 0; i < order.size(); ++i) {
            const GrammarBuilder::Definition& definition = builder.definitions_[order[i]];
            Entry entry{.kind = definition.kind, .min = definition.min, .max = definition.max, .alternatives = {}};
            if (definition.kind == Kind::terminal) {
                entry.regex = static_cast<Regex>(definition.argument);
            } else if (definition.kind == Kind::repeat) {
                entry.part = number_of(definition.argument);
            } else {
                for (std::uint32_t a = definition.last_alternative; a != 0;) {
                    const GrammarBuilder::Alternative& alternative = builder.alternatives_[a - 1];
                    Sequence sequence;
                    sequence.reserve(alternative.length);
                    for (std::uint32_t k = 0; k < alternative.length; ++k)
                        sequence.push_back(
                            number_of(static_cast<std::uint32_t>(builder.symbols_[alternative.begin + k])));
                    entry.alternatives.push_back(std::move(sequence));
                    a = alternative.previous;
                }
                std::reverse(entry.alternatives.begin(), entry.alternatives.end());
            }
            entries.push_back(std::move(entry));
        }
    }

    std::uint32_t add(Entry entry) {
        if (entries.size() >= 2 * max_grammar_symbols)
            core::fail<ArgumentError>("constraint", {}, {"at most ", max_grammar_symbols, " symbols"}, {"more"});
        entries.push_back(std::move(entry));
        return static_cast<std::uint32_t>(entries.size() - 1);
    }

    /// S ::= a S | b S | c becomes S ::= (a | b)* c, for which the parser needs no memory of each time round.
    void remove_right_recursion() {
        for (std::uint32_t s = 1, end = static_cast<std::uint32_t>(entries.size()); s < end; ++s) {
            if (entries[s].kind != Kind::rule) continue;
            std::vector<Sequence> repeated, others;
            for (const Sequence& sequence : entries[s].alternatives) {
                if (sequence.empty() || sequence.back() != s)
                    others.push_back(sequence);
                else if (sequence.size() > 1)  // S ::= S says nothing
                    repeated.emplace_back(sequence.begin(), sequence.end() - 1);
            }
            if (others.size() == entries[s].alternatives.size()) continue;
            if (!repeated.empty()) {
                const std::uint32_t part = add({.kind = Kind::rule, .alternatives = std::move(repeated)});
                const std::uint32_t times =
                    add({.kind = Kind::repeat, .part = part, .min = 0, .max = unbounded, .alternatives = {}});
                for (Sequence& sequence : others) sequence.insert(sequence.begin(), times);
            }
            entries[s].alternatives = std::move(others);
        }
    }

    bool is_terminal(std::uint32_t symbol) const noexcept { return entries[symbol].kind == Kind::terminal; }

    /// For each symbol, the rules and repetitions that it is part of: once for each place.
    std::vector<std::vector<std::uint32_t>> users() const {
        std::vector<std::vector<std::uint32_t>> result(entries.size());
        for (std::uint32_t s = 0; s < entries.size(); ++s) {
            if (entries[s].kind == Kind::repeat) result[entries[s].part].push_back(s);
            for (const Sequence& sequence : entries[s].alternatives)
                for (const std::uint32_t symbol : sequence) result[symbol].push_back(s);
        }
        return result;
    }

    /// Makes terminals of what consists of terminals and is short.
    void fold() {
        const auto used_by = users();
        std::vector<std::size_t> open(entries.size(), 0);  // places with a symbol that is no terminal
        std::vector<std::uint32_t> ready;
        for (std::uint32_t s = 0; s < entries.size(); ++s) {
            if (is_terminal(s)) {
                for (const std::uint32_t user : used_by[s]) --open[user];
                continue;
            }
            open[s] += entries[s].kind != Kind::rule ? 1U : 0U;  // what is unordered stays open
            for (const Sequence& sequence : entries[s].alternatives) open[s] += sequence.size();
        }
        for (std::uint32_t s = 1; s < entries.size(); ++s)
            if (!is_terminal(s) && open[s] == 0) ready.push_back(s);
        while (!ready.empty()) {
            const std::uint32_t s = ready.back();
            ready.pop_back();
            Regex regex = Regex::nothing;
            if (entries[s].kind == Kind::repeat) {
                regex = regexes.repeat(entries[entries[s].part].regex, entries[s].min, entries[s].max);
            } else {
                std::uint64_t size = 0;
                for (const Sequence& sequence : entries[s].alternatives)
                    for (const std::uint32_t symbol : sequence) size += regexes.size(entries[symbol].regex);
                if (size > fold_limit && !is_choice(entries[s])) continue;
                regex = any_of(entries[s].alternatives);
            }
            if (regexes.size(regex) > fold_limit && entries[s].kind != Kind::repeat && !is_choice(entries[s])) continue;
            entries[s] = {.kind = Kind::terminal, .regex = regex, .alternatives = {}};
            for (const std::uint32_t user : used_by[s])
                if (--open[user] == 0 && user != 0) ready.push_back(user);
        }
    }

    /// Whether each alternative is one symbol, or none.
    static bool is_choice(const Entry& entry) noexcept {
        for (const Sequence& sequence : entry.alternatives)
            if (sequence.size() > 1) return false;
        return entry.kind == Kind::rule;
    }

    Regex any_of(const std::vector<Sequence>& alternatives) {
        std::vector<Regex> parts;
        std::vector<std::string> texts;
        std::string text;
        for (const Sequence& sequence : alternatives) {
            Regex part = Regex::empty;
            for (std::size_t i = sequence.size(); i-- > 0;) part = regexes.concat({entries[sequence[i]].regex, part});
            parts.push_back(part);
            text.clear();
            if (regexes.is_literal(part, text)) texts.push_back(text);
        }
        return texts.size() == parts.size() ? regexes.literals(texts) : regexes.any_of(parts);
    }

    /// What a property of terminals means for rules (of which one alternative must have it in all places), repetitions
    /// (whose part must have it, if they need one) and unordered members (of which those that are required must).
    struct Property {
        std::vector<bool> holds;                     // of each symbol
        std::vector<std::vector<std::size_t>> open;  // of each alternative, the places without it
    };
    template <class Holds>
    Property find_property(const Holds& holds_for) const {
        Property result{std::vector<bool>(entries.size(), false),
                        std::vector<std::vector<std::size_t>>(entries.size())};
        // Where each symbol is: rule and alternative; or a repetition, of which the alternative does not matter.
        std::vector<std::vector<std::pair<std::uint32_t, std::uint32_t>>> places(entries.size());
        std::vector<std::uint32_t> ready;
        const auto set = [&](std::uint32_t s) {
            if (!result.holds[s]) ready.push_back(s);
            result.holds[s] = true;
        };
        for (std::uint32_t s = 0; s < entries.size(); ++s) {
            const Entry& entry = entries[s];
            if (entry.kind == Kind::terminal && holds_for(entry.regex)) set(s);
            if (entry.kind == Kind::repeat) {
                places[entry.part].push_back({s, 0});
                if (entry.min == 0) set(s);
            }
            if (entry.kind == Kind::unordered) {
                result.open[s].push_back(entry.min);
                if (entry.min == 0) set(s);
                for (std::size_t i = 0; i < entry.min; ++i) places[entry.alternatives[2 + i][0]].push_back({s, 0});
                continue;
            }
            for (std::uint32_t a = 0; a < entry.alternatives.size(); ++a) {
                result.open[s].push_back(entry.alternatives[a].size());
                if (entry.alternatives[a].empty()) set(s);
                for (const std::uint32_t symbol : entry.alternatives[a]) places[symbol].push_back({s, a});
            }
        }
        while (!ready.empty()) {
            const std::uint32_t symbol = ready.back();
            ready.pop_back();
            for (const auto& [user, alternative] : places[symbol])
                if (entries[user].kind == Kind::repeat || --result.open[user][alternative] == 0) set(user);
        }
        return result;
    }

    /// Removes what produces no text. Returns whether the root does.
    bool remove_unproductive() {
        const Property productive = find_property([this](Regex regex) { return !regexes.is_empty(regex); });
        for (std::uint32_t s = 0; s < entries.size(); ++s) {
            Entry& entry = entries[s];
            if (entry.kind == Kind::repeat && !productive.holds[entry.part])  // at best the empty text
                entry = {.kind = Kind::terminal,
                         .regex = productive.holds[s] ? Regex::empty : Regex::nothing,
                         .alternatives = {}};
            if (entry.kind == Kind::unordered) {
                // Without the separator there is at most one member, which is not worth a case of its own.
                if (!productive.holds[s] || !productive.holds[entry.alternatives[0][0]]) {
                    entry = {.kind = Kind::terminal, .regex = Regex::nothing, .alternatives = {}};
                    continue;
                }
                std::vector<Sequence> kept(entry.alternatives.begin(), entry.alternatives.begin() + 2);
                if (!productive.holds[kept[1][0]]) kept[1].clear();
                for (std::size_t a = 2; a < entry.alternatives.size(); ++a)
                    if (productive.holds[entry.alternatives[a][0]]) kept.push_back(std::move(entry.alternatives[a]));
                entry.alternatives = std::move(kept);
                continue;
            }
            std::vector<Sequence> kept;
            for (std::size_t a = 0; a < entry.alternatives.size(); ++a)
                if (productive.open[s][a] == 0) kept.push_back(std::move(entry.alternatives[a]));
            entry.alternatives = std::move(kept);
        }
        return productive.holds[0];
    }

    /// The symbol that stands for it: what a rule is no more than another name of.
    std::uint32_t resolve(std::uint32_t symbol) const noexcept {
        while (symbol != 0 && entries[symbol].kind == Kind::rule && entries[symbol].alternatives.size() == 1 &&
               entries[symbol].alternatives[0].size() == 1)
            symbol = entries[symbol].alternatives[0][0];
        return symbol;
    }

    void resolve_all() {
        for (Entry& entry : entries) {
            if (entry.kind == Kind::repeat) entry.part = resolve(entry.part);
            if (entry.kind == Kind::unordered) {
                for (Sequence& sequence : entry.alternatives)
                    for (std::uint32_t& symbol : sequence) symbol = resolve(symbol);
                continue;
            }
            for (Sequence& sequence : entry.alternatives) {
                std::size_t kept = 0;
                for (const std::uint32_t symbol : sequence) {
                    const std::uint32_t meant = resolve(symbol);
                    if (is_terminal(meant) && entries[meant].regex == Regex::empty) continue;
                    sequence[kept++] = meant;
                }
                sequence.resize(kept);
            }
        }
    }

    /// Puts a rule that has one alternative and is used in one place there, and joins neighbours that are text, or
    /// short. Then makes one terminal of the alternatives that are terminals.
    void splice() {
        std::vector<std::uint32_t> uses(entries.size(), 0);
        for (const Entry& entry : entries) {
            if (entry.kind == Kind::repeat) uses[entry.part] += 2;  // has no place for several symbols
            for (const Sequence& sequence : entry.alternatives)
                for (const std::uint32_t symbol : sequence) uses[symbol] += entry.kind == Kind::unordered ? 2U : 1U;
        }
        const auto spliced = [&](std::uint32_t s) {
            return s != 0 && entries[s].kind == Kind::rule && entries[s].alternatives.size() == 1 && uses[s] == 1;
        };
        for (std::uint32_t s = 0, end = static_cast<std::uint32_t>(entries.size()); s < end; ++s) {
            if (spliced(s) || entries[s].kind != Kind::rule) continue;
            for (std::size_t a = 0; a < entries[s].alternatives.size(); ++a) {
                Sequence flat;
                std::vector<std::pair<std::uint32_t, std::size_t>> stack{{s, 0}};  // rules, and how far they are copied
                while (!stack.empty()) {
                    auto& [rule, next] = stack.back();
                    const Sequence& from = entries[rule].alternatives[stack.size() == 1 ? a : 0];
                    if (next == from.size()) {
                        stack.pop_back();
                        continue;
                    }
                    const std::uint32_t symbol = from[next++];
                    if (spliced(symbol))
                        stack.push_back({symbol, 0});
                    else
                        flat.push_back(symbol);
                }
                entries[s].alternatives[a] = join_neighbours(flat);
            }
            merge_terminal_alternatives(s);
        }
    }

    Sequence join_neighbours(const Sequence& flat) {
        Sequence joined;
        std::string text;
        for (std::size_t i = 0; i < flat.size();) {
            std::size_t end = i;
            // The longest run of neighbours to be joined: all text, or short together.
            std::uint64_t size = 0;
            bool all_text = true;
            while (end < flat.size() && is_terminal(flat[end])) {
                text.clear();
                const bool is_text = regexes.is_literal(entries[flat[end]].regex, text);
                size += regexes.size(entries[flat[end]].regex);
                if (!(all_text && is_text) && size > fold_limit) break;
                all_text &= is_text;
                ++end;
            }
            if (end <= i + 1) {
                joined.push_back(flat[i++]);
                continue;
            }
            std::vector<Regex> parts;
            for (; i < end; ++i) parts.push_back(entries[flat[i]].regex);
            joined.push_back(add({.kind = Kind::terminal, .regex = regexes.concat(parts), .alternatives = {}}));
        }
        return joined;
    }

    void merge_terminal_alternatives(std::uint32_t s) {
        std::vector<Sequence> single, others;
        for (Sequence& sequence : entries[s].alternatives)
            (sequence.size() == 1 && is_terminal(sequence[0]) ? single : others).push_back(std::move(sequence));
        if (single.size() > 1) {
            const Regex regex = any_of(single);
            single = {{add({.kind = Kind::terminal, .regex = regex, .alternatives = {}})}};
        }
        for (Sequence& sequence : others) single.push_back(std::move(sequence));
        entries[s].alternatives = std::move(single);
    }

    RegexSet& regexes;
    std::uint32_t fold_limit;
    std::vector<Entry> entries;
};

}  // namespace rwkv::inline RWKV_ABI::constraint
