#pragma once

#include <cstddef>
#include <string>
#include <utility>
#include <vector>

#include "json.hpp"
#include "limits.hpp"

namespace serve {

/// One of a chat.
struct Message {
    enum class Role { system, user, assistant, tool } role = Role::user;
    std::string content = {};
};

namespace detail {

/// The text of a message, which may come in parts.
inline std::string content_of(const Fields& message, const std::string& place) {
    const Json* const content = message.find("content");
    if (!content) {
        const Json* const calls = message.find("tool_calls");
        return calls ? to_text(*calls) : "";
    }
    if (content->is_string()) return content->get<std::string>();
    if (!content->is_array()) message.wrong("content", "a string or an array of parts", *content);
    std::string text;
    for (const Json& part : *content) {
        if (!part.is_object()) message.wrong("content", "objects as parts", part);
        const Fields own(part, place + ".content.");
        const std::string type = own.string("type", "text");
        if (type != "text" && type != "input_text" && type != "refusal")
            throw bad_request(place + ".content: only text can be read, not " + type, place + ".content");
        const char* const name = type == "refusal" ? "refusal" : "text";
        if (!own.find(name)) throw bad_request(place + ".content." + name + ": expected a string, found none", place);
        text += own.string(name);
    }
    return text;
}

inline std::vector<Message> messages(const Fields& fields) {
    const Json* const value = fields.find("messages");
    if (!value) throw bad_request("messages: expected an array of messages, found none", "messages");
    if (!value->is_array() || value->empty()) fields.wrong("messages", "an array of messages, not empty", *value);
    if (value->size() > Limits::max_messages)
        throw bad_request("messages: expected at most " + std::to_string(Limits::max_messages), "messages");
    std::vector<Message> all;
    for (std::size_t i = 0; i < value->size(); ++i) {
        const std::string place = "messages." + std::to_string(i);
        const Json& one = (*value)[i];
        if (!one.is_object()) fields.wrong(place, "an object", one);
        const Fields message(one, place + ".");
        const std::string role = message.string("role");
        Message::Role as = Message::Role::user;
        if (role == "system" || role == "developer")
            as = Message::Role::system;
        else if (role == "assistant")
            as = Message::Role::assistant;
        else if (role == "tool" || role == "function")
            as = Message::Role::tool;
        else if (role != "user")
            message.wrong("role", "system, developer, user, assistant or tool", Json(role));
        all.push_back({as, content_of(message, place)});
    }
    return all;
}

}  // namespace detail

}  // namespace serve
