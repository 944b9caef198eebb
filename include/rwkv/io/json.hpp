#pragma once

#include <charconv>
#include <concepts>
#include <cstddef>
#include <functional>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>

#include <nlohmann/json.hpp>

#include <rwkv/version.hpp>

namespace rwkv::inline RWKV_ABI::io {

/// Called for each member of the outermost object once it is complete, in the order of the text. Return true to drop
/// the value at once, so that a large file never builds a large tree; false keeps it. May throw.
using MemberHook = std::function<bool(const std::string& key, nlohmann::json& value)>;

/// The maximum depth of nested objects and lists, which is that of the reference reader of safetensors.
inline constexpr std::size_t max_json_depth = 127;

/// The maximum number of values held at one time: far more than the files of any model need, far less than memory.
inline constexpr std::size_t max_json_values = 4'000'000;

/// What a value is, for a message: `the string "x"`, `the number -3`, `a list`.
[[nodiscard]] std::string describe(const nlohmann::json& value);

/// The JSON of a string. The writers of files join such parts by themselves, since the destructor of a tree allocates
/// memory (see JsonDocument). Throws ArgumentError where the string is not UTF-8.
[[nodiscard]] std::string json_text(std::string_view text);

/// The JSON of a finite number or a truth value, such that a reader gets the same value, of the same type.
template <class Value>
requires std::is_arithmetic_v<Value>
[[nodiscard]] std::string json_text(Value value) {
    char digits[32];
    char* const last = digits + sizeof digits;
    if constexpr (std::same_as<Value, bool>) {
        return value ? "true" : "false";
    } else if constexpr (std::integral<Value>) {
        return {digits, std::to_chars(digits, last, value).ptr};
    } else {
        const std::string text(digits, std::to_chars(digits, last, value, std::chars_format::general).ptr);
        return text.find_first_of(".e") == text.npos ? text + ".0" : text;
    }
}

/// Empties a tree from its leaves up without allocating memory. The destructor of what is left allocates none either.
void dismantle(nlohmann::json& tree) noexcept;

/// A parsed text. The destructor of a nlohmann::json allocates memory, and ends the program where there is none; the
/// destructor of this class does not.
///
/// nlohmann::json has another layout, and another name, where JSON_DIAGNOSTICS is set. As a parameter it makes the
/// names of classes that hold one differ, too, so that the source files of a program may differ in it.
template <class = nlohmann::json>
class BasicJsonDocument {
  public:
    explicit BasicJsonDocument(nlohmann::json&& value = nullptr) noexcept : root(std::move(value)) {}
    BasicJsonDocument(BasicJsonDocument&& other) noexcept = default;
    BasicJsonDocument& operator=(BasicJsonDocument&& other) = delete;
    BasicJsonDocument(const BasicJsonDocument&) = delete;
    ~BasicJsonDocument() { dismantle(root); }

    nlohmann::json root;
};
using JsonDocument = BasicJsonDocument<>;

/// Parses one JSON text (RFC 8259), strictly: no byte order mark, NUL byte, comment, NaN or trailing text;
/// valid UTF-8; every key once in its object; at most `max_json_depth` levels and `max_json_values` values.
/// White space around it is fine. `where` and `subject` name the file and its part in messages.
///
/// Throws: FormatError, and whatever the hook throws. Thread safety: any number of threads may call it.
JsonDocument parse_json(std::string_view text, const std::string& where, const std::string& subject = "",
                        const MemberHook& on_member = {});

}  // namespace rwkv::inline RWKV_ABI::io

#ifndef RWKV_COMPILED
#include <rwkv/io/json.inl>
#endif
