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

/// A message as chat models were taught to read one: lines end in LF, blank lines are left out (to the model they end
/// a turn), and so is white space at both ends.
inline std::string tidy_message(std::string_view message) {
    constexpr std::string_view white = " \t\v\f\r\n";
    std::string tidy;
    while (!message.empty()) {
        // The LF of a CRLF begins a blank line of its own, which is left out.
        const std::string_view line = message.substr(0, message.find_first_of("\r\n"));
        message.remove_prefix(line.size() < message.size() ? line.size() + 1 : line.size());
        if (line.find_first_not_of(white) == line.npos) continue;
        if (!tidy.empty()) tidy += '\n';
        tidy += line;
    }
    tidy.erase(0, tidy.find_first_not_of(white));
    tidy.erase(tidy.find_last_not_of(white) + 1);
    return tidy;
}

/// How a model was taught to tell a user's words from its own. Plain data: a format of one's own is made by filling it
/// in.
struct PromptFormat {
    std::string name;                       ///< what prompt_format() knows it by
    std::string before_message;             ///< the user's part begins with it
    std::string after_message;              ///< and ends with it: the model speaks
    std::string separator;                  ///< between an answer and the next turn
    std::vector<std::string> stop_strings;  ///< end an answer (GenerationOptions::stop_strings)

    /// What is to be read for a message, to be followed by the model's answer. `told` is the text of the conversation
    /// so far, or at least its end, as long as the separator; empty at the beginning.
    std::string prompt(std::string_view message, std::string_view told = {}) const {
        return std::string(missing_separator(told)) + before_message + tidy_message(message) + after_message;
    }

    /// What must follow the text for it to end in the separator: nothing where it does already, all where it ends in no
    /// part of it. Nothing for an empty text: there is no turn to separate from.
    std::string_view missing_separator(std::string_view told) const {
        if (told.empty()) return {};
        const std::string_view whole = separator;
        std::size_t there = whole.size();
        while (!told.ends_with(whole.substr(0, there))) --there;
        return whole.substr(there);
    }
};

/// The formats of RWKV-4's chat models: "raven" (Bob and Alice), "raven-instruct" (one instruction after the other,
/// answers may have blank lines) and "world" (User and Assistant).
inline const std::vector<PromptFormat>& prompt_formats() {
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
inline const PromptFormat& prompt_format(std::string_view name) {
    std::string choices;
    for (const PromptFormat& format : prompt_formats()) {
        if (format.name == name) return format;
        choices += (choices.empty() ? "" : ", ") + format.name;
    }
    core::fail<ArgumentError>("prompt_format", {"name"}, {"one of ", choices}, {core::Quoted{name}});
}

}  // namespace rwkv::inline RWKV_ABI
