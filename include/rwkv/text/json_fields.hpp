#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <initializer_list>
#include <string>
#include <string_view>
#include <vector>

#include <nlohmann/json.hpp>

#include <rwkv/core/error.hpp>
#include <rwkv/core/message.hpp>
#include <rwkv/core/quote.hpp>
#include <rwkv/core/tensor.hpp>
#include <rwkv/core/utf8.hpp>
#include <rwkv/version.hpp>

namespace rwkv::inline RWKV_ABI::text::json_detail {

/// The largest id that is accepted: far more than any vocabulary has, few enough for a table of all.
inline constexpr TokenId largest_id = 0xFFFFF;

/// Reads the fields of a parsed tokenizer.json. Errors name the field and what was expected: FormatError if the file is
/// not a tokenizer, ModelError for features that this library does not support. (The parameter: see BasicJsonDocument.)
template <class = nlohmann::json>
class JsonFields {
  protected:
    using json = nlohmann::json;

    explicit JsonFields(const std::string& where) : where_(where) {}

    [[noreturn]] void malformed(std::string_view subject, core::MessageParts expected, const json& found) const {
        core::fail<FormatError>(where_, {subject}, expected, {describe(found)});
    }
    [[noreturn]] void unsupported(std::string_view subject, std::string_view expected, const json& found) const {
        core::fail<ModelError>(where_, {subject}, {expected, " (nothing else is supported)"}, {describe(found)});
    }
    [[noreturn]] void unknown_field(std::string_view subject, std::string_view key) const {
        core::fail<ModelError>(where_, {subject}, {"only fields this library knows"}, {core::Quoted{key}});
    }

    static std::string describe(const json& value) {
        if (const auto* text = value.get_ptr<const json::string_t*>()) return core::quoted(*text);
        if (const auto* number = value.get_ptr<const json::number_unsigned_t*>()) return core::join({*number});
        if (const auto* number = value.get_ptr<const json::number_integer_t*>()) return core::join({*number});
        if (const auto* number = value.get_ptr<const json::number_float_t*>()) return core::join({*number});
        if (const auto* boolean = value.get_ptr<const json::boolean_t*>()) return *boolean ? "true" : "false";
        return value.is_object() ? "an object" : value.is_array() ? "a list" : "null";
    }

    /// Whether the value is that string. (The operator== of json makes a copy, and ends the program where there is no
    /// memory for one.)
    static bool is(const json& value, std::string_view text) {
        const auto* string = value.get_ptr<const json::string_t*>();
        return string && *string == text;
    }

    static const json& nothing() {
        static const json null;
        return null;
    }
    static const json& optional(const json& object, const char* key) {
        const auto member = object.find(key);
        return member == object.end() ? nothing() : *member;
    }
    static std::string path(const std::string& parent, const std::string& key) {
        return parent.empty() ? key : parent + "." + key;
    }

    const json& at(const json& object, const std::string& subject, const char* key) const {
        const auto member = object.find(key);
        if (member == object.end()) core::fail<FormatError>(where_, {path(subject, key)}, {"a value"}, {"nothing"});
        return *member;
    }
    const json::object_t& object(const json& value, std::string_view subject) const {
        const auto* members = value.get_ptr<const json::object_t*>();
        if (!members) malformed(subject, {"an object"}, value);
        return *members;
    }
    const json::array_t& list(const json& value, std::string_view subject) const {
        const auto* items = value.get_ptr<const json::array_t*>();
        if (!items) malformed(subject, {"a list"}, value);
        return *items;
    }
    /// Refuses fields that this library does not know, unless they are off.
    void allow_only(const json& value, std::string_view subject, std::initializer_list<std::string_view> keys) const {
        for (const auto& [key, member] : object(value, subject)) {
            const auto* on = member.template get_ptr<const json::boolean_t*>();
            const bool is_off = member.is_null() || (on && !*on);
            if (!is_off && std::find(keys.begin(), keys.end(), key) == keys.end()) unknown_field(subject, key);
        }
    }
    bool boolean(const json& value, std::string_view subject) const {
        const auto* boolean = value.get_ptr<const json::boolean_t*>();
        if (!boolean) malformed(subject, {"true or false"}, value);
        return *boolean;
    }
    const std::string& string(const json& value, std::string_view subject) const {
        const auto* text = value.get_ptr<const json::string_t*>();
        if (!text || core::find_invalid_utf8(*text) != std::string_view::npos) malformed(subject, {"a string"}, value);
        return *text;
    }
    TokenId id(const json& value, std::string_view subject) const {
        // The parser makes numbers unsigned where they can be; those that a program made may not be.
        const auto* integer = value.get_ptr<const json::number_integer_t*>();
        const auto* natural = value.get_ptr<const json::number_unsigned_t*>();
        const bool fits =
            natural ? *natural <= std::uint64_t{largest_id} : integer && *integer >= 0 && *integer <= largest_id;
        if (!fits) malformed(subject, {"an id from 0 to ", largest_id}, value);
        return natural ? static_cast<TokenId>(*natural) : static_cast<TokenId>(*integer);
    }

    /// A component of the tokenizer, or one of those that a Sequence joins.
    struct Step {
        const json& value;
        std::string subject;  ///< "post_processor.processors[1]"
        const json& type;
    };

    /// The steps of a component: itself, or, of a Sequence, those of its members, which `members` names.
    std::vector<Step> steps(const json& value, const std::string& subject, const char* members) const {
        std::vector<Step> all;
        add_steps(all, value, subject, members);
        return all;
    }
    void add_steps(std::vector<Step>& all, const json& value, const std::string& subject, const char* members) const {
        if (value.is_null()) unsupported(subject, "ByteLevel", value);
        object(value, subject);
        const json& type = at(value, subject, "type");
        if (!is(type, "Sequence")) return all.push_back({value, subject, type});
        allow_only(value, subject, {"type", members});
        const std::string list_subject = path(subject, members);
        const json::array_t& items = list(at(value, subject, members), list_subject);
        for (std::size_t i = 0; i < items.size(); ++i)
            add_steps(all, items[i], core::join({list_subject, "[", i, "]"}), members);
    }

    void require_type(const Step& step, std::string_view wanted) const {
        if (!is(step.type, wanted)) unsupported(path(step.subject, "type"), wanted, step.type);
    }

    const std::string& where_;
};

}  // namespace rwkv::inline RWKV_ABI::text::json_detail
