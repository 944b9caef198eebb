#pragma once

#include <cstddef>
#include <cstdint>
#include <deque>
#include <span>
#include <string>
#include <vector>

#include <rwkv/version.hpp>

namespace rwkv::inline RWKV_ABI::io {

/// The kinds of values in a pickle.
enum class PickleKind : std::uint8_t { none, boolean, integer, real, text, tuple, list, dict, symbol, reference, call };

/// A value of a pickle. The values it holds belong to the same Pickle, may be shared, and may hold each other in a
/// circle, so that a program which follows them needs a limit of depth.
struct PickleValue {
    PickleKind kind = PickleKind::none;
    std::int64_t integer = 0;  ///< of an integer; of a boolean, 0 or 1
    std::string text;          ///< of a text; of a symbol, its module and name with a dot between them
    /// The elements of a tuple or list; the keys (all of them texts) and values of a dict in turn; what a persistent
    /// reference refers to; of a call, the symbol and the tuple of arguments (nothing is ever called).
    std::vector<const PickleValue*> items = {};
};

/// The value of a pickle and all values in it, which stay in place when the Pickle is moved.
struct Pickle {
    Pickle() = default;
    Pickle(Pickle&&) = default;
    Pickle& operator=(Pickle&&) = default;

    std::deque<PickleValue> values;
    const PickleValue* root = nullptr;
};

/// "a list", "an integer"… for a message; a symbol by its name.
[[nodiscard]] std::string describe(const PickleValue& value);

/// The maximum number of values, of values on the stack, and of values in the memo.
inline constexpr std::size_t max_pickle_values = 1'000'000;

/// Reads a pickle (protocol 2) of the opcodes that PyTorch writes for a plain state dict, without executing it: names
/// on a short list become symbols, and calls become values. Memory is in proportion to the bytes, and nothing recurses.
/// Throws FormatError, naming the opcode and its byte, for any other name or opcode.
[[nodiscard]] Pickle parse_pickle(std::span<const std::byte> bytes, const std::string& where);

}  // namespace rwkv::inline RWKV_ABI::io

#ifndef RWKV_COMPILED
#include <rwkv/io/pickle.inl>
#endif
