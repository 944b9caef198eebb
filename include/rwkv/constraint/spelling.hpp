#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include <rwkv/constraint/regex_set.hpp>
#include <rwkv/version.hpp>

namespace rwkv::inline RWKV_ABI::constraint {

/// How characters are written in a text.
enum class Spelling : std::uint8_t {
    plain,       ///< as UTF-8
    json_string  ///< as between the quotes of a JSON string
};

// In a JSON string every character has one spelling, that of `nlohmann::json::dump` and of most other writers: quote
// and backslash after a backslash, control characters as \b \f \n \r \t or \u001f, all others as they are. So texts
// that differ are strings that differ.

/// A set of characters.
class CharacterSet {
  public:
    /// Adds the characters from `first` to `last`, both included.
    void add(char32_t first, char32_t last) { ranges_.push_back({first, last}); }
    void add(char32_t character) { add(character, character); }
    void add(const CharacterSet& other) { ranges_.insert(ranges_.end(), other.ranges_.begin(), other.ranges_.end()); }
    /// All characters that are not in it.
    CharacterSet complement() const;
    /// One of the characters.
    Regex regex(RegexSet& set, Spelling spelling) const;
    bool operator==(const CharacterSet&) const = default;  ///< whether both were made of the same ranges

  private:
    std::vector<CharacterRange> ranges_;
};

/// Appends text in UTF-8 so spelled.
void append_spelled(std::string& out, std::string_view text, Spelling spelling);

}  // namespace rwkv::inline RWKV_ABI::constraint

#ifndef RWKV_COMPILED
#include <rwkv/constraint/spelling.inl>
#endif
