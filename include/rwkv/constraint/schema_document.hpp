#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <rwkv/text/flat_map.hpp>
#include <rwkv/version.hpp>

namespace rwkv::inline RWKV_ABI::constraint {

/// What a JSON value is.
enum class JsonKind : std::uint8_t { null, boolean, number, string, array, object };

/// A value of a SchemaDocument, by its index there.
using JsonIndex = std::uint32_t;

/// Stands for a value that is not there.
inline constexpr JsonIndex no_value = 0xFFFFFFFFU;

/// One value of a JSON text.
struct JsonValue {
    JsonKind kind = JsonKind::null;
    bool truth = false;                                      ///< of a boolean
    std::string text;                                        ///< of a string, decoded; a number as it is written
    std::vector<std::pair<std::string, JsonIndex>> members;  ///< of an object, in the order of the text; an array's
                                                             ///< have empty names
    JsonIndex parent = no_value;                             ///< the array or object that it lies in
    std::uint32_t position = 0;                              ///< its place there
};

/// A JSON text as a tree that keeps what a schema needs and other trees lose: the order of members, and numbers digit
/// by digit.
class SchemaDocument {
  public:
    /// The nesting that a schema may have.
    static constexpr std::size_t max_nesting = 127;

    /// Parses a text (RFC 8259) strictly: valid UTF-8, every key once in its object, no half of a surrogate pair.
    /// Throws: ArgumentError with the byte at fault; `where` is the function in its message.
    SchemaDocument(std::string_view text, std::string_view where);

    /// The outermost value.
    static constexpr JsonIndex root = 0;

    const JsonValue& operator[](JsonIndex index) const noexcept { return values_[index]; }
    std::size_t size() const noexcept { return values_.size(); }
    /// The member of an object by its name, or `no_value`.
    JsonIndex find(JsonIndex object, std::string_view name) const noexcept;
    /// Where a value lies, as a JSON pointer in a URI's fragment: `#/properties/name`.
    std::string pointer(JsonIndex index) const;
    /// A value for a message: `the string "x"`, `a list`.
    std::string describe(JsonIndex index) const;

  private:
    friend class SchemaReader;
    static std::uint64_t hash(JsonIndex object, std::string_view name) noexcept;

    std::vector<JsonValue> values_;
    text::FlatMap<JsonIndex> names_;  ///< members of objects by their hash; of equal hashes, by the next ones
};

}  // namespace rwkv::inline RWKV_ABI::constraint

#ifndef RWKV_COMPILED
#include <rwkv/constraint/schema_document.inl>
#endif
