#pragma once

#include <cstdint>
#include <functional>
#include <string_view>

#include <rwkv/version.hpp>

namespace rwkv::inline RWKV_ABI {

/// Told of long work as it goes on: what is being done ("loading", "prompt"), and how much of how much. Units are
/// the work's own (bytes, tokens). Called from the thread that asked for the work; throwing from it abandons the work.
using Progress = std::function<void(std::string_view stage, std::uint64_t done, std::uint64_t total)>;

}  // namespace rwkv::inline RWKV_ABI
