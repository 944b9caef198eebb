#pragma once

#include <concepts>
#include <string>
#include <string_view>

#include <rwkv/constraint/constraint.hpp>
#include <rwkv/constraint/json_schema_options.hpp>
#include <rwkv/version.hpp>

namespace rwkv::inline RWKV_ABI {

/// The JSON texts that a JSON schema describes, in the spelling of draft 2020-12, or of draft-07, 06 and 04 where they
/// differ. Members of objects come in the order of the schema, those that it does not name after them; every character
/// of a string has one spelling (quote, backslash and control characters escaped, all others as they are).
///
/// Supported: `type`, `properties`, `required`, `additionalProperties`, `patternProperties`, `propertyNames`,
/// `minProperties`, `maxProperties`, `enum`, `const`, `items`, `prefixItems`, `additionalItems`, `minItems`,
/// `maxItems`, `minLength`, `maxLength`, `pattern`, `format` (date, time, date-time, duration, uuid, email, hostname,
/// ipv4, ipv6, uri; names that no draft has are notes), `minimum`, `maximum`, `exclusiveMinimum`, `exclusiveMaximum`,
/// `multipleOf`, `anyOf`, `oneOf`, `allOf`, `$ref` within the schema, recursion included, and schemas that are true or
/// false. Keywords that only note something are passed over.
///
/// Throws: ArgumentError for a text that is no schema, and for what is not supported (`not`, `if`, `uniqueItems`, …):
/// `subject()` is the keyword and its place as a JSON pointer, "not at #/properties/name". What it returns is never
/// looser than the schema.
[[nodiscard]] Constraint json_schema(std::string_view schema, const JsonSchemaOptions& options = {});

/// Constraint of a schema that was parsed: a nlohmann::json or nlohmann::ordered_json. The former has lost the order of
/// members, which are then in that of the alphabet. Throws: as for a text.
template <class Json>
requires requires(const Json& json) {
    { json.dump() } -> std::same_as<std::string>;
}
[[nodiscard]] Constraint json_schema(const Json& schema, const JsonSchemaOptions& options = {}) {
    return json_schema(std::string_view(schema.dump()), options);
}

/// Any JSON text.
[[nodiscard]] Constraint json(const JsonSchemaOptions& options = {});

/// The texts that a regular expression matches as a whole; what may be in one is in constraint/regex_syntax.hpp.
/// Throws: ArgumentError with the byte of the expression at fault.
[[nodiscard]] Constraint regex(std::string_view expression);

}  // namespace rwkv::inline RWKV_ABI

#ifndef RWKV_COMPILED
#include <rwkv/constraint/json_schema.inl>
#endif
