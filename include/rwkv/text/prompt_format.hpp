#pragma once

#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

#include <rwkv/core/error.hpp>
#include <rwkv/core/message.hpp>
#include <rwkv/core/quote.hpp>
#include <rwkv/version.hpp>

namespace rwkv::inline RWKV_ABI {

/// A message in the form that chat models were trained on: lines end in LF, and there are no blank lines (to the model
/// they end a turn) and no white space at both ends.
[[nodiscard]] inline std::string normalize_message(std::string_view message) {
    constexpr std::string_view white = " \t\v\f\r\n";
    std::string normalized;
    while (!message.empty()) {
        // The LF of a CRLF begins a blank line, which is left out.
        const std::string_view line = message.substr(0, message.find_first_of("\r\n"));
        message.remove_prefix(line.size() < message.size() ? line.size() + 1 : line.size());
        if (line.find_first_not_of(white) == line.npos) continue;
        if (!normalized.empty()) normalized += '\n';
        normalized += line;
    }
    normalized.erase(0, normalized.find_first_not_of(white));
    normalized.erase(normalized.find_last_not_of(white) + 1);
    return normalized;
}

/// The format of conversations that a model was trained on. Plain data: fill it in for a format of your own.
struct PromptFormat {
    std::string name;                       ///< the argument of prompt_format()
    std::string before_message;             ///< begins the part of the user
    std::string after_message;              ///< ends it: the answer of the model follows
    std::string separator;                  ///< between an answer and the next turn
    std::vector<std::string> stop_strings;  ///< end an answer (GenerationOptions::stop_strings)

    /// The prompt for a message, which the answer of the model follows. `history` is the text of the conversation so
    /// far, or at least an end of it as long as the separator; empty at the beginning.
    [[nodiscard]] std::string prompt(std::string_view message, std::string_view history = {}) const {
        return std::string(missing_separator(history)) + before_message + normalize_message(message) + after_message;
    }

    /// What must follow the history for it to end in the separator: the part of the separator that it does not end in.
    /// Empty for an empty history, since there is no turn to separate from.
    [[nodiscard]] std::string_view missing_separator(std::string_view history) const {
        if (history.empty()) return {};
        const std::string_view whole = separator;
        std::size_t there = whole.size();
        while (!history.ends_with(whole.substr(0, there))) --there;
        return whole.substr(there);
    }
};

/// The formats of RWKV-4's chat models: "raven" (Bob and Alice), "raven-instruct" (one instruction after the other,
/// answers may have blank lines) and "world" (User and Assistant).
[[nodiscard]] inline const std::vector<PromptFormat>& prompt_formats() {
    static const std::vector<PromptFormat> formats = {
        {"raven", "Bob: ", "\n\nAlice:", "\n\n", {"\n\n"}},
        {"raven-instruct",
         "Below is an instruction that describes a task. Write a response that appropriately completes the request.\n\n"
         "# Instruction:\n",
         "\n\n# Response:\n",
         "\n\n",
         {"\n\n# Instruction:", "\n# Instruction:"}},
        {"world", "User: ", "\n\nAssistant:", "\n\n", {"\n\n"}},
    };
    return formats;
}

/// The format of that name. Throws ArgumentError, naming the choices, where there is none.
[[nodiscard]] inline const PromptFormat& prompt_format(std::string_view name) {
    std::string choices;
    for (const PromptFormat& format : prompt_formats()) {
        if (format.name == name) return format;
        choices += (choices.empty() ? "" : ", ") + format.name;
    }
    core::fail<ArgumentError>("prompt_format", {"name"}, {"one of ", choices}, {core::Quoted{name}});
}

}  // namespace rwkv::inline RWKV_ABI
