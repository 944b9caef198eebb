#pragma once

#include <cstdint>
#include <string_view>

#include <rwkv/constraint/regex_set.hpp>
#include <rwkv/constraint/spelling.hpp>
#include <rwkv/version.hpp>

namespace rwkv::inline RWKV_ABI::constraint {

/// What of a text an expression has to match.
enum class MatchMode : std::uint8_t {
    whole,  ///< all of it
    search  ///< some part of it, wherever `^` and `$` allow: what `pattern` of JSON Schema asks for
};

// Regular expressions, in what ECMAScript, Python and RE2 have in common:
//
//   a  .  [a-z]  [^a-z]        a character; any but a line terminator; one of a class; one that is not
//   \d \w \s \D \W \S          ASCII digits, letters with digits and _; white space, that of Unicode included
//   \p{L} \p{N} \P{L} \P{N}    letters and numbers of Unicode 16
//   \n \r \t \f \v \0 \xHH \uHHHH \u{H…} \cX, and \ before punctuation
//   (…) (?:…) (?<name>…)       groups
//   a|b   * + ? {n} {n,} {n,m} and these followed by ?, which changes nothing
//   ^ $                        the beginning and the end of the text, where a match can begin or end
//
// Refused by name: look-around, back references, \b, flags, other classes of Unicode, atomic groups.

/// The language of a regular expression over characters, which are written as `spelling` says. `where` is the function
/// in messages, `subject` what the expression is, such as `pattern at #/items`.
/// Throws: ArgumentError with the byte of the expression at fault.
[[nodiscard]] Regex parse_regex(RegexSet& set, std::string_view text, Spelling spelling, MatchMode mode,
                                std::string_view where, std::string_view subject);

}  // namespace rwkv::inline RWKV_ABI::constraint

#ifndef RWKV_COMPILED
#include <rwkv/constraint/regex_syntax.inl>
#endif
