#pragma once

#include <algorithm>
#include <cstdint>
#include <iterator>
#include <vector>

#include <rwkv/core/error.hpp>
#include <rwkv/core/inline.hpp>
#include <rwkv/core/message.hpp>
#include <rwkv/core/quote.hpp>
#include <rwkv/core/utf8.hpp>
#include <rwkv/io/file_kind.hpp>
#include <rwkv/io/json.hpp>
#include <rwkv/version.hpp>

namespace rwkv::inline RWKV_ABI::io {

RWKV_INLINE std::string describe(const nlohmann::json& value) {
    using nlohmann::json;
    if (const auto* text = value.get_ptr<const json::string_t*>()) return "the string " + core::quoted(*text);
    if (const auto* number = value.get_ptr<const json::number_unsigned_t*>()) return "the number " + json_text(*number);
    if (const auto* number = value.get_ptr<const json::number_integer_t*>()) return "the number " + json_text(*number);
    if (const auto* number = value.get_ptr<const json::number_float_t*>()) return "the number " + json_text(*number);
    if (const auto* boolean = value.get_ptr<const json::boolean_t*>()) return json_text(*boolean);
    if (value.is_array()) return value.empty() ? "an empty list" : "a list";
    return value.is_object() ? "an object" : "null";
}

RWKV_INLINE std::string json_text(std::string_view text) {
    if (const std::size_t at = core::find_invalid_utf8(text); at != text.npos)
        core::fail<ArgumentError>("json_text", {"text"}, {"valid UTF-8"}, {"another byte at ", at});
    constexpr std::string_view hex = "0123456789abcdef", escaped = "\"\\\b\f\n\r\t", letters = "\"\\bfnrt";
    std::string json = "\"";
    for (const char c : text) {
        if (const auto known = escaped.find(c); known != escaped.npos)
            json.append(1, '\\').append(1, letters[known]);
        else if (static_cast<unsigned char>(c) < 0x20)
            json.append("\\u00").append(1, hex[static_cast<unsigned>(c) >> 4U]).append(1, hex[c & 15]);
        else
            json.push_back(c);
    }
    return json.append(1, '"');
}

RWKV_INLINE void dismantle(nlohmann::json& tree) noexcept {
    using nlohmann::json;
    if (auto* list = tree.get_ptr<json::array_t*>()) {
        for (json& item : *list) dismantle(item);
        list->clear();
    } else if (auto* members = tree.get_ptr<json::object_t*>()) {
        for (auto& member : *members) dismantle(member.second);
        members->clear();
    }
}

namespace detail {

/// Receives the events of the parser, builds the tree, and checks what nlohmann::json does not: unique keys and
/// limits.
template <class = nlohmann::json>
class JsonBuilder {
  public:
    using json = nlohmann::json;

    JsonBuilder(const std::string& where, const std::string& subject, const MemberHook& on_member, std::size_t skipped)
        : where_(where), subject_(subject), on_member_(on_member), skipped_(skipped) {}

    bool null() {
        add(json());
        return complete();
    }
    bool boolean(bool value) { return leaf(json::value_t::boolean, value); }
    bool number_integer(json::number_integer_t value) { return leaf(json::value_t::number_integer, value); }
    bool number_unsigned(json::number_unsigned_t value) { return leaf(json::value_t::number_unsigned, value); }
    bool number_float(json::number_float_t value, const json::string_t&) {
        return leaf(json::value_t::number_float, value);
    }
    bool string(json::string_t& value) { return leaf(json::value_t::string, std::move(value)); }
    bool binary(json::binary_t&) { return false; }  // never comes from text

    bool start_object(std::size_t) { return open(json(json::value_t::object)); }
    bool start_array(std::size_t) { return open(json(json::value_t::array)); }
    bool end_object() { return close(); }
    bool end_array() { return close(); }

    bool key(json::string_t& name) {
        auto& members = *open_.back()->get_ptr<json::object_t*>();
        const auto [member, is_new] = members.try_emplace(std::move(name));
        if (!is_new) fail({"every key once in its object"}, {"the key ", core::Quoted{member->first}, " twice"});
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
            reason.remove_prefix((std::min)(reason.size(), reason.find(": ", column) + 2));
        else if (const auto prefix = reason.find("] "); prefix != reason.npos)
            reason.remove_prefix(prefix + 2);
        reason = reason.substr(0, reason.find("; last read"));
        std::string found;
        for (char c : reason.substr(0, 160)) found.push_back(c >= ' ' && c <= '~' ? c : '?');
        fail({"JSON"}, {found, " at byte ", skipped_ + position, " of the JSON text"});
        return false;  // gcc does not see that this is not reached
    }

    /// The finished tree, without the members the hook dropped.
    JsonDocument take() {
        if (auto* members = document_.root.get_ptr<json::object_t*>(); members && on_member_)
            for (auto member = members->begin(); member != members->end();)
                member = member->second.is_discarded() ? members->erase(member) : std::next(member);
        return std::move(document_);
    }

  private:
    json* add(json&& value) {
        if (++values_ > max_json_values) fail({"at most ", max_json_values, " JSON values"}, {"more"});
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

    /// The constructors of json from values are templates that take a compiler longer.
    template <class Value>
    bool leaf(json::value_t type, Value value) {
        *add(json(type))->template get_ptr<Value*>() = std::move(value);
        return complete();
    }

    bool open(json&& value) {
        if (open_.size() >= max_json_depth) fail({"JSON nested at most ", max_json_depth, " deep"}, {"more"});
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

    [[noreturn]] void fail(core::MessageParts expected, core::MessageParts found) const {
        core::fail<FormatError>(where_, {subject_}, expected, found);
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

RWKV_INLINE JsonDocument parse_json(std::string_view text, const std::string& where, const std::string& subject,
                                    const MemberHook& on_member) {
    constexpr std::string_view white_space = " \t\n\r";
    const auto refuse = [&](core::MessageParts found) { core::fail<FormatError>(where, {subject}, {"JSON"}, found); };
    if (const std::string_view kind = file_kind(text.substr(0, 64)); !kind.empty()) refuse({kind});
    if (text.starts_with("\xFF\xFE") || text.starts_with("\xFE\xFF")) refuse({"UTF-16: save it as UTF-8"});
    // The parser takes a NUL byte for the end of the text.
    if (const auto nul = text.find('\0'); nul != text.npos)
        refuse({"a NUL byte at byte ", nul + 1, " of the JSON text"});
    const std::size_t begin = (std::min)(text.size(), text.find_first_not_of(white_space));
    const std::size_t end = text.find_last_not_of(white_space) + 1;
    if (begin >= end) refuse({"nothing"});
    // The parser passes over a byte order mark in silence, and keeps a copy of white space it skips.
    const std::string_view body = text.substr(begin, end - begin);
    if (body.starts_with("\xEF\xBB\xBF")) refuse({"a byte order mark"});
    detail::JsonBuilder<> builder(where, subject, on_member, begin);
    // What json::sax_parse does with JSON. That function would make the compiler translate the readers of CBOR,
    // MessagePack, UBJSON and BSON for our class, too, which takes longer than all the rest of this file.
    auto input = nlohmann::detail::input_adapter(body.data(), body.data() + body.size());
    nlohmann::detail::parser<nlohmann::json, decltype(input)>(std::move(input)).sax_parse(&builder);
    return builder.take();
}

}  // namespace rwkv::inline RWKV_ABI::io
