#pragma once

#include <cerrno>
#include <charconv>
#include <cmath>
#include <concepts>
#include <cstdio>
#include <cstdlib>
#include <limits>
#include <string>
#include <string_view>
#include <system_error>

#include <CLI/CLI.hpp>

// Numbers as people type them. CLI11 takes the nearest number for one that is out of range, 010 for eight and,
// unsigned, −1 for the largest number of all; here each of these is a wrong command line.

namespace numbers {

/// Reads a decimal integer; false unless the text is one, all of it, that the type has.
template <std::integral Number>
bool parse(const std::string& text, Number& number) {
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
    return error == std::errc() && end == text.data() + text.size();
}

/// Reads a decimal number, or inf or -inf; false unless the text is one, all of it, that the type has. (Not by
/// std::from_chars, which some libraries still lack for these.)
template <std::floating_point Number>
bool parse(const std::string& text, Number& number) {
    const bool infinite = text == "inf" || text == "-inf";
    if (text.empty() || (!infinite && text.find_first_not_of("0123456789.+-eE") != text.npos)) return false;
    char* end = nullptr;
    const Number value = [&] {
        if constexpr (std::same_as<Number, float>)
            return std::strtof(text.c_str(), &end);
        else
            return std::strtod(text.c_str(), &end);
    }();
    if (end != text.c_str() + text.size() || (!infinite && !std::isfinite(value))) return false;
    number = value;
    return true;
}

/// "an integer from 0 to 65536"
template <std::integral Number>
std::string description(Number min, Number max) {
    return "an integer from " + std::to_string(min) + " to " + std::to_string(max);
}

/// The long one of an option's names: "--max-new-tokens" of "-n,--max-new-tokens".
inline std::string long_name(const std::string& names) {
    return names.substr(names.rfind(',') + 1);
}

/// Reads the argument of an option. Throws: CLI::ValidationError, with the option's name and range.
template <std::integral Number>
Number parse_argument(const std::string& option, const std::string& text, Number min, Number max) {
    Number number{};
    if (!parse(text, number) || number < min || number > max)
        throw CLI::ValidationError(option, "expected " + description(min, max) + ", found " + text);
    return number;
}

/// Adds an option that takes an integer from `min` to `max`.
template <std::integral Number>
CLI::Option* add_integer(CLI::App& app, const std::string& names, Number& value, Number min, Number max,
                         const std::string& help) {
    return app
        .add_option_function<std::string>(
            names,
            [&value, option = long_name(names), min, max](const std::string& text) {
                value = parse_argument(option, text, min, max);
            },
            help)
        ->type_name("N")
        ->default_str(std::to_string(value));
}

/// Adds an option that takes a real number.
inline CLI::Option* add_real(CLI::App& app, const std::string& names, float& value, const std::string& help) {
    char text[32];
    std::snprintf(text, sizeof text, "%g", static_cast<double>(value));
    return app
        .add_option_function<std::string>(
            names,
            [&value, option = long_name(names)](const std::string& word) {
                if (!parse(word, value)) throw CLI::ValidationError(option, "expected a number, found " + word);
            },
            help)
        ->default_str(text);
}

}  // namespace numbers
