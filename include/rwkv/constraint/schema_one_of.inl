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
    OneOf result;
    std::vector<Regex> sets;
    for (const auto& [name, part] : at(document_.find(schema, "oneOf")).members) {
        std::vector<Regex> parts;
        bool composite = false;
        for (const Case& a_case : expand({{DemandKind::schema, part}})) {
            if (a_case.types & scalar_types) parts.push_back(scalars(a_case));
            composite |= (a_case.types & composite_types) != 0;
        }
        if (composite) result.with_composites.push_back(part);
        const Regex set = any_of(parts);
        if (set != Regex::nothing) sets.push_back(set);
    }
    result.scalars = exactly_one(schema, sets);
    return one_ofs_.emplace(schema, std::move(result)).first->second;
}

/// The strings that are in exactly one of the sets.
RWKV_INLINE Regex SchemaCompiler::exactly_one(JsonIndex schema, const std::vector<Regex>& sets) {
    // Single strings are looked up, so that thousands of constants cost little.
    std::map<std::string, bool> literals;
    std::vector<Regex> others;
    bool distinct = true;
    for (const Regex set : sets) {
        std::string text;
        if (!regexes_.is_literal(set, text))
            others.push_back(set);
        else
            distinct = literals.try_emplace(std::move(text)).second && distinct;
    }
    for (std::size_t i = 0; distinct && i < others.size(); ++i) {
        for (std::size_t k = 0; distinct && k < i; ++k) distinct = regexes_.disjoint(others[i], others[k]);
        for (auto literal = literals.begin(); distinct && literal != literals.end(); ++literal)
            distinct = !regexes_.matches(others[i], literal->first);
    }
    if (distinct) return any_of(sets);
    if (sets.size() > max_overlapping)
        refuse("oneOf", schema, {"at most ", max_overlapping, " alternatives that overlap"},
               {sets.size(), " alternatives"});
    Regex once = Regex::nothing, seen = Regex::nothing;
    for (const Regex set : sets) {
        once = regexes_.any_of({regexes_.difference(once, set), regexes_.difference(set, seen)});
        seen = regexes_.any_of({seen, set});
    }
    return once;
}

/// Refuses a oneOf unless no array and no object that is valid otherwise can be so against two of its alternatives.
RWKV_INLINE void SchemaCompiler::require_distinct(JsonIndex schema, const Case& so_far) {
    if ((so_far.types & composite_types) == 0) return;
    OneOf& known = one_ofs_[schema];
    if (known.with_composites.size() > max_overlapping)
        refuse("oneOf", schema, {"at most ", max_overlapping, " alternatives that are objects or arrays"},
               {known.with_composites.size()});
    const auto check = [&](const Demands& others) {
        const auto [entry, is_new] = known.distinct.try_emplace(others);
        if (is_new) entry->second = are_distinct(known.with_composites, others);
        return entry->second;
    };
    if (check({{DemandKind::own_keywords, schema}})) return;
    Demands others;
    for (const Demand& demand : so_far.demands)
        if (demand.kind != DemandKind::choice) others.push_back(demand);
    if (!check(others))
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
    for (const Case& a_case : expand(demands)) {
        if ((a_case.types & scalar_types) && !regexes_.is_empty(scalars(a_case))) return false;
        if (a_case.types & array_type) {
            ArrayForm form;
            bool possible = array_form(a_case, form);
            for (std::uint32_t i = 0; possible && i < form.min && i <= form.first.size(); ++i)
                possible = !certainly_empty(i < form.first.size() ? form.first[i] : form.rest, depth - 1);
            if (possible) return false;
        }
        if (a_case.types & object_type) {
            ObjectForm form;
            bool possible = object_form(a_case, form);
            for (std::size_t i = 0; possible && i < form.properties.size(); ++i)
                possible = !form.properties[i].required || !certainly_empty(form.properties[i].demands, depth - 1);
            if (possible) return false;
        }
    }
    return true;
}

}  // namespace rwkv::inline RWKV_ABI::constraint
