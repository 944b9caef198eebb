#pragma once

#include <algorithm>

#include <rwkv/constraint/schema_compiler.hpp>
#include <rwkv/core/inline.hpp>
#include <rwkv/core/message.hpp>

namespace rwkv::inline RWKV_ABI::constraint {

/// What the arrays of a case are. False where there is none.
RWKV_INLINE bool SchemaCompiler::array_form(const Case& a_case, ArrayForm& form) {
    // The items one by one of each demand, and what holds for its others: a schema, or none.
    struct Items {
        JsonIndex first = no_value, rest = no_value;
        bool is_constant = false;
    };
    std::vector<Items> all;
    std::size_t longest = 0;
    for (const Demand& demand : a_case.demands) {
        Items items;
        if (demand.kind == DemandKind::constant) {
            items = {demand.index, no_value, true};
            const auto size = static_cast<std::uint32_t>(at(demand.index).members.size());
            form.min = (std::max)(form.min, size);
            form.max = (std::min)(form.max, size);
        } else if (demand.kind == DemandKind::own_keywords) {
            const JsonIndex schema = demand.index;
            JsonIndex found = no_value;
            if (is_schema_demand(demand, "minItems", found))
                form.min = (std::max)(form.min, count_of(found, "minItems"));
            if (is_schema_demand(demand, "maxItems", found))
                form.max = (std::min)(form.max, count_of(found, "maxItems"));
            if (is_schema_demand(demand, "uniqueItems", found) &&
                (at(found).kind != JsonKind::boolean || at(found).truth))
                unique_items_ = schema;
            for (const std::string_view keyword : {"unevaluatedItems"})
                if (is_schema_demand(demand, keyword, found) &&
                    !(at(found).kind == JsonKind::boolean && at(found).truth))
                    unsupported(keyword, schema);
            if (is_schema_demand(demand, "contains", found) && !contains(schema, found, form)) return false;
            const bool has_items = is_schema_demand(demand, "items", found);
            if (has_items && at(found).kind == JsonKind::array) {
                items.first = found;
                items.rest = document_.find(schema, "additionalItems");
            } else if (has_items) {
                items.rest = found;
            }
            if (is_schema_demand(demand, "prefixItems", found)) {
                if (items.first != no_value) refuse("items", schema, {"a schema beside prefixItems"}, {"a list"});
                if (at(found).kind != JsonKind::array)
                    refuse("prefixItems", schema, {"a list of schemas"}, {document_.describe(found)});
                items.first = found;
            }
        }
        if (items.first != no_value) longest = (std::max)(longest, at(items.first).members.size());
        all.push_back(items);
    }
    const auto demands_at = [&](std::size_t i) {
        Demands demands;
        for (const Items& items : all) {
            if (items.first != no_value && i < at(items.first).members.size()) {
                const JsonIndex item = at(items.first).members[i].second;
                demands.push_back({items.is_constant ? DemandKind::constant : DemandKind::schema, item});
            } else if (items.is_constant) {
                demands.push_back({DemandKind::impossible, 0});
            } else if (items.rest != no_value) {
                demands.push_back({DemandKind::schema, items.rest});
            }
        }
        return demands;
    };
    for (std::size_t i = 0; i < longest && i < form.max; ++i) form.first.push_back(demands_at(i));
    form.rest = demands_at(longest);
    // An item that cannot be is the end of the array.
    for (std::size_t i = 0; i <= form.first.size() && i < form.max; ++i)
        if (is_false(i < form.first.size() ? form.first[i] : form.rest)) form.max = static_cast<std::uint32_t>(i);
    if (form.first.size() > form.max) form.first.resize(form.max);
    return form.min <= form.max && form.min != unbounded;
}

/// Takes a `contains` that says no more than how many items there are. False where no array meets it.
RWKV_INLINE bool SchemaCompiler::contains(JsonIndex schema, JsonIndex argument, ArrayForm& form) {
    std::uint32_t least = 1, most = unbounded;
    if (const JsonIndex found = document_.find(schema, "minContains"); found != no_value)
        least = count_of(found, "minContains");
    if (const JsonIndex found = document_.find(schema, "maxContains"); found != no_value)
        most = count_of(found, "maxContains");
    const JsonValue& what = at(argument);
    if (what.kind == JsonKind::boolean && !what.truth) return least == 0;
    if (what.kind == JsonKind::object ? what.members.empty() : what.truth) {
        form.min = (std::max)(form.min, least);
        form.max = (std::min)(form.max, most);
        return true;
    }
    if (least == 0 && most == unbounded) return true;
    unsupported("contains", schema);
}

/// Whether a demand is the schema false.
RWKV_INLINE bool SchemaCompiler::is_false(const Demands& demands) const {
    for (const Demand& demand : demands)
        if (demand.kind == DemandKind::impossible ||
            (demand.kind == DemandKind::schema && at(demand.index).kind == JsonKind::boolean &&
             !at(demand.index).truth))
            return true;
    return false;
}

/// The arrays of a case.
RWKV_INLINE Symbol SchemaCompiler::array(const Case& a_case) {
    ArrayForm form;
    unique_items_ = no_value;
    if (!array_form(a_case, form)) return builder_.nothing();
    if (unique_items_ != no_value && form.max > 1) unsupported("uniqueItems", unique_items_);
    const Symbol comma = punctuation(",", true, true);
    const auto count = static_cast<std::uint32_t>(form.first.size());
    Symbol items = builder_.empty();
    if (form.max > count) {
        const Symbol rest = value(form.rest);
        const std::uint32_t min = form.min > count ? form.min - count : 0;
        const std::uint32_t max = form.max == unbounded ? unbounded : form.max - count;
        if (count > 0) {
            items = repeat(join({comma, rest}), min, max);
        } else {
            const Symbol others =
                repeat(join({comma, rest}), min > 0 ? min - 1 : 0, max == unbounded ? unbounded : max - 1);
            items = join({rest, others});
            if (min == 0) items = repeat(items, 0, 1);
        }
    }
    // From the last item to the first: those past the minimum are there with all that follows, or not.
    for (std::uint32_t i = count; i-- > 0;) {
        const Symbol item = value(form.first[i]);
        items = i > 0 ? join({comma, item, items}) : join({item, items});
        if (i >= form.min) items = repeat(items, 0, 1);
        if (i > max_flat_parts) items = as_rule(items);
    }
    return join({punctuation("[", false, true), items, punctuation("]", true, false)});
}

}  // namespace rwkv::inline RWKV_ABI::constraint
