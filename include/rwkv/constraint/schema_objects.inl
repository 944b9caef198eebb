#pragma once

#include <algorithm>
#include <map>

#include <rwkv/constraint/schema_compiler.hpp>
#include <rwkv/core/inline.hpp>
#include <rwkv/core/message.hpp>

namespace rwkv::inline RWKV_ABI::constraint {

/// The ways to match several patterns that the names of an object's other members may have.
inline constexpr std::size_t max_name_classes = 64;
/// The rules that minProperties and maxProperties may take.
inline constexpr std::size_t max_counting_rules = 20'000;

/// What the objects of a case are. False where there is none.
RWKV_INLINE bool SchemaCompiler::object_form(const Case& a_case, ObjectForm& form) {
    std::map<std::string_view, std::size_t> known;
    const auto add = [&](std::string_view name, bool required) {
        const auto [entry, is_new] = known.try_emplace(name, form.properties.size());
        if (is_new) form.properties.push_back({std::string(name), false, {}});
        form.properties[entry->second].required |= required;
    };
    for (const Demand& demand : a_case.demands) {
        JsonIndex found = no_value;
        if (demand.kind == DemandKind::constant)
            for (const auto& [name, item] : at(demand.index).members) add(name, true);
        if (is_schema_demand(demand, "properties", found)) {
            if (at(found).kind != JsonKind::object)
                refuse("properties", demand.index, {"an object"}, {document_.describe(found)});
            for (const auto& [name, item] : at(found).members) add(name, false);
        }
    }
    for (const Demand& demand : a_case.demands) {
        JsonIndex found = no_value;
        if (is_schema_demand(demand, "required", found)) {
            if (at(found).kind != JsonKind::array)
                refuse("required", demand.index, {"a list of names"}, {document_.describe(found)});
            for (const auto& [empty, name] : at(found).members) {
                if (at(name).kind != JsonKind::string)
                    refuse("required", demand.index, {"a list of names"}, {"one with ", document_.describe(name)});
                add(at(name).text, true);
            }
        }
        for (const std::string_view keyword : {"dependencies", "dependentRequired", "dependentSchemas"})
            if (is_schema_demand(demand, keyword, found) &&
                !(at(found).kind == JsonKind::object && at(found).members.empty()))
                unsupported(keyword, demand.index);
        if (is_schema_demand(demand, "unevaluatedProperties", found) &&
            !(at(found).kind == JsonKind::boolean && at(found).truth))
            unsupported("unevaluatedProperties", demand.index);
        if (is_schema_demand(demand, "minProperties", found)) {
            const std::uint32_t count = count_of(found, "minProperties");
            if (count > form.min) {
                form.min = count;
                form.min_place = demand.index;
            }
        }
        if (is_schema_demand(demand, "maxProperties", found))
            form.max = (std::min)(form.max, count_of(found, "maxProperties"));
    }
    const Regex names = member_names(a_case);
    std::uint32_t required = 0;
    for (ObjectForm::Property& property : form.properties) {
        const bool allowed = (names == Regex::anything || regexes_.matches(names, quoted(property.name))) &&
                             property_demands(a_case, property.name, property.demands) && !is_false(property.demands);
        if (!allowed && property.required) return false;
        if (!allowed) property.demands = {{DemandKind::impossible, 0}};
        required += property.required;
    }
    if (required > form.max) return false;
    other_members(a_case, names, form);
    std::size_t kept = 0;
    for (std::size_t i = 0; i < form.properties.size(); ++i) {
        ObjectForm::Property& property = form.properties[i];
        if (is_false(property.demands)) continue;
        if (kept != i) form.properties[kept] = std::move(property);
        ++kept;
    }
    form.properties.resize(kept);
    return true;
}

/// What must hold for the value of a property. False where it may not be there.
RWKV_INLINE bool SchemaCompiler::property_demands(const Case& a_case, const std::string& name, Demands& demands) {
    std::string text;
    for (const Demand& demand : a_case.demands) {
        JsonIndex found = no_value;
        if (demand.kind == DemandKind::constant) {
            found = document_.find(demand.index, name);
            demands.push_back(found == no_value ? Demand{DemandKind::impossible, 0}
                                                : Demand{DemandKind::constant, found});
        }
        if (demand.kind != DemandKind::own_keywords) continue;
        bool evaluated = false;
        const auto add = [&](JsonIndex schema) {
            require_schema(schema);
            demands.push_back({DemandKind::schema, schema});
            evaluated = true;
        };
        if (is_schema_demand(demand, "properties", found) && (found = document_.find(found, name)) != no_value)
            add(found);
        if (is_schema_demand(demand, "patternProperties", found)) {
            if (text.empty()) text = quoted(name);
            for (const auto& [expression, schema] : at(found).members)
                if (regexes_.matches(name_pattern(demand.index, expression), text)) add(schema);
        }
        if (!evaluated && is_schema_demand(demand, "additionalProperties", found)) add(found);
    }
    return !is_false(demands);
}

/// The names, with quotes, in which a key of patternProperties matches.
RWKV_INLINE Regex SchemaCompiler::name_pattern(JsonIndex schema, const std::string& expression) {
    const Regex quote = regexes_.literal("\"");
    return regexes_.concat({quote, pattern(schema, expression), quote});
}

/// The names, with quotes, that propertyNames allow, or `anything`.
RWKV_INLINE Regex SchemaCompiler::member_names(const Case& a_case) {
    std::vector<Regex> conditions;
    for (const Demand& demand : a_case.demands) {
        JsonIndex found = no_value;
        if (!is_schema_demand(demand, "propertyNames", found)) continue;
        std::vector<Regex> parts;
        for (Case& names : expand({{DemandKind::schema, found}})) {
            names.types &= string_type;
            if (names.types) parts.push_back(scalars(names));
        }
        conditions.push_back(regexes_.any_of(parts));
    }
    return conditions.empty() ? Regex::anything : regexes_.all_of(conditions);
}

/// Finds the classes of names that are no property's, which differ in the patterns that they match.
RWKV_INLINE void SchemaCompiler::other_members(const Case& a_case, Regex names, ObjectForm& form) {
    struct Class {
        Regex names;
        std::vector<bool> matched;
    };
    std::vector<std::string> properties;
    for (const ObjectForm::Property& property : form.properties) properties.push_back(quoted(property.name));
    std::vector<Class> classes{{regexes_.all_of({any_string(), names}), {}}};
    std::vector<const std::string*> expressions;
    JsonIndex place = SchemaDocument::root;
    bool open = true;  // whether a name that matches no pattern may be there
    for (const Demand& demand : a_case.demands) {
        JsonIndex found = no_value;
        if (demand.kind == DemandKind::constant) return;
        const bool closed =
            is_schema_demand(demand, "additionalProperties", found) && is_false({{DemandKind::schema, found}});
        if (is_schema_demand(demand, "patternProperties", found)) {
            if (at(found).kind != JsonKind::object)
                refuse("patternProperties", demand.index, {"an object"}, {document_.describe(found)});
            place = demand.index;
            for (const auto& [expression, schema] : at(found).members) {
                bool is_new = true;
                for (const std::string* other : expressions) is_new = is_new && *other != expression;
                if (is_new) expressions.push_back(&expression);
            }
            if (closed && !at(found).members.empty()) continue;
        }
        if (closed) open = false;
    }
    if (!open) return;
    if (!properties.empty()) classes[0].names = regexes_.difference(classes[0].names, regexes_.literals(properties));
    for (const std::string* expression : expressions) {
        const Regex matching = name_pattern(place, *expression);
        std::vector<Class> split;
        for (const Class& names_class : classes) {
            for (const bool matches : {true, false}) {
                Class part = names_class;
                part.names =
                    matches ? regexes_.all_of({part.names, matching}) : regexes_.difference(part.names, matching);
                part.matched.push_back(matches);
                if (!regexes_.is_empty(part.names)) split.push_back(std::move(part));
            }
        }
        classes = std::move(split);
        if (classes.size() > max_name_classes)
            refuse("patternProperties", place, {"at most ", max_name_classes, " ways to match them"}, {"more"});
    }
    for (const Class& names_class : classes) {
        if (regexes_.is_empty(names_class.names)) continue;
        Demands demands;
        for (const Demand& demand : a_case.demands) {
            JsonIndex found = no_value;
            bool evaluated = false;
            if (is_schema_demand(demand, "patternProperties", found))
                for (const auto& [expression, schema] : at(found).members)
                    for (std::size_t i = 0; i < expressions.size(); ++i)
                        if (*expressions[i] == expression && names_class.matched[i]) {
                            require_schema(schema);
                            demands.push_back({DemandKind::schema, schema});
                            evaluated = true;
                        }
            if (!evaluated && is_schema_demand(demand, "additionalProperties", found)) {
                require_schema(found);
                demands.push_back({DemandKind::schema, found});
            }
        }
        if (!is_false(demands)) form.others.push_back({names_class.names, std::move(demands)});
    }
}

/// The objects of a case.
RWKV_INLINE Symbol SchemaCompiler::object(const Case& a_case) {
    ObjectForm form;
    if (!object_form(a_case, form)) return builder_.nothing();
    const Symbol colon = punctuation(":", true, true);
    std::vector<Member> members;
    std::uint32_t required = 0;
    for (const ObjectForm::Property& property : form.properties) {
        const Symbol symbol = join({builder_.literal(quoted(property.name)), colon, value(property.demands)});
        if (is_nothing(symbol)) {
            if (property.required) return builder_.nothing();
            continue;
        }
        members.push_back({symbol, property.required});
        required += property.required;
    }
    std::vector<Symbol> others;
    for (const ObjectForm::Others& other : form.others)
        others.push_back(join({builder_.terminal(other.names), colon, value(other.demands)}));
    const Symbol other = either(others);
    const bool counted =
        form.min > required || form.max < members.size() || (form.max != unbounded && !is_nothing(other));
    const bool any_order = options_.members_in_any_order && required <= GrammarBuilder::max_tracked_members &&
                           members.size() + others.size() > 1;
    const Symbol inner = counted     ? counted_members(members, other, form)
                         : any_order ? builder_.unordered(members, punctuation(",", true, true), other)
                                     : members_in_order(members, other);
    return join({punctuation("{", false, true), inner, punctuation("}", true, false)});
}

/// Members in their order, then any number of others.
RWKV_INLINE Symbol SchemaCompiler::members_in_order(const std::vector<Member>& members, Symbol other) {
    const Symbol comma = punctuation(",", true, true);
    const bool flat = members.size() <= max_flat_parts;
    Symbol rest = is_nothing(other) ? builder_.empty() : repeat(join({comma, other}), 0, unbounded);
    std::size_t first = 0;
    while (first < members.size() && !members[first].required) ++first;
    if (first < members.size()) {
        // One is always there: those before it bring a comma after them, those behind it a comma before.
        std::vector<Symbol> parts;
        for (std::size_t i = 0; i < members.size(); ++i) {
            const Symbol part = i < first   ? join({members[i].symbol, comma})
                                : i > first ? join({comma, members[i].symbol})
                                            : members[i].symbol;
            const Symbol perhaps = members[i].required ? part : repeat(part, 0, 1);
            parts.push_back(flat ? perhaps : as_rule(perhaps));
        }
        parts.push_back(rest);
        return join(parts);
    }
    // Any of them may be the first one.
    std::vector<Symbol> beginnings{builder_.empty()};
    if (!is_nothing(other)) beginnings.push_back(join({other, rest}));
    for (std::size_t i = members.size(); i-- > 0;) {
        beginnings.push_back(join({members[i].symbol, rest}));
        rest = join({repeat(join({comma, members[i].symbol}), 0, 1), rest});
        if (!flat) rest = as_rule(rest);
    }
    return either(beginnings);
}

/// The members where minProperties and maxProperties count them. Of others, only the first one is sure to add to the
/// count, since the next may have the same name.
RWKV_INLINE Symbol SchemaCompiler::counted_members(const std::vector<Member>& members, Symbol other,
                                                   const ObjectForm& form) {
    const auto size = static_cast<std::uint32_t>(members.size());
    const std::uint32_t last = (std::min)(form.max == unbounded ? form.min : form.max, size);
    const bool has_others = !is_nothing(other);
    if (form.min > size + (has_others ? 1 : 0)) {
        if (!has_others) return builder_.nothing();
        refuse("minProperties", form.min_place, {"at most one more than there are properties"},
               {"the number ", form.min});
    }
    if ((std::size_t{size} + 1) * (last + 1) > max_counting_rules)
        refuse(form.min_place == no_value ? "maxProperties" : "minProperties",
               form.min_place == no_value ? SchemaDocument::root : form.min_place, {"fewer properties to count"},
               {"a product of ", (std::size_t{size} + 1) * (last + 1)});
    const Symbol comma = punctuation(",", true, true);
    // after[count]: what may follow when `count` members (or more, where only the minimum counts) are there, from the
    // last property to the first.
    std::vector<Symbol> after(last + 1);
    for (std::uint32_t count = 0; count <= last; ++count) {
        const std::uint32_t least = count >= form.min ? 0 : 1;
        const std::uint32_t most = form.max == unbounded ? unbounded : form.max - count;
        if (!has_others)
            after[count] = least == 0 ? builder_.empty() : builder_.nothing();
        else if (count + 1 < form.min || most < least)
            after[count] = builder_.nothing();
        else if (count > 0)
            after[count] = repeat(join({comma, other}), least, most);
        else
            after[count] = repeat(
                join({other, repeat(join({comma, other}), 0, most == unbounded ? most : (std::max)(most, 1U) - 1)}),
                least, (std::min)(most, 1U));
    }
    for (std::uint32_t i = size; i-- > 0;) {
        std::vector<Symbol> before(last + 1);
        for (std::uint32_t count = 0; count <= last; ++count) {
            std::vector<Symbol> ways;
            const std::uint32_t next = form.max == unbounded ? (std::min)(count + 1, last) : count + 1;
            const Symbol member = count > 0 ? join({comma, members[i].symbol}) : members[i].symbol;
            if (next <= last) ways.push_back(join({member, after[next]}));
            if (!members[i].required) ways.push_back(after[count]);
            before[count] = as_rule(either(ways));
        }
        after = std::move(before);
    }
    return after[0];
}

}  // namespace rwkv::inline RWKV_ABI::constraint
