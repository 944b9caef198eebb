#pragma once

#include <algorithm>
#include <cstddef>
#include <functional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <nlohmann/json.hpp>

#include <rwkv/core/error.hpp>
#include <rwkv/core/quote.hpp>
#include <rwkv/version.hpp>

namespace rwkv::inline RWKV_ABI::io {

/// Called as each member of the top-level object is complete, in the order of the text. Return true to have
/// the value dropped at once, so that a large file never builds a large tree; false keeps it. May throw.
using MemberHook = std::function<bool(const std::string& key, nlohmann::json& value)>;

/// Objects and lists may nest this deep: no deeper than the reference reader of safetensors allows.
inline constexpr std::size_t max_json_depth = 127;

/// So many values may be held at one time: far more than any model's files need, far less than memory.
inline constexpr std::size_t max_json_values = 4'000'000;

/// What a value is, for a message: `the string "x"`, `the number -3`, `a list`.
inline std::string describe(const nlohmann::json& value) {
    using nlohmann::json;
    if (const auto* text = value.get_ptr<const json::string_t*>()) return "the string " + core::quoted(*text);
    if (value.is_number()) return "the number " + value.dump();
    if (value.is_boolean()) return value.dump();
    if (value.is_array()) return value.empty() ? "an empty list" : "a list";
    return value.is_object() ? "an object" : "null";
}

/// The JSON of a string, a number or a truth value. The writers of files join such parts by themselves: a tree of them
/// would ask for memory to be destroyed (see JsonDocument). nlohmann::json::exception for a string that is not UTF-8.
template <class Value>
std::string json_text(const Value& value) {
    return nlohmann::json(value).dump();
}

/// Empties a tree from its leaves up, asking for no memory. What is left can be destroyed without any, too.
inline void dismantle(nlohmann::json& tree) noexcept {
    using nlohmann::json;
    if (auto* list = tree.get_ptr<json::array_t*>()) {
        for (json& item : *list) dismantle(item);
        list->clear();
    } else if (auto* members = tree.get_ptr<json::object_t*>()) {
        for (auto& member : *members) dismantle(member.second);
        members->clear();
    }
}

/// A parsed text. The destructor of a bare nlohmann::json asks for memory, and ends the program where there
/// is none; this one's does not.
class JsonDocument {
  public:
    explicit JsonDocument(nlohmann::json&& value = nullptr) noexcept : root(std::move(value)) {}
    JsonDocument(JsonDocument&& other) noexcept = default;
    JsonDocument& operator=(JsonDocument&& other) = delete;
    JsonDocument(const JsonDocument&) = delete;
    ~JsonDocument() { dismantle(root); }

    nlohmann::json root;
};

namespace detail {

/// Takes the parser's events, builds the tree, and enforces what nlohmann::json does not: unique keys and
/// limits.
class JsonBuilder {
  public:
    using json = nlohmann::json;

    JsonBuilder(const std::string& where, const std::string& subject, const MemberHook& on_member, std::size_t skipped)
        : where_(where), subject_(subject), on_member_(on_member), skipped_(skipped) {}

    bool null() { return leaf(json(nullptr)); }
    bool boolean(bool value) { return leaf(json(value)); }
    bool number_integer(json::number_integer_t value) { return leaf(json(value)); }
    bool number_unsigned(json::number_unsigned_t value) { return leaf(json(value)); }
    bool number_float(json::number_float_t value, const json::string_t&) { return leaf(json(value)); }
    bool string(json::string_t& value) { return leaf(json(std::move(value))); }
    bool binary(json::binary_t&) { return false; }  // never comes from text

    bool start_object(std::size_t) { return open(json::object()); }
    bool start_array(std::size_t) { return open(json::array()); }
    bool end_object() { return close(); }
    bool end_array() { return close(); }

    bool key(json::string_t& name) {
        auto& members = *open_.back()->get_ptr<json::object_t*>();
        const auto [member, is_new] = members.emplace(std::move(name), nullptr);
        if (!is_new) fail("every key once in its object", "the key " + core::quoted(member->first) + " twice");
        place_ = &member->second;
        if (open_.size() == 1) {
            top_key_ = &member->first;
            top_value_ = &member->second;
            values_before_member_ = values_;
        }
        return true;
    }

