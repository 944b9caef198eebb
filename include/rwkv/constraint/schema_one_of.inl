#pragma once

#include <map>
#include <string>
#include <vector>

#include <rwkv/constraint/schema_compiler.hpp>
#include <rwkv/core/inline.hpp>
#include <rwkv/core/message.hpp>

namespace rwkv::inline RWKV_ABI::constraint {

/// What is known of a schema's oneOf by its alternatives alone.
RWKV_INLINE const SchemaCompiler::OneOf& SchemaCompiler::one_of(JsonIndex schema) {
    const auto known = one_ofs_.find(schema);
    if (known != one_ofs_.end()) return known->second;
    const bool outer = upper_bound_;
    OneOf result;
    std::vector<ScalarSet> sets;
    std::vector<Regex> bounds;
    for (const auto& [name, part] : at(document_.find(schema, "oneOf")).members) {
        std::vector<Regex> texts, upper;
        bool composite = false;
        for (const Case& a_case : expand({{DemandKind::schema, part}})) {
            composite |= (a_case.types & composite_types) != 0;
            if ((a_case.types & scalar_types) == 0) continue;
            upper_bound_ = false;
            texts.push_back(scalars(a_case));
            upper_bound_ = true;
            upper.push_back(scalars(a_case));
            upper_bound_ = outer;
        }
        if (composite) result.with_composites.push_back(part);
        const ScalarSet set{any_of(texts), any_of(upper)};
        if (set.upper_bound == Regex::nothing) continue;
        sets.push_back(set);
        bounds.push_back(set.upper_bound);
    }
    result.scalars = exactly_one(schema, sets);
    result.upper_bound = any_of(bounds);
    return one_ofs_.emplace(schema, std::move(result)).first->second;
}

/// The texts of what is in exactly one of the sets.
RWKV_INLINE Regex SchemaCompiler::exactly_one(JsonIndex schema, const std::vector<ScalarSet>& sets) {
    // Single strings are looked up, so that thousands of constants cost little.
    std::map<std::string, bool> literals;
    std::vector<Regex> others, texts;
    bool distinct = true;
    for (const ScalarSet& set : sets) {
        std::string text;
        texts.push_back(set.texts);
        if (!regexes_.is_literal(set.upper_bound, text))
            others.push_back(set.upper_bound);
        else
            distinct = literals.try_emplace(std::move(text)).second && distinct;
    }
    for (std::size_t i = 0; distinct && i < others.size(); ++i) {
        for (std::size_t k = 0; distinct && k < i; ++k) distinct = regexes_.disjoint(others[i], others[k]);
        for (auto literal = literals.begin(); distinct && literal != literals.end(); ++literal)
            distinct = !regexes_.matches(others[i], literal->first);
    }
    if (distinct) return any_of(texts);
    if (sets.size() > max_overlapping)
        refuse("oneOf", schema, {"at most ", max_overlapping, " alternatives that overlap"},
               {sets.size(), " alternatives"});
    std::vector<Regex> parts;
    for (std::size_t i = 0; i < sets.size(); ++i) {
        std::vector<Regex> rest;
        for (std::size_t k = 0; k < sets.size(); ++k)
            if (k != i) rest.push_back(sets[k].upper_bound);
        parts.push_back(regexes_.difference(sets[i].texts, any_of(rest)));
    }
    // 7 and 7.0 are the same: of each number, one spelling.
    const Regex number = regexes_.concat({regexes_.bytes(ByteSet::range('-', '9')), Regex::anything});
    const Regex spelled = regexes_.any_of({regexes_.complement(number), shortest_number_regex(regexes_)});
    return regexes_.all_of({regexes_.any_of(parts), spelled});
}

/// Refuses a oneOf unless no array and no object that is valid otherwise can be so against two of its alternatives.
RWKV_INLINE void SchemaCompiler::require_distinct(JsonIndex schema, const Case& so_far) {
    if ((so_far.types & composite_types) == 0) return;
    OneOf& known = one_ofs_[schema];
    if (known.with_composites.size() > max_overlapping)
        refuse("oneOf", schema, {"at most ", max_overlapping, " alternatives that are objects or arrays"},
               {known.with_composites.size()});
    const auto are_all_distinct = [&](const Demands& others) {
        const auto [entry, is_new] = known.distinct.try_emplace(others);
        if (is_new) entry->second = are_distinct(known.with_composites, others);
        return entry->second;
    };
    if (are_all_distinct({{DemandKind::own_keywords, schema}})) return;
    Demands others;
    for (const Demand& demand : so_far.demands)
        if (demand.kind != DemandKind::choice) others.push_back(demand);
    if (!are_all_distinct(others))
        refuse("oneOf", schema, {"alternatives of which only one can hold"},
               {"some that may both hold for an array or object"});
}

RWKV_INLINE bool SchemaCompiler::are_distinct(const std::vector<JsonIndex>& alternatives, const Demands& others) {
    for (std::size_t i = 0; i < alternatives.size(); ++i)
        for (std::size_t k = i + 1; k < alternatives.size(); ++k) {
            Demands both = others;
            both.push_back({DemandKind::composite, 0});
            both.push_back({DemandKind::schema, alternatives[i]});
            both.push_back({DemandKind::schema, alternatives[k]});
            if (!certainly_empty(both, 6)) return false;
        }
    return true;
}

/// True only if no value meets all demands.
RWKV_INLINE bool SchemaCompiler::certainly_empty(const Demands& demands, int depth) {
    if (depth == 0) return false;
    const bool outer = upper_bound_;
    upper_bound_ = true;
    bool empty = true;
    for (const Case& a_case : expand(demands)) empty = empty && is_empty_case(a_case, depth);
    upper_bound_ = outer;
    return empty;
}

RWKV_INLINE bool SchemaCompiler::is_empty_case(const Case& a_case, int depth) {
    if ((a_case.types & scalar_types) && !regexes_.is_empty(scalars(a_case))) return false;
    ArrayForm array;
    if ((a_case.types & array_type) && array_form(a_case, array)) {
        bool possible = true;
        for (std::uint32_t i = 0; possible && i < array.min && i <= array.first.size(); ++i)
            possible = !certainly_empty(i < array.first.size() ? array.first[i] : array.rest, depth - 1);
        if (possible) return false;
    }
    ObjectForm object;
    if ((a_case.types & object_type) && object_form(a_case, object)) {
        bool possible = true;
        for (std::size_t i = 0; possible && i < object.properties.size(); ++i)
            possible = !object.properties[i].required || !certainly_empty(object.properties[i].demands, depth - 1);
        if (possible) return false;
    }
    return true;
}

}  // namespace rwkv::inline RWKV_ABI::constraint
