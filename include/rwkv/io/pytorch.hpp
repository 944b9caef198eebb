#pragma once

#include <cstdint>
#include <vector>

#include <rwkv/core/tensor.hpp>
#include <rwkv/io/byte_source.hpp>
#include <rwkv/version.hpp>

namespace rwkv::inline RWKV_ABI::io {

/// The longest pickle that is read, in bytes: that of a model of 40 layers has 0.1 MB.
inline constexpr std::uint64_t max_pickle_bytes = 64'000'000;

/// Reads what a PyTorch file (.pth, .bin) says of its tensors, by offset; their bytes are not touched, and nothing that
/// the file says is ever executed. The file must hold a plain state dict, as `torch.save` has written it since 1.6:
/// tensors that share a storage or are views of one are understood, programs, training checkpoints, older, compressed
/// and big-endian files refused by name.
///
/// Stricter than PyTorch: a name given twice, a storage of two types, and a tensor with more elements than its storage
/// (`expand`) are refused. Throws FormatError naming the file, the tensor, what was expected and found; FileError.
[[nodiscard]] std::vector<TensorInfo> read_pytorch_tensors(const ByteSource& source);

}  // namespace rwkv::inline RWKV_ABI::io

#ifndef RWKV_COMPILED
#include <rwkv/io/pytorch.inl>
#endif