    /// `position` counts bytes from 1. The parser's own words follow its prefix and end before the text it
    /// quotes, which may be long or not UTF-8.
    bool parse_error(std::size_t position, const std::string&, const json::exception& error) {
        std::string_view reason = error.what();
        if (const auto column = reason.find(", column "); column != reason.npos)
            reason.remove_prefix(std::min(reason.size(), reason.find(": ", column) + 2));
        else if (const auto prefix = reason.find("] "); prefix != reason.npos)
            reason.remove_prefix(prefix + 2);
        reason = reason.substr(0, reason.find("; last read"));
        std::string found;
        for (char c : reason.substr(0, 160)) found.push_back(c >= ' ' && c <= '~' ? c : '?');
        fail("JSON", found + " at byte " + std::to_string(skipped_ + position) + " of the JSON text");
    }

    /// The finished tree, without the members the hook consumed.
    JsonDocument take() {
        if (auto* members = document_.root.get_ptr<json::object_t*>(); members && on_member_)
            for (auto member = members->begin(); member != members->end();)
                member = member->second.is_discarded() ? members->erase(member) : std::next(member);
        return std::move(document_);
    }

  private:
    json* add(json&& value) {
        if (++values_ > max_json_values) fail("at most " + std::to_string(max_json_values) + " JSON values", "more");
        if (open_.empty()) {
            document_.root = std::move(value);
            return &document_.root;
        }
        if (auto* list = open_.back()->get_ptr<json::array_t*>()) {
            list->push_back(std::move(value));
            return &list->back();
        }
        *place_ = std::move(value);
        return place_;
    }

    bool leaf(json&& value) {
        add(std::move(value));
        return complete();
    }

    bool open(json&& value) {
        if (open_.size() >= max_json_depth)
            fail("JSON nested at most " + std::to_string(max_json_depth) + " deep", "more");
        open_.push_back(add(std::move(value)));
        return true;
    }

    bool close() {
        open_.pop_back();
        return complete();
    }

    bool complete() {
        if (!on_member_ || open_.size() != 1 || !document_.root.is_object()) return true;
        if (on_member_(*top_key_, *top_value_)) {
            // The key stays until the end, so that a second one is still noticed.
            dismantle(*top_value_);
            *top_value_ = json(json::value_t::discarded);
            values_ = values_before_member_;
        }
        return true;
    }

    [[noreturn]] void fail(std::string expected, std::string found) const {
        throw FormatError(where_, subject_, std::move(expected), std::move(found));
    }

    const std::string& where_;
    const std::string& subject_;
    const MemberHook& on_member_;
    std::size_t skipped_;  ///< bytes of the text before the part given to the parser
    JsonDocument document_;
    std::vector<json*> open_;  ///< the objects and lists we are inside of, outermost first
    json* place_ = nullptr;    ///< where the value of the key just read goes
    const std::string* top_key_ = nullptr;
    json* top_value_ = nullptr;
    std::size_t values_ = 0;
    std::size_t values_before_member_ = 0;
};

}  // namespace detail

/// Parses one JSON text (RFC 8259), strictly: no byte order mark, NUL byte, comment, NaN or trailing text;
/// valid UTF-8; every key once in its object; at most `max_json_depth` levels and `max_json_values` values.
/// White space around it is fine. `where` and `subject` name the file and its part in messages. Throws
/// FormatError and whatever the hook throws.
inline JsonDocument parse_json(std::string_view text, const std::string& where, const std::string& subject = "",
                               const MemberHook& on_member = {}) {
    constexpr std::string_view white_space = " \t\n\r";
    // The parser takes a NUL byte for the end of the text.
    if (const auto nul = text.find('\0'); nul != text.npos)
        throw FormatError(where, subject, "JSON",
                          "a NUL byte at byte " + std::to_string(nul + 1) + " of the JSON text");
    const std::size_t begin = std::min(text.size(), text.find_first_not_of(white_space));
    const std::size_t end = text.find_last_not_of(white_space) + 1;
    if (begin >= end) throw FormatError(where, subject, "JSON", "nothing");
    // The parser passes over a byte order mark in silence, and keeps a copy of white space it skips.
    const std::string_view body = text.substr(begin, end - begin);
    if (body.starts_with("\xEF\xBB\xBF")) throw FormatError(where, subject, "JSON", "a byte order mark");
    detail::JsonBuilder builder(where, subject, on_member, begin);
    nlohmann::json::sax_parse(body.data(), body.data() + body.size(), &builder);
    return builder.take();
}

}  // namespace rwkv::inline RWKV_ABI::io
