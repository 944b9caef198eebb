#pragma once

#include <cstddef>
#include <cstdint>
#include <deque>
#include <span>
#include <string>
#include <vector>

#include <rwkv/version.hpp>

namespace rwkv::inline RWKV_ABI::io {

/// What a pickle can hold.
enum class PickleKind : std::uint8_t { none, boolean, integer, real, text, tuple, list, dict, symbol, reference, call };

/// A value of a pickle. Those it holds belong to the same Pickle, may be shared, and may hold each other in a circle:
/// whoever follows them must know how deep to go.
struct PickleValue {
    PickleKind kind = PickleKind::none;
    std::int64_t integer = 0;  ///< an integer; a boolean, 0 or 1
    std::string text;          ///< a text; a symbol's module and name, with a dot between them
    /// The elements of a tuple or list; a dict's keys, all of them texts, and values by turns; what a persistent
    /// reference refers to; a symbol and the tuple of arguments that a program would call it with (nothing here does).
    std::vector<const PickleValue*> items = {};
};

/// A pickle's value and all that is in it. Moved, the values stay where they are.
struct Pickle {
    Pickle() = default;
    Pickle(Pickle&&) = default;
    Pickle& operator=(Pickle&&) = default;

    std::deque<PickleValue> values;
    const PickleValue* root = nullptr;
};

/// "a list", "an integer"… for a message; a symbol by its name.
[[nodiscard]] std::string describe(const PickleValue& value);

/// Values made, values on the stack and values remembered: a pickle that asks for more is refused.
inline constexpr std::size_t max_pickle_values = 1'000'000;

/// Reads a pickle (protocol 2) made of the instructions that PyTorch writes for a plain state dict, without doing what
/// it says: names on a short list become symbols, calls become values, any other name or instruction is a FormatError
/// that says which, at what byte. Memory stays in proportion to the bytes; nothing recurses.
[[nodiscard]] Pickle parse_pickle(std::span<const std::byte> bytes, const std::string& where);

}  // namespace rwkv::inline RWKV_ABI::io

#ifndef RWKV_COMPILED
#include <rwkv/io/pickle.inl>
#endif
