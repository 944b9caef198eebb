#pragma once

#include <string>
#include <string_view>

#include <rwkv/version.hpp>

namespace rwkv::inline RWKV_ABI::core {

/// Text from a file, made fit for a message: between double quotes, with control bytes as \xNN so that a name cannot
/// control the terminal. Text of more than 160 bytes is cut, on a character's boundary, and its length given.
[[nodiscard]] std::string quoted(std::string_view text);

/// `tensor "a.weight"`, the subject of a message.
[[nodiscard]] std::string tensor_subject(std::string_view name);

}  // namespace rwkv::inline RWKV_ABI::core

#ifndef RWKV_COMPILED
#include <rwkv/core/message.inl>
#endif
