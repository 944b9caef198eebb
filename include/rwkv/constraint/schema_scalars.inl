#pragma once

#include <algorithm>

#include <rwkv/constraint/formats.hpp>
#include <rwkv/constraint/regex_syntax.hpp>
#include <rwkv/constraint/schema_compiler.hpp>
#include <rwkv/constraint/spelling.hpp>
#include <rwkv/core/inline.hpp>
#include <rwkv/core/message.hpp>

namespace rwkv::inline RWKV_ABI::constraint {

/// The scalars of a case: null, truth values, numbers, strings with their quotes.
RWKV_INLINE Regex SchemaCompiler::scalars(const Case& a_case) {
    std::vector<Regex> parts;
    if (a_case.types & null_type) parts.push_back(regexes_.literal("null"));
    if (a_case.types & boolean_type) {
        parts.push_back(regexes_.literal("true"));
        parts.push_back(regexes_.literal("false"));
    }
    if (a_case.types & number_type) parts.push_back(numbers(a_case));
    if (a_case.types & string_type) parts.push_back(strings(a_case));
    return constants(a_case, regexes_.any_of(parts));
}

/// Of these scalars, those that the constants and enums of a case allow, and that one alternative of each oneOf does.
RWKV_INLINE Regex SchemaCompiler::constants(const Case& a_case, Regex others) {
    std::vector<Regex> conditions;
    std::vector<std::string> texts;
    bool listed = false;
    for (const Demand& demand : a_case.demands) {
        if (demand.kind == DemandKind::scalar_of_one_of) {
            const OneOf& known = one_ofs_[demand.index];
            conditions.push_back(upper_bound_ ? known.upper_bound : known.scalars);
        }
        if (demand.kind != DemandKind::constant && demand.kind != DemandKind::listed_scalar) continue;
        std::vector<std::string> these;
        if (demand.kind == DemandKind::constant) these = spellings(demand.index);
        if (demand.kind == DemandKind::listed_scalar)
            for (const auto& [name, item] : at(demand.index).members)
                for (std::string& text : spellings(item)) these.push_back(std::move(text));
        if (listed) {
            conditions.push_back(regexes_.literals(these));
        } else {
            texts = std::move(these);
            listed = true;
        }
    }
    if (!listed) {
        conditions.push_back(others);
        return regexes_.all_of(conditions);
    }
    std::vector<std::string> allowed;
    for (std::string& text : texts) {
        bool holds = regexes_.matches(others, text);
        for (const Regex condition : conditions) holds = holds && regexes_.matches(condition, text);
        if (holds) allowed.push_back(std::move(text));
    }
    return regexes_.literals(allowed);
}

/// The ways to write a scalar; none for an array or object. A number is written without an exponent and without zeros
/// at its end, or as the schema writes it.
RWKV_INLINE std::vector<std::string> SchemaCompiler::spellings(JsonIndex scalar) {
    const JsonValue& value = at(scalar);
    if (value.kind == JsonKind::null) return {"null"};
    if (value.kind == JsonKind::boolean) return {value.truth ? "true" : "false"};
    if (value.kind == JsonKind::string) return {quoted(value.text)};
    if (value.kind != JsonKind::number) return {};
    const Decimal number(value.text);
    if (!number.is_plain())
        refuse("number", scalar, {"at most ", Decimal::max_digits, " digits"}, {document_.describe(scalar)});
    const std::string plain = number.text();
    return plain == value.text ? std::vector{plain} : std::vector{plain, value.text};
}

RWKV_INLINE std::string SchemaCompiler::quoted(std::string_view text) {
    std::string result = "\"";
    append_spelled(result, text, Spelling::json_string);
    return result + '"';
}

RWKV_INLINE Regex SchemaCompiler::numbers(const Case& a_case) {
    NumberRange range;
    std::vector<Regex> conditions;
    for (const Demand& demand : a_case.demands) {
        if (demand.kind != DemandKind::own_keywords) continue;
        const auto number = [&](std::string_view keyword, JsonIndex& place) {
            place = document_.find(demand.index, keyword);
            if (place == no_value) return false;
            if (at(place).kind != JsonKind::number)
                refuse(keyword, demand.index, {"a number"}, {document_.describe(place)});
            if (!Decimal(at(place).text).is_plain())
                refuse(keyword, demand.index, {"a number of at most ", Decimal::max_digits, " digits"},
                       {document_.describe(place)});
            return true;
        };
        // In draft 4, the exclusive ones are true or false, and belong to minimum and maximum.
        const auto is_flag = [&](std::string_view keyword, bool& flag) {
            const JsonIndex place = document_.find(demand.index, keyword);
            if (place == no_value || at(place).kind != JsonKind::boolean) return false;
            flag = at(place).truth;
            return true;
        };
        bool excludes_minimum = false, excludes_maximum = false;
        JsonIndex place = no_value;
        const bool minimum_flag = is_flag("exclusiveMinimum", excludes_minimum);
        const bool maximum_flag = is_flag("exclusiveMaximum", excludes_maximum);
        if (number("minimum", place)) range.at_least(Decimal(at(place).text), excludes_minimum);
        if (number("maximum", place)) range.at_most(Decimal(at(place).text), excludes_maximum);
        if (!minimum_flag && number("exclusiveMinimum", place)) range.at_least(Decimal(at(place).text), true);
        if (!maximum_flag && number("exclusiveMaximum", place)) range.at_most(Decimal(at(place).text), true);
        if (!number("multipleOf", place)) continue;
        const Decimal divisor(at(place).text);
        if (divisor.is_zero() || divisor.is_negative())
            refuse("multipleOf", demand.index, {"a number above zero"}, {document_.describe(place)});
        const Regex multiples = multiples_regex(regexes_, divisor);
        if (multiples == Regex::nothing)
            refuse("multipleOf", demand.index, {"a number of at most 16 digits"}, {document_.describe(place)});
        conditions.push_back(multiples);
    }
    if (a_case.integers_only) conditions.push_back(integer_regex(regexes_));
    if (conditions.empty() || range.has_minimum || range.has_maximum)
        conditions.push_back(number_range_regex(regexes_, range));
    return regexes_.all_of(conditions);
}

/// All strings, with their quotes.
RWKV_INLINE Regex SchemaCompiler::any_string() {
    if (any_string_ == Regex::nothing) {
        CharacterSet all;
        all.add(0, 0x10FFFF);
        const Regex characters = regexes_.star(all.regex(regexes_, Spelling::json_string));
        any_string_ = regexes_.concat({regexes_.literal("\""), characters, regexes_.literal("\"")});
    }
    return any_string_;
}

/// The strings, without quotes, in which an expression matches somewhere.
RWKV_INLINE Regex SchemaCompiler::pattern(JsonIndex schema, const std::string& expression) {
    const auto known = patterns_.find(expression);
    if (known != patterns_.end()) return known->second;
    const std::string subject = "pattern at " + document_.pointer(schema);
    const Regex parsed =
        parse_regex(regexes_, expression, Spelling::json_string, MatchMode::search, "json_schema", subject);
    patterns_.emplace(expression, parsed);
    return parsed;
}

RWKV_INLINE Regex SchemaCompiler::strings(const Case& a_case) {
    std::vector<Regex> conditions;
    std::uint32_t min = 0, max = unbounded;
    for (const Demand& demand : a_case.demands) {
        JsonIndex found = no_value;
        if (is_schema_demand(demand, "minLength", found)) min = (std::max)(min, count_of(found, "minLength"));
        if (is_schema_demand(demand, "maxLength", found)) max = (std::min)(max, count_of(found, "maxLength"));
        if (is_schema_demand(demand, "pattern", found)) {
            if (at(found).kind != JsonKind::string)
                refuse("pattern", demand.index, {"a string"}, {document_.describe(found)});
            conditions.push_back(pattern(demand.index, at(found).text));
        }
        if (is_schema_demand(demand, "format", found)) {
            if (at(found).kind != JsonKind::string)
                refuse("format", demand.index, {"a string"}, {document_.describe(found)});
            Regex format{};
            const FormatSupport support = format_regex(regexes_, at(found).text, format);
            if (support == FormatSupport::refused)
                refuse("format", demand.index,
                       {"date, time, date-time, duration, uuid, email, hostname, ipv4, ipv6 or uri"},
                       {document_.describe(found)});
            if (support == FormatSupport::exact || (support == FormatSupport::narrower && !upper_bound_))
                conditions.push_back(format);
        }
    }
    // Until draft 7, a validator might take these for more than notes.
    if (references_.ref_stands_alone())
        for (const Demand& demand : a_case.demands)
            for (const std::string_view keyword : {"contentEncoding", "contentMediaType"})
                if (JsonIndex found; is_schema_demand(demand, keyword, found)) unsupported(keyword, demand.index);
    if (min == unbounded) return Regex::nothing;
    if (conditions.empty() && min == 0 && max == unbounded) return any_string();
    if (min > 0 || max != unbounded || conditions.empty()) {
        CharacterSet all;
        all.add(0, 0x10FFFF);
        conditions.push_back(regexes_.repeat(all.regex(regexes_, Spelling::json_string), min, max));
    }
    const Regex quote = regexes_.literal("\"");
    return regexes_.concat({quote, regexes_.all_of(conditions), quote});
}

}  // namespace rwkv::inline RWKV_ABI::constraint
