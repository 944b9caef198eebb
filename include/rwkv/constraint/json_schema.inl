#pragma once

#include <utility>

#include <rwkv/constraint/grammar_builder.hpp>
#include <rwkv/constraint/json_schema.hpp>
#include <rwkv/constraint/regex_syntax.hpp>
#include <rwkv/constraint/schema_compiler.hpp>
#include <rwkv/constraint/schema_document.hpp>
#include <rwkv/core/inline.hpp>

namespace rwkv::inline RWKV_ABI {

RWKV_INLINE Constraint json_schema(std::string_view schema, const JsonSchemaOptions& options) {
    const constraint::SchemaDocument document(schema, "json_schema");
    constraint::GrammarBuilder builder;
    const constraint::Symbol root = constraint::SchemaCompiler(document, options, builder).compile();
    return Constraint(std::move(builder), root, "json_schema", "schema at #");
}

RWKV_INLINE Constraint json(const JsonSchemaOptions& options) {
    return json_schema("true", options);
}

RWKV_INLINE Constraint regex(std::string_view expression) {
    using namespace constraint;
    GrammarBuilder builder;
    const Regex parsed =
        parse_regex(builder.regexes(), expression, Spelling::plain, MatchMode::whole, "regex", "expression");
    const Symbol root = builder.terminal(parsed);
    return Constraint(std::move(builder), root, "regex", "expression");
}

}  // namespace rwkv::inline RWKV_ABI
