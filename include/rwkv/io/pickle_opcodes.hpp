#pragma once

#include <algorithm>
#include <array>
#include <cstdint>
#include <string_view>
#include <utility>

#include <rwkv/version.hpp>

namespace rwkv::inline RWKV_ABI::io {

namespace detail {

/// The opcodes that PyTorch writes for a plain state dict, and others that are common.
inline constexpr std::array<std::pair<std::uint8_t, std::string_view>, 44> pickle_opcodes{{
    {0x80, "PROTO"},
    {'(', "MARK"},
    {'.', "STOP"},
    {'c', "GLOBAL"},
    {'q', "BINPUT"},
    {'r', "LONG_BINPUT"},
    {'h', "BINGET"},
    {'j', "LONG_BINGET"},
    {')', "EMPTY_TUPLE"},
    {'t', "TUPLE"},
    {0x85, "TUPLE1"},
    {0x86, "TUPLE2"},
    {0x87, "TUPLE3"},
    {'X', "BINUNICODE"},
    {'K', "BININT1"},
    {'M', "BININT2"},
    {'J', "BININT"},
    {0x8a, "LONG1"},
    {'G', "BINFLOAT"},
    {'N', "NONE"},
    {0x88, "NEWTRUE"},
    {0x89, "NEWFALSE"},
    {']', "EMPTY_LIST"},
    {'a', "APPEND"},
    {'e', "APPENDS"},
    {'}', "EMPTY_DICT"},
    {'s', "SETITEM"},
    {'u', "SETITEMS"},
    {'Q', "BINPERSID"},
    {'R', "REDUCE"},
    {'b', "BUILD"},
    {'i', "INST"},
    {'o', "OBJ"},
    {0x81, "NEWOBJ"},
    {0x92, "NEWOBJ_EX"},
    {0x93, "STACK_GLOBAL"},
    {0x82, "EXT1"},
    {0x83, "EXT2"},
    {0x84, "EXT4"},
    {'U', "SHORT_BINSTRING"},
    {0x8c, "SHORT_BINUNICODE"},
    {0x94, "MEMOIZE"},
    {0x95, "FRAME"},
    {0x8f, "EMPTY_SET"},
}};

}  // namespace detail

/// The name of an opcode, for messages; empty for one that is not in the table.
[[nodiscard]] constexpr std::string_view pickle_opcode_name(std::uint8_t opcode) noexcept {
    const auto found = std::find_if(detail::pickle_opcodes.begin(), detail::pickle_opcodes.end(),
                                    [&](const auto& each) { return each.first == opcode; });
    return found == detail::pickle_opcodes.end() ? "" : found->second;
}

}  // namespace rwkv::inline RWKV_ABI::io
