#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

#include <rwkv/core/tensor.hpp>
#include <rwkv/io/byte_source.hpp>
#include <rwkv/version.hpp>

namespace rwkv::inline RWKV_ABI::io {

/// Fills `out` with a strided tensor's bytes in C order, from `offset` (counted in that order) on. Needs 256 KiB beside
/// it, reads forward and skips what is far from any element. `out` must lie within a tensor that has been checked.
void read_strided(const ByteSource& source, const TensorInfo& tensor, std::uint64_t offset, std::span<std::byte> out);

}  // namespace rwkv::inline RWKV_ABI::io

#ifndef RWKV_COMPILED
#include <rwkv/io/strided.inl>
#endif
