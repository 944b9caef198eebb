#pragma once

#include <cstdint>
#include <string_view>

#include <rwkv/constraint/regex_set.hpp>
#include <rwkv/version.hpp>

namespace rwkv::inline RWKV_ABI::constraint {

/// What is done with a name in `format`.
enum class FormatSupport : std::uint8_t {
    exact,     ///< these are the strings of that format
    narrower,  ///< these are some of them: those that all validators take
    refused,   ///< a draft defines it, and it is not supported
    a_note     ///< no draft defines it: it says nothing of what is valid
};

/// The strings of a format of JSON Schema, as they are within quotes.
[[nodiscard]] FormatSupport format_regex(RegexSet& set, std::string_view name, Regex& regex);

}  // namespace rwkv::inline RWKV_ABI::constraint

#ifndef RWKV_COMPILED
#include <rwkv/constraint/formats.inl>
#endif
