#pragma once

#include <string>
#include <utility>

#include "json.hpp"
#include "limits.hpp"

namespace serve {

/// What the text has to match.
struct Format {
    enum class Kind { any, json_schema, grammar, regex } kind = Kind::any;
    std::string source = {};       ///< the schema, the grammar or the expression
    const char* field = "format";  ///< that it came in
};

namespace detail {

/// The format of the text, by any of the names for it, of which one may be given; and the function whose arguments it
/// is, if it is that. Throws: ApiError.
inline Format format_of(const Fields& fields, bool is_chat, std::string& function_name) {
    Format format;
    int given = 0;
    const auto set = [&](const char* name, Format::Kind kind, std::string source) {
        if (++given > 1) throw bad_request(std::string(name) + ": the format of the text is given twice", name);
        if (source.size() > Limits::max_pattern_bytes)
            throw bad_request(std::string(name) + ": expected at most " + std::to_string(Limits::max_pattern_bytes) +
                                  " bytes, found " + std::to_string(source.size()),
                              name);
        format.kind = kind;
        format.source = std::move(source);
        format.field = name;
    };
    const char* const name = "response_format";
    if (const Json* const value = fields.find(name)) {
        if (!value->is_object()) fields.wrong(name, "an object", *value);
        const Fields own(*value, "response_format.");
        const std::string type = own.string("type");
        const Json* const described = own.find("json_schema");
        const Json* schema = nullptr;
        if (described) {
            if (!described->is_object()) own.wrong("json_schema", "an object", *described);
            const Fields inner(*described, "response_format.json_schema.");
            static_cast<void>(inner.string("name"));
            static_cast<void>(inner.boolean("strict"));
            schema = inner.find("schema");
            if (schema && !schema->is_object() && !schema->is_boolean())
                inner.wrong("schema", "a JSON schema", *schema);
        }
        if (type == "json_object") {
            set(name, Format::Kind::json_schema, R"({"type":"object"})");
        } else if (type == "json_schema") {
            if (!described)
                throw bad_request("response_format.json_schema: expected an object, found none",
                                  "response_format.json_schema");
            set(name, Format::Kind::json_schema, schema ? schema->dump() : "true");
        } else if (type != "text" && !type.empty()) {
            own.wrong("type", "text, json_object or json_schema", Json(type));
        }
    }
    if (const std::string grammar = fields.string("grammar"); !grammar.empty())
        set("grammar", Format::Kind::grammar, grammar);
    if (const std::string regex = fields.string("regex"); !regex.empty()) set("regex", Format::Kind::regex, regex);
    if (const Json* const tools = fields.find("tools"); tools && is_chat) {
        if (!tools->is_array()) fields.wrong("tools", "an array", *tools);
        const Json* const choice = fields.find("tool_choice");
        std::string wanted;
        if (choice && choice->is_object()) {
            const Json* const function = Fields(*choice, "tool_choice.").find("function");
            if (function && function->is_object()) wanted = Fields(*function, "tool_choice.function.").string("name");
            if (wanted.empty()) fields.wrong("tool_choice", "an object with the name of a function", *choice);
        } else if (choice && *choice == "required") {
            if (tools->size() != 1) throw not_supported("tool_choice \"required\" with several tools", "tool_choice");
        } else {
            return format;  // auto and none: these models were not trained to call functions, and answer in words
        }
        for (const Json& tool : *tools) {
            const Json* const function = tool.is_object() ? Fields(tool).find("function") : nullptr;
            if (!function || !function->is_object()) fields.wrong("tools", "objects with a function", tool);
            const Fields own(*function, "tools.function.");
            const std::string own_name = own.string("name");
            if (own_name.empty()) throw bad_request("tools.function.name: expected a name", "tools");
            if (!wanted.empty() && own_name != wanted) continue;
            const Json* const parameters = own.find("parameters");
            set("tools", Format::Kind::json_schema, parameters ? parameters->dump() : R"({"type":"object"})");
            function_name = own_name;
            return format;
        }
        throw bad_request("tool_choice: there is no function of that name among the tools", "tool_choice");
    }
    return format;
}

}  // namespace detail

}  // namespace serve
