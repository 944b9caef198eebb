#pragma once

#include <algorithm>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include <rwkv/text/prompt_format.hpp>

#include "request.hpp"

namespace serve {

/// How the messages of a chat become a text: the format of a chat model, or `plain`, which writes no names and is for
/// models that were trained on text alone.
inline rwkv::PromptFormat chat_format(std::string_view name) {
    if (name == "plain") return {"plain", "", "", "\n\n", {}};
    return rwkv::prompt_format(name);
}

/// The names that `chat_format` takes.
inline std::vector<std::string> chat_format_names() {
    std::vector<std::string> names;
    for (const rwkv::PromptFormat& format : rwkv::prompt_formats()) names.push_back(format.name);
    names.push_back("plain");
    return names;
}

/// The prompt for messages. `history` is the text before them, or an end of it; empty at the beginning. A last message
/// of the assistant is the beginning of the answer.
inline std::string chat_prompt(const rwkv::PromptFormat& format, std::span<const Message> messages,
                               std::string_view history = {}) {
    const bool is_plain = format.after_message.empty();
    // What stands before an answer that follows no question: "Alice:" of "\n\nAlice:".
    const std::string_view answer =
        std::string_view(format.after_message)
            .substr(std::min(format.after_message.find_first_not_of('\n'), format.after_message.size()));
    const bool has_space = answer.ends_with(':');
    std::string text;
    bool is_asked = false;  // the answer may follow at once
    for (const Message& message : messages) {
        const std::string content = rwkv::normalize_message(message.content);
        const std::string_view before = text.empty() ? history : std::string_view(text);
        if (is_plain) {
            text += std::string(format.missing_separator(before)) + message.content;
        } else if (message.role == Message::Role::system) {
            if (!content.empty()) text += std::string(format.missing_separator(before)) + content;
            is_asked = false;
        } else if (message.role == Message::Role::assistant) {
            if (!is_asked) text += std::string(format.missing_separator(before)) + std::string(answer);
            if (has_space && !content.empty()) text += ' ';
            text += content;
            is_asked = false;
        } else {
            text += format.prompt(content, before);
            is_asked = true;
        }
    }
    const bool continues = messages.back().role == Message::Role::assistant;
    if (!is_plain && !is_asked && !continues)
        text += std::string(format.missing_separator(text.empty() ? history : std::string_view(text))) +
                std::string(answer);
    return text;
}

}  // namespace serve
