#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include <rwkv/core/tensor.hpp>
#include <rwkv/io/byte_source.hpp>
#include <rwkv/version.hpp>

namespace rwkv::inline RWKV_ABI::io {

/// The maximum length of the header of a safetensors file, in bytes.
inline constexpr std::uint64_t max_safetensors_header = 100'000'000;

/// The checked header of a safetensors file: the tensors are contiguous and fill the file.
struct SafetensorsHeader {
    std::vector<TensorInfo> tensors;  ///< by offset, which counts from the start of the file
    std::map<std::string, std::string> metadata;
    std::uint64_t data_begin = 8;  ///< where the bytes of the tensors begin, which need not be aligned
};

/// The length of the header, from the first 8 bytes of a file (give up to 64, so that the message can name a file of
/// another kind) and the size of the file. Throws FormatError where a header of that length cannot be there.
[[nodiscard]] std::uint64_t safetensors_header_length(std::string_view first_bytes, std::uint64_t file_size,
                                                      const std::string& where);

/// Parses and checks a header: `text` is the file's bytes from 8 to 8 + its length. `where` names the file in messages.
///
/// Stricter than the reference implementation: a key given twice, an entry or a dtype in any form but the
/// usual one, sizes whose product only fits thanks to a 0 among them, and more than `max_tensor_rank`
/// dimensions are refused.
///
/// Throws: FormatError, naming the tensor. Thread safety: any number of threads may call it.
[[nodiscard]] SafetensorsHeader parse_safetensors_header(std::string_view text, std::uint64_t file_size,
                                                         const std::string& where);

/// Reads and checks the header of a file, without the bytes of the tensors. Throws FormatError, FileError.
[[nodiscard]] SafetensorsHeader read_safetensors_header(const ByteSource& file);

}  // namespace rwkv::inline RWKV_ABI::io

#ifndef RWKV_COMPILED
#include <rwkv/io/safetensors.inl>
#endif
