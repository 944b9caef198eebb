#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

#include <rwkv/checkpoint/adapter.hpp>
#include <rwkv/core/progress.hpp>
#include <rwkv/kernels/format.hpp>
#include <rwkv/version.hpp>

namespace rwkv::inline RWKV_ABI {

/// How a model is converted.
struct ConvertOptions {
    /// The format of the matrices. Quantized ones can only keep their format.
    WeightFormat format = WeightFormat::stored;
    /// The maximum number of bytes of tensors in a file; a larger model is split. A larger tensor has a file of its
    /// own.
    std::uint64_t max_shard_size = 5'000'000'000;
    /// A tokenizer.json or (ending in .txt) a World vocabulary to copy. Empty: the one that `load_tokenizer`
    /// finds beside the model, if there is one.
    std::filesystem::path tokenizer = {};
    /// Threads that read and convert. 0: all processors that the process may use, of which no more than 16 are put to
    /// use.
    int threads = 0;
    /// Merged into the weights, as in LoadOptions.
    std::vector<Adapter> adapters = {};
    /// Receives the bytes read ("converting").
    Progress progress = {};
};

/// What was written.
struct ConvertedModel {
    std::vector<std::string> files;     ///< names, config.json last
    std::size_t tensors = 0;            ///< in all files
    std::uint64_t bytes = 0;            ///< of all tensors
    std::vector<std::string> warnings;  ///< about the original, a sentence each: ignored tensors, for example
};

/// Writes a model as a new directory that `load_model` reads: config.json, safetensors under Hugging Face's names (with
/// an index where there are several) and the tokenizer. The directory must be empty or not exist. With dense formats it
/// is one for transformers' `RwkvForCausalLM` (for `RwkvModel`, of a base model without its head); q8 and q4 have a
/// form of our own, see checkpoint/quantized_tensor.hpp, that is loaded or mapped as it is.
///
/// The numbers are those that `load_model` makes of the original with that format, bit for bit: matrices are converted
/// to it, vectors and embeddings (unless they are the head, too) stay as stored, and F64 becomes F32. Needs some tens
/// of megabytes of memory, however large the model. config.json is written last, and a failure leaves nothing behind.
///
/// Throws: as `load_model`, also for weights that are not finite or not within the range of the format; FileError where
/// the directory cannot be written.
ConvertedModel convert_model(const std::filesystem::path& from, const std::filesystem::path& to,
                             const ConvertOptions& options = {});

/// The same for a model that an application keeps elsewhere; `to` is a directory on disk.
ConvertedModel convert_model(const ModelFiles& from, const std::filesystem::path& to,
                             const ConvertOptions& options = {});

}  // namespace rwkv::inline RWKV_ABI

#ifndef RWKV_COMPILED
#include <rwkv/checkpoint/convert_model.inl>
#endif
