#pragma once

#include <algorithm>

#include <rwkv/constraint/schema_arrays.inl>
#include <rwkv/constraint/schema_compiler.hpp>
#include <rwkv/constraint/schema_objects.inl>
#include <rwkv/constraint/schema_one_of.inl>
#include <rwkv/constraint/schema_scalars.inl>
#include <rwkv/core/error.hpp>
#include <rwkv/core/inline.hpp>
#include <rwkv/core/message.hpp>

namespace rwkv::inline RWKV_ABI::constraint {

RWKV_INLINE SchemaCompiler::SchemaCompiler(const SchemaDocument& document, const JsonSchemaOptions& options,
                                           GrammarBuilder& builder)
    : document_(document),
      options_(options),
      builder_(builder),
      regexes_(builder.regexes()),
      references_(document),
      loop_checked_(document.size()) {}

RWKV_INLINE Symbol SchemaCompiler::compile() {
    require_schema(SchemaDocument::root);
    Symbol root = value({{DemandKind::schema, SchemaDocument::root}});
    finish_rules();
    if (is_nothing(root))
        refuse("schema", impossible_ == no_value ? SchemaDocument::root : impossible_,
               {"one that some value satisfies"}, {"one that none does"});
    if (!options_.white_space) return root;
    const Symbol space = punctuation("", true, false);
    return join({space, root, space});
}

RWKV_INLINE void SchemaCompiler::refuse(std::string_view keyword, JsonIndex schema, core::MessageParts expected,
                                        core::MessageParts found) const {
    core::fail<ArgumentError>("json_schema", {keyword, " at ", document_.pointer(schema)}, expected, found);
}

RWKV_INLINE void SchemaCompiler::unsupported(std::string_view keyword, JsonIndex schema) const {
    refuse(keyword, schema, {"a schema without this keyword, which is not supported"},
           {document_.describe(document_.find(schema, keyword))});
}

RWKV_INLINE void SchemaCompiler::require_schema(JsonIndex index) const {
    if (at(index).kind == JsonKind::object || at(index).kind == JsonKind::boolean) return;
    refuse("schema", index, {"an object, true or false"}, {document_.describe(index)});
}

/// The symbol of the values that meet all demands.
RWKV_INLINE Symbol SchemaCompiler::value(Demands demands) {
    std::size_t kept = 0;
    for (const Demand demand : demands)
        if (std::find(demands.begin(), demands.begin() + static_cast<std::ptrdiff_t>(kept), demand) ==
            demands.begin() + static_cast<std::ptrdiff_t>(kept))
            demands[kept++] = demand;
    demands.resize(kept);
    const auto [entry, is_new] = values_.try_emplace(std::move(demands));
    Value& known = entry->second;
    if (known.is_known) return known.symbol;
    if (!is_new || depth_ >= max_nested_values) {
        // It lies within itself, or too deep: a rule, whose alternatives come later.
        known = {builder_.rule(), true, true};
        if (is_new) waiting_.push_back(&entry->first);
        return known.symbol;
    }
    ++depth_;
    const Symbol built = build_value(entry->first);
    --depth_;
    // What is reported is the innermost value whose fault it is that the one around it is impossible.
    if (!is_nothing(built))
        impossible_ = no_value;
    else if (impossible_ == no_value && !entry->first.empty())
        impossible_ = entry->first[0].index;
    if (known.is_rule)
        builder_.add(known.symbol, {built});
    else
        known = {built, true, false};
    return known.symbol;
}

RWKV_INLINE void SchemaCompiler::finish_rules() {
    while (!waiting_.empty()) {
        const Demands* demands = waiting_.back();
        waiting_.pop_back();
        builder_.add(values_[*demands].symbol, {build_value(*demands)});
    }
}

RWKV_INLINE Symbol SchemaCompiler::build_value(const Demands& demands) {
    const std::vector<Case> cases = expand(demands);
    std::vector<Regex> scalar_parts;
    std::vector<Symbol> parts;
    for (const Case& a_case : cases) {
        if (a_case.types & scalar_types) scalar_parts.push_back(scalars(a_case));
        if (a_case.types & array_type) parts.push_back(array(a_case));
        if (a_case.types & object_type) parts.push_back(object(a_case));
    }
    parts.push_back(builder_.terminal(any_of(scalar_parts)));
    return either(parts);
}

/// The cases of which a value that meets all demands is one.
RWKV_INLINE std::vector<SchemaCompiler::Case> SchemaCompiler::expand(const Demands& demands) {
    const JsonIndex place = demands.empty() ? SchemaDocument::root : demands[0].index;
    if (++in_place_ > max_nested_expansions)
        refuse("schema", place, {"alternatives nested at most ", max_nested_expansions, " deep"}, {"more"});
    std::vector<Case> cases;
    Choices choices;
    std::vector<Case> states(1);
    bool possible = true;
    for (const Demand demand : demands) possible = possible && merge(states[0], demand, choices);
    if (!possible) states.clear();
    while (!states.empty()) {
        Case state = std::move(states.back());
        states.pop_back();
        std::size_t at_choice = 0;
        while (at_choice < state.demands.size() && state.demands[at_choice].kind != DemandKind::choice) ++at_choice;
        if (at_choice == state.demands.size()) {
            cases.push_back(std::move(state));
            if (cases.size() > max_cases || ++cases_ > max_all_cases)
                refuse("schema", place, {"at most ", max_cases, " alternatives"}, {"more"});
            continue;
        }
        // What is chosen takes the place of the choice. The last one first, so that the first comes out of the stack
        // first.
        const std::size_t chosen = state.demands[at_choice].index;
        if (choices[chosen].one_of != no_value) require_distinct(choices[chosen].one_of, state);
        for (std::size_t i = choices[chosen].alternatives.size(); i-- > 0;) {
            const auto split = state.demands.begin() + static_cast<std::ptrdiff_t>(at_choice);
            Case next{state.types, state.integers_only, Demands(state.demands.begin(), split)};
            bool holds = true;
            for (const Demand demand : choices[chosen].alternatives[i]) holds = holds && merge(next, demand, choices);
            if (!holds) continue;
            next.demands.insert(next.demands.end(), split + 1, state.demands.end());
            states.push_back(std::move(next));
            if (states.size() > 2 * max_cases)
                refuse("schema", place, {"at most ", max_cases, " alternatives"}, {"more"});
        }
    }
    --in_place_;
    return cases;
}

/// Adds a demand, with all that it leads to in place. False where no value is left.
RWKV_INLINE bool SchemaCompiler::merge(Case& so_far, Demand demand, Choices& choices) {
    Demands work{demand};
    while (!work.empty()) {
        const Demand next = work.back();
        work.pop_back();
        switch (next.kind) {
            case DemandKind::impossible:
                return false;
            case DemandKind::composite:
                so_far.types &= composite_types;
                continue;
            case DemandKind::schema:
                if (!merge_schema(next.index, choices, work)) return false;
                continue;
            case DemandKind::constant:
                so_far.types &= static_cast<std::uint8_t>(1U << static_cast<unsigned>(at(next.index).kind));
                break;
            case DemandKind::listed_scalar:
            case DemandKind::scalar_of_one_of:
                so_far.types &= scalar_types;
                break;
            case DemandKind::own_keywords:
                if (const JsonIndex types = document_.find(next.index, "type"); types != no_value)
                    so_far.types &= types_of(types, so_far.integers_only);
                break;
            case DemandKind::choice:
                break;
        }
        if (so_far.types == 0) return false;
        if (std::find(so_far.demands.begin(), so_far.demands.end(), next) == so_far.demands.end())
            so_far.demands.push_back(next);
    }
    return true;
}

/// Adds what a schema demands to what is still to be merged, the first on top. False where it is the schema false.
RWKV_INLINE bool SchemaCompiler::merge_schema(JsonIndex schema, Choices& choices, Demands& work) {
    require_schema(schema);
    if (at(schema).kind == JsonKind::boolean) return at(schema).truth;
    check_no_loop(schema);
    const JsonIndex reference = document_.find(schema, "$ref");
    if (reference != no_value && references_.ref_stands_alone()) {
        work.push_back({DemandKind::schema, target(schema, reference)});
        return true;
    }
    for (const std::string_view keyword : {"not", "if", "$dynamicRef", "$recursiveRef"})
        if (document_.find(schema, keyword) != no_value) unsupported(keyword, schema);
    const JsonIndex properties = document_.find(schema, "properties");
    const auto& members = at(schema).members;
    for (std::size_t i = members.size(); i-- > 0;) {
        const auto& [keyword, argument] = members[i];
        if (keyword == "const") {
            work.push_back({DemandKind::constant, argument});
        } else if (keyword == "enum") {
            work.push_back(enumeration(schema, argument, choices));
        } else if (keyword == "$ref") {
            work.push_back({DemandKind::schema, target(schema, reference)});
        } else if (keyword == "allOf" || keyword == "anyOf" || keyword == "oneOf") {
            if (at(argument).kind != JsonKind::array || at(argument).members.empty())
                refuse(keyword, schema, {"a list of schemas"}, {document_.describe(argument)});
            for (const auto& part : at(argument).members) require_schema(part.second);
            if (keyword != "allOf")
                work.push_back(alternatives(keyword, schema, argument, choices));
            else
                for (std::size_t k = at(argument).members.size(); k-- > 0;)
                    work.push_back({DemandKind::schema, at(argument).members[k].second});
        }
        if (argument == properties) work.push_back({DemandKind::own_keywords, schema});
    }
    if (properties == no_value) work.push_back({DemandKind::own_keywords, schema});
    return true;
}

RWKV_INLINE SchemaCompiler::Demand SchemaCompiler::alternatives(std::string_view keyword, JsonIndex schema,
                                                                JsonIndex list, Choices& choices) {
    Choice choice;
    if (keyword == "anyOf" || options_.one_of_as_any_of || at(list).members.size() == 1) {
        for (const auto& part : at(list).members) choice.alternatives.push_back({{DemandKind::schema, part.second}});
    } else {
        const OneOf& known = one_of(schema);
        choice.one_of = schema;
        choice.alternatives.push_back({{DemandKind::scalar_of_one_of, schema}});
        for (const JsonIndex part : known.with_composites)
            choice.alternatives.push_back({{DemandKind::composite, 0}, {DemandKind::schema, part}});
    }
    choices.push_back(std::move(choice));
    return {DemandKind::choice, static_cast<JsonIndex>(choices.size() - 1)};
}

RWKV_INLINE SchemaCompiler::Demand SchemaCompiler::enumeration(JsonIndex schema, JsonIndex list, Choices& choices) {
    if (at(list).kind != JsonKind::array) refuse("enum", schema, {"a list"}, {document_.describe(list)});
    Choice choice{{{{DemandKind::listed_scalar, list}}}};
    for (const auto& [name, item] : at(list).members)
        if (at(item).kind >= JsonKind::array) choice.alternatives.push_back({{DemandKind::constant, item}});
    if (choice.alternatives.size() == 1) return {DemandKind::listed_scalar, list};
    choices.push_back(std::move(choice));
    return {DemandKind::choice, static_cast<JsonIndex>(choices.size() - 1)};
}

RWKV_INLINE std::uint8_t SchemaCompiler::types_of(JsonIndex list, bool& integers_only) {
    unsigned types = 0;
    bool integer = false, number = false;
    const auto add = [&](JsonIndex item) {
        constexpr std::string_view names[] = {"null", "boolean", "number", "string", "array", "object"};
        const std::string& name = at(item).text;
        const std::size_t i = static_cast<std::size_t>(std::find(names, names + 6, name) - names);
        if (at(item).kind != JsonKind::string || (i == 6 && name != "integer"))
            refuse("type", at(list).parent,
                   {"null, boolean, number, integer, string, array, object or a list of these"},
                   {document_.describe(item)});
        integer |= name == "integer";
        number |= name == "number";
        types |= i == 6 ? unsigned{number_type} : 1U << i;
    };
    if (at(list).kind == JsonKind::array)
        for (const auto& [name, item] : at(list).members) add(item);
    else
        add(list);
    integers_only |= integer && !number;
    return static_cast<std::uint8_t>(types);
}

RWKV_INLINE JsonIndex SchemaCompiler::target(JsonIndex schema, JsonIndex reference) {
    if (at(reference).kind != JsonKind::string) refuse("$ref", schema, {"a string"}, {document_.describe(reference)});
    const JsonIndex found = references_.resolve(schema, at(reference).text);
    if (found == no_value)
        refuse("$ref", schema, {"a reference to a part of this schema"}, {core::Quoted{at(reference).text}});
    return found;
}

/// Refuses a schema that is part of itself in place: of it, nothing can be said.
RWKV_INLINE void SchemaCompiler::check_no_loop(JsonIndex first) {
    enum : std::uint8_t { unseen, open, closed };
    if (loop_checked_[first] == closed) return;
    std::vector<JsonIndex> stack{first};
    while (!stack.empty()) {
        const JsonIndex schema = stack.back();
        if (loop_checked_[schema] != unseen) {
            loop_checked_[schema] = closed;
            stack.pop_back();
            continue;
        }
        loop_checked_[schema] = open;
        const auto visit = [&](JsonIndex part, std::string_view keyword) {
            if (at(part).kind != JsonKind::object) return;
            if (loop_checked_[part] == open)
                refuse(keyword, schema, {"a schema that does not contain itself"}, {"one that does"});
            if (loop_checked_[part] == unseen) stack.push_back(part);
        };
        const JsonIndex reference = document_.find(schema, "$ref");
        if (reference != no_value) visit(target(schema, reference), "$ref");
        if (reference != no_value && references_.ref_stands_alone()) continue;
        for (const std::string_view keyword : {"allOf", "anyOf", "oneOf"})
            if (const JsonIndex list = document_.find(schema, keyword);
                list != no_value && at(list).kind == JsonKind::array)
                for (const auto& [name, part] : at(list).members) visit(part, keyword);
    }
}

RWKV_INLINE bool SchemaCompiler::is_schema_demand(const Demand& demand, std::string_view keyword,
                                                  JsonIndex& found) const {
    if (demand.kind != DemandKind::own_keywords) return false;
    found = document_.find(demand.index, keyword);
    return found != no_value;
}

/// A count that a keyword gives; what is too large for 32 bits counts as unbounded.
RWKV_INLINE std::uint32_t SchemaCompiler::count_of(JsonIndex number, std::string_view keyword) {
    const Decimal value(at(number).kind == JsonKind::number ? at(number).text : "-1");
    if (!value.is_integer() || value.is_negative())
        refuse(keyword, at(number).parent, {"an integer that is not negative"}, {document_.describe(number)});
    if (!value.is_plain() || value.whole().size() > 9) return unbounded;
    return static_cast<std::uint32_t>(std::stoul(value.whole()));
}

RWKV_INLINE bool SchemaCompiler::is_nothing(Symbol symbol) {
    return builder_.is_terminal(symbol) && regexes_.is_empty(builder_.regex(symbol));
}

/// Symbols one after the other.
RWKV_INLINE Symbol SchemaCompiler::join(std::span<const Symbol> parts) {
    std::vector<Symbol> joined;
    std::vector<Regex> terminals;
    const auto flush = [&] {
        if (!terminals.empty()) joined.push_back(builder_.terminal(regexes_.concat(terminals)));
        terminals.clear();
    };
    for (const Symbol part : parts) {
        if (is_nothing(part)) return builder_.nothing();
        if (builder_.is_terminal(part)) {
            terminals.push_back(builder_.regex(part));
            continue;
        }
        flush();
        joined.push_back(part);
    }
    flush();
    if (joined.size() == 1) return joined[0];
    return joined.empty() ? builder_.empty() : builder_.sequence(joined);
}

/// Union, which may be of thousands of constants.
RWKV_INLINE Regex SchemaCompiler::any_of(std::span<const Regex> parts) {
    if (parts.size() == 1) return parts[0];
    std::vector<std::string> texts;
    std::vector<Regex> others;
    for (const Regex part : parts) {
        std::string text;
        if (regexes_.is_literal(part, text))
            texts.push_back(std::move(text));
        else
            others.push_back(part);
    }
    if (!texts.empty()) others.push_back(regexes_.literals(texts));
    return regexes_.any_of(others);
}

/// One of the symbols.
RWKV_INLINE Symbol SchemaCompiler::either(std::span<const Symbol> parts) {
    std::vector<Regex> terminals;
    std::vector<Symbol> others;
    for (const Symbol part : parts)
        if (!builder_.is_terminal(part))
            others.push_back(part);
        else if (!is_nothing(part))
            terminals.push_back(builder_.regex(part));
    if (!terminals.empty()) others.push_back(builder_.terminal(regexes_.any_of(terminals)));
    if (others.size() == 1) return others[0];
    return others.empty() ? builder_.nothing() : builder_.any_of(others);
}

RWKV_INLINE Symbol SchemaCompiler::repeat(Symbol part, std::uint32_t min, std::uint32_t max) {
    if (builder_.is_terminal(part)) return builder_.terminal(regexes_.repeat(builder_.regex(part), min, max));
    return builder_.repeat(part, min, max);
}

/// A sign of JSON, with white space on the sides where it may be and the options allow it.
RWKV_INLINE Symbol SchemaCompiler::punctuation(std::string_view sign, bool before, bool after) {
    Regex space = Regex::empty;
    if (options_.white_space) {
        ByteSet set;
        for (const char c : {' ', '\t', '\n', '\r'}) set.add(static_cast<unsigned char>(c));
        space = regexes_.star(regexes_.bytes(set));
    }
    const Regex none = Regex::empty;
    return builder_.terminal(regexes_.concat({before ? space : none, regexes_.literal(sign), after ? space : none}));
}

/// The symbol as a rule of its own, so that it does not melt into what is around it.
RWKV_INLINE Symbol SchemaCompiler::as_rule(Symbol symbol) {
    const Symbol rule = builder_.rule();
    builder_.add(rule, {symbol});
    return rule;
}

}  // namespace rwkv::inline RWKV_ABI::constraint
