#pragma once

#include <cstdint>
#include <functional>
#include <string_view>

#include <rwkv/version.hpp>

namespace rwkv::inline RWKV_ABI {

/// Reports the progress of a long operation: its stage ("loading", "prompt"), and the units done and in total, in bytes
/// or tokens. Return false to cancel the operation: loading and conversion then throw `Cancelled`, a forward pass
/// returns without a result. Called by the thread that started the operation.
using Progress = std::function<bool(std::string_view stage, std::uint64_t done, std::uint64_t total)>;

}  // namespace rwkv::inline RWKV_ABI
