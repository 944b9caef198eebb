#pragma once

#include <cmath>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <string>
#include <string_view>
#include <vector>

#include <nlohmann/json.hpp>

#include "api_error.hpp"

namespace serve {

/// Keeps the order of members, which a JSON schema gives to the text.
using Json = nlohmann::ordered_json;

namespace detail {

/// Stops a parser at what would take too long later: deep nesting, and objects of many members, whose order is kept at
/// the price of a linear search.
class SizeCheck {
  public:
    static constexpr std::size_t max_depth = 64, max_members = 4096;

    // What nlohmann's parser calls.
    bool null() { return true; }
    bool boolean(bool) { return true; }
    bool number_integer(std::int64_t) { return true; }
    bool number_unsigned(std::uint64_t) { return true; }
    bool number_float(double, const std::string&) { return true; }
    bool string(std::string&) { return true; }
    bool binary(Json::binary_t&) { return true; }
    bool start_object(std::size_t) { return enter(); }
    bool end_object() { return leave(); }
    bool start_array(std::size_t) { return enter(); }
    bool end_array() { return leave(); }
    bool key(std::string&) {
        if (++members_.back() > max_members)
            throw bad_request("an object of the request has more than " + std::to_string(max_members) + " members");
        return true;
    }
    template <class Exception>
    bool parse_error(std::size_t position, const std::string&, const Exception& error) {
        std::string_view reason = error.what();
        if (const std::size_t end = reason.find("] "); end != reason.npos) reason.remove_prefix(end + 2);
        reason = reason.substr(0, reason.find("; last read"));  // what follows has any length
        throw bad_request("the body is not valid JSON (byte " + std::to_string(position) + "): " + std::string(reason));
    }

  private:
    bool enter() {
        members_.push_back(0);
        if (members_.size() > max_depth)
            throw bad_request("the body is nested more than " + std::to_string(max_depth) + " levels deep");
        return true;
    }
    bool leave() {
        members_.pop_back();
        return true;
    }

    std::vector<std::size_t> members_;  // of the objects around the current place
};

/// What a value is, for messages.
inline std::string describe(const Json& value) {
    if (value.is_object()) return "an object";
    if (value.is_array()) return "an array";
    std::string text = value.dump(-1, ' ', false, Json::error_handler_t::replace);
    constexpr std::size_t max_length = 40;
    if (text.size() > max_length)
        return value.type_name() + std::string(" of ") + std::to_string(text.size()) + " bytes";
    return text;
}

}  // namespace detail

/// Throws: ApiError unless the text is a JSON object, of a size that can be handled.
inline Json parse_object(std::string_view text) {
    detail::SizeCheck check;
    Json::sax_parse(text.begin(), text.end(), &check);
    Json json = Json::parse(text.begin(), text.end(), nullptr, false);
    if (!json.is_object()) throw bad_request("expected a JSON object in the body, found " + detail::describe(json));
    return json;
}

/// JSON of any text: what is not UTF-8 becomes U+FFFD.
inline std::string to_text(const Json& json) {
    return json.dump(-1, ' ', false, Json::error_handler_t::replace);
}

/// Reads the members of an object by their types; one that is absent or null has its default. Throws: ApiError, with
/// the name of the member.
class Fields {
  public:
    /// `object` must outlive this.
    explicit Fields(const Json& object, std::string prefix = {}) : object_(object), prefix_(std::move(prefix)) {}

    /// Null where there is none.
    [[nodiscard]] const Json* find(const char* name) const {
        const auto found = object_.find(name);
        return found == object_.end() || found->is_null() ? nullptr : &*found;
    }
    [[nodiscard]] bool boolean(const char* name, bool otherwise = false) const {
        const Json* const value = find(name);
        if (!value) return otherwise;
        if (!value->is_boolean()) wrong(name, "true or false", *value);
        return value->get<bool>();
    }
    [[nodiscard]] std::string string(const char* name, const std::string& otherwise = {}) const {
        const Json* const value = find(name);
        if (!value) return otherwise;
        if (!value->is_string()) wrong(name, "a string", *value);
        return value->get<std::string>();
    }
    [[nodiscard]] std::int64_t integer(const char* name, std::int64_t otherwise, std::int64_t min,
                                       std::int64_t max) const {
        const Json* const value = find(name);
        if (!value) return otherwise;
        const auto refuse = [&] {
            wrong(name, "an integer from " + std::to_string(min) + " to " + std::to_string(max), *value);
        };
        std::int64_t number = 0;
        if (!to_integer(*value, number) || number < min || number > max) refuse();
        return number;
    }
    [[nodiscard]] float real(const char* name, float otherwise, float min, float max) const {
        const Json* const value = find(name);
        if (!value) return otherwise;
        return real_of(name, *value, min, max);
    }
    [[nodiscard]] float real_of(const char* name, const Json& value, float min, float max) const {
        const double number = value.is_number() ? value.get<double>() : std::numeric_limits<double>::quiet_NaN();
        if (!(number >= static_cast<double>(min) && number <= static_cast<double>(max)))
            wrong(name, "a number from " + Json(min).dump() + " to " + Json(max).dump(), value);
        return static_cast<float>(number);
    }

    /// An integer, also where it is written as 16.0.
    static bool to_integer(const Json& value, std::int64_t& number) {
        if (value.is_number_unsigned()) {
            const auto large = value.get<std::uint64_t>();
            number = static_cast<std::int64_t>(large);
            return number >= 0;
        }
        if (value.is_number_integer()) {
            number = value.get<std::int64_t>();
            return true;
        }
        if (!value.is_number_float()) return false;
        const auto real = value.get<double>();
        constexpr double limit = 9223372036854775808.0;  // 2^63
        if (!(std::fabs(real) < limit) || real != std::floor(real)) return false;
        number = static_cast<std::int64_t>(real);
        return true;
    }

    [[noreturn]] void wrong(const std::string& name, const std::string& expected, const Json& found) const {
        throw bad_request(prefix_ + name + ": expected " + expected + ", found " + detail::describe(found),
                          prefix_ + name);
    }
    [[nodiscard]] std::string name_of(const std::string& name) const { return prefix_ + name; }

  private:
    const Json& object_;
    std::string prefix_;
};

}  // namespace serve
