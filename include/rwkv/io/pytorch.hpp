#pragma once

#include <cstdint>
#include <vector>

#include <rwkv/core/tensor.hpp>
#include <rwkv/io/byte_source.hpp>
#include <rwkv/version.hpp>

namespace rwkv::inline RWKV_ABI::io {

/// The maximum size of a pickle, in bytes. That of a model of 40 layers has 0.1 MB.
inline constexpr std::uint64_t max_pickle_bytes = 64'000'000;

/// Reads the descriptions of the tensors in a PyTorch file (.pth, .bin), in the order of their offsets, without their
/// bytes; nothing in the file is ever executed. The file must hold a plain state dict as `torch.save` has written it
/// since 1.6. Tensors may share a storage or be views of one. Programs, training checkpoints, older, compressed and
/// big-endian files are refused by name.
///
/// Stricter than PyTorch: a name given twice, a storage of two types, and a tensor with more elements than its storage
/// (`expand`) are refused.
///
/// Throws: FormatError, naming the tensor; FileError. Thread safety: any number of threads may call it.
[[nodiscard]] std::vector<TensorInfo> read_pytorch_tensors(const ByteSource& source);

}  // namespace rwkv::inline RWKV_ABI::io

#ifndef RWKV_COMPILED
#include <rwkv/io/pytorch.inl>
#endif
