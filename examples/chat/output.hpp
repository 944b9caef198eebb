#pragma once

#include <cstddef>
#include <cstdio>
#include <string>
#include <string_view>

#include "../system.hpp"

/// Writes the model's text to standard output.
namespace output {

/// The text without control characters that would drive the terminal; line ends and tabs stay.
inline std::string harmless(std::string_view text) {
    constexpr std::string_view replacement = "\uFFFD";
    std::string result;
    for (std::size_t i = 0; i < text.size(); ++i) {
        const auto byte = static_cast<unsigned char>(text[i]);
        const bool c0 = (byte < 0x20 && byte != '\n' && byte != '\t') || byte == 0x7F;
        const bool c1 = byte == 0xC2 && i + 1 < text.size() && static_cast<unsigned char>(text[i + 1]) < 0xA0;
        i += c1;
        if (c0 || c1) {
            result += replacement;
        } else {
            result += text[i];
        }
    }
    return result;
}

inline bool is_terminal() {
    static const bool answer = terminal::is_terminal(stdout);
    return answer;
}

/// Writes text to standard output: as it is, or harmless where that is a terminal.
inline void print(std::string_view text) {
    const std::string shown = is_terminal() ? harmless(text) : std::string(text);
    std::fwrite(shown.data(), 1, shown.size(), stdout);
}

}  // namespace output
