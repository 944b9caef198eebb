#pragma once

#include <map>
#include <optional>
#include <string>

#include <rwkv/checkpoint/checkpoint.hpp>
#include <rwkv/checkpoint/tensor_specs.hpp>
#include <rwkv/core/error.hpp>
#include <rwkv/core/message.hpp>
#include <rwkv/core/quote.hpp>
#include <rwkv/core/tensor.hpp>
#include <rwkv/kernels/weight_matrix.hpp>
#include <rwkv/version.hpp>

namespace rwkv::inline RWKV_ABI::checkpoint {

// Files of quantized weights. What is stored is what is held in memory, so that a model is read with no conversion, or
// mapped.
//
// A quantized matrix of rows × cols is a tensor of its usual name, U8 [row groups, bytes of a row group]: the row
// groups as kernels/format.hpp describes them, byte for byte, scales in little-endian order. Vectors and embeddings are
// ordinary tensors. A tied head is stored as head.weight, apart from the embeddings, which are not quantized.
// `__metadata__` of each file has
//
//   rwkv.weights  "q8" or "q4": what the U8 tensors of this file are
//   rwkv.layout   "1": all of the above, and the codebook of Q4; a change to any of it takes the next number
//   NAME          "[rows, cols]" of the tensor NAME, which its row groups do not tell
//
// Kernels need a matrix to begin with a cache line. Its bytes are a whole number of cache lines, so it is enough that
// quantized matrices come first, as the writer makes its data begin with one. A matrix that is not aligned is read
// instead of mapped.

inline constexpr const char* weights_key = "rwkv.weights";
inline constexpr const char* layout_key = "rwkv.layout";
inline constexpr const char* layout_version = "1";

/// The alignment of a quantized matrix, in memory and in a file to be mapped.
inline constexpr std::size_t quantized_alignment = 64;

/// The format the tensor is quantized to, by the metadata of its file; nothing for an ordinary tensor.
///
/// Throws: ModelError for an unknown format or layout.
inline std::optional<WeightFormat> quantized_format(const Checkpoint& checkpoint, const CheckpointTensor& tensor) {
    if (tensor.info.dtype != DType::u8) return std::nullopt;
    const auto& metadata = checkpoint.metadata_of(tensor);
    const auto weights = metadata.find(weights_key), layout = metadata.find(layout_key);
    if (weights == metadata.end() && layout == metadata.end()) return std::nullopt;
    const auto found = [&](const auto& at) { return at == metadata.end() ? "none" : core::quoted(at->second); };
    const auto fail = [&](const char* key, std::string expected, std::string value) {
        core::fail<ModelError>(checkpoint.file_of(tensor), {"metadata ", key}, {expected}, {value});
    };
    if (layout == metadata.end() || layout->second != layout_version)
        fail(layout_key, core::quoted(layout_version) + ", the only layout of quantized weights that is known",
             found(layout));
    const auto format = weights == metadata.end() ? std::nullopt : weight_format_of(weights->second);
    if (!format || !kernels::is_quantized(*format)) fail(weights_key, "\"q8\" or \"q4\"", found(weights));
    return format;
}

/// The columns that share a scale in a quantized format.
inline Index scale_block_cols(WeightFormat format) noexcept {
    return kernels::with_format(format, []<class Format>(Format) {
        if constexpr (kernels::QuantizedFormat<Format>)
            return Format::block_cols;
        else
            return Index{1};
    });
}

/// The shape of the tensor that holds a quantized matrix.
inline Shape quantized_shape(WeightFormat format, Index rows, Index cols) {
    const auto group_bytes = kernels::weight_bytes(format, kernels::Layout::row_groups, kernels::group_rows, cols);
    return matrix_shape(kernels::row_groups(rows), static_cast<Index>(group_bytes));
}

/// Checks that the tensor holds a matrix of that size quantized to that format. Throws: ModelError.
inline void validate_quantized(const Checkpoint& checkpoint, const CheckpointTensor& tensor, WeightFormat format,
                               Index rows, Index cols) {
    const std::string where = checkpoint.file_of(tensor), wanted = core::to_string(matrix_shape(rows, cols));
    const auto& metadata = checkpoint.metadata_of(tensor);
    const auto found = metadata.find(tensor.info.name);
    if (found == metadata.end() || found->second != wanted)
        core::fail<ModelError>(where, {tensor.info.name}, {"metadata ", core::Quoted{wanted}, " (by the config)"},
                               {found == metadata.end() ? "none" : core::quoted(found->second)});
    const Shape shape = quantized_shape(format, rows, cols);
    if (tensor.info.shape != shape)
        core::fail<ModelError>(where, {tensor.info.name},
                               {"shape ", core::to_string(shape), " (", name(format), " of ", wanted, ")"},
                               {core::to_string(tensor.info.shape)});
}

/// Adds to a file's metadata the description of a tensor that holds such a matrix.
inline void describe_quantized(std::map<std::string, std::string>& metadata, const std::string& tensor,
                               WeightFormat format, Index rows, Index cols) {
    metadata[weights_key] = name(format);
    metadata[layout_key] = layout_version;
    metadata[tensor] = core::to_string(matrix_shape(rows, cols));
}

}  // namespace rwkv::inline RWKV_ABI::checkpoint
