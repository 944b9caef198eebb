#pragma once

#include <cstdint>
#include <string_view>

namespace rwkv::io {

/// The name of an opcode of pickles, for messages: of those that PyTorch writes for a plain state dict, and of others
/// that one is likely to meet. Empty for the rest.
constexpr std::string_view pickle_opcode_name(std::uint8_t opcode) noexcept {
    switch (opcode) {
        case 0x80:
            return "PROTO";
        case '(':
            return "MARK";
        case '.':
            return "STOP";
        case 'c':
            return "GLOBAL";
        case 'q':
            return "BINPUT";
        case 'r':
            return "LONG_BINPUT";
        case 'h':
            return "BINGET";
        case 'j':
            return "LONG_BINGET";
        case ')':
            return "EMPTY_TUPLE";
        case 't':
            return "TUPLE";
        case 0x85:
            return "TUPLE1";
        case 0x86:
            return "TUPLE2";
        case 0x87:
            return "TUPLE3";
        case 'X':
            return "BINUNICODE";
        case 'K':
            return "BININT1";
        case 'M':
            return "BININT2";
        case 'J':
            return "BININT";
        case 0x8a:
            return "LONG1";
        case 'G':
            return "BINFLOAT";
        case 'N':
            return "NONE";
        case 0x88:
            return "NEWTRUE";
        case 0x89:
            return "NEWFALSE";
        case ']':
            return "EMPTY_LIST";
        case 'a':
            return "APPEND";
        case 'e':
            return "APPENDS";
        case '}':
            return "EMPTY_DICT";
        case 's':
            return "SETITEM";
        case 'u':
            return "SETITEMS";
        case 'Q':
            return "BINPERSID";
        case 'R':
            return "REDUCE";
        case 'b':
            return "BUILD";
        case 'i':
            return "INST";
        case 'o':
            return "OBJ";
        case 0x81:
            return "NEWOBJ";
        case 0x92:
            return "NEWOBJ_EX";
        case 0x93:
            return "STACK_GLOBAL";
        case 0x82:
            return "EXT1";
        case 0x83:
            return "EXT2";
        case 0x84:
            return "EXT4";
        case 'U':
            return "SHORT_BINSTRING";
        case 0x8c:
            return "SHORT_BINUNICODE";
        case 0x94:
            return "MEMOIZE";
        case 0x95:
            return "FRAME";
        case 0x8f:
            return "EMPTY_SET";
        default:
            return "";
    }
}

}  // namespace rwkv::io
