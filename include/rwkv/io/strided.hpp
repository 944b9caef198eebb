#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

#include <rwkv/core/tensor.hpp>
#include <rwkv/io/byte_source.hpp>
#include <rwkv/version.hpp>

namespace rwkv::inline RWKV_ABI::io {

/// Fills `out` with the bytes of a strided tensor in C order, from `offset` (in that order) on. Reads the file forward
/// through a window of 256 KiB and skips what is far from any element. The description of the tensor has been checked,
/// and `out` lies within it. Throws as the source's `read` does.
void read_strided(const ByteSource& source, const TensorInfo& tensor, std::uint64_t offset, std::span<std::byte> out);

}  // namespace rwkv::inline RWKV_ABI::io

#ifndef RWKV_COMPILED
#include <rwkv/io/strided.inl>
#endif
