#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

#include <rwkv/core/progress.hpp>
#include <rwkv/kernels/format.hpp>
#include <rwkv/version.hpp>

namespace rwkv::inline RWKV_ABI {

/// How a model is converted.
struct ConvertOptions {
    /// What the matrices become.
    WeightFormat format = WeightFormat::stored;
    /// Bytes of tensors in a file; past them the model is split. A larger tensor has a file of its own.
    std::uint64_t max_shard_size = 5'000'000'000;
    /// The tokenizer's file, a tokenizer.json or (ending in .txt) a World vocabulary; empty: the model's, if it has
    /// one.
    std::filesystem::path tokenizer = {};
    /// Threads that read and convert; 0: one for each processor, up to 16.
    int threads = 0;
    /// Told of bytes read ("converting").
    Progress progress = {};
};

/// What was written.
struct ConvertedModel {
    std::vector<std::string> files;     ///< names, config.json last
    std::size_t tensors = 0;            ///< in all files
    std::uint64_t bytes = 0;            ///< of all tensors
    std::vector<std::string> warnings;  ///< what was odd but harmless about the model converted, a sentence each
};

/// Writes a model that `load_model` reads anew, as a directory that must be empty or not there yet: config.json,
/// safetensors under Hugging Face's names (with an index where there are several) and the tokenizer. Of dense formats
/// it is a directory for transformers' `RwkvForCausalLM` (for `RwkvModel`, of a base model without its head); q8 and q4
/// are a form of our own, see loading/quantized_file.hpp, that is loaded or mapped as it is.
///
/// The numbers are those `load_model` has of the original with that format, bit for bit: matrices are brought to it,
/// vectors and embeddings (unless they are the head, too) stay as stored, and F64 becomes F32. The model is never in
/// memory as a whole, only some tens of megabytes of it. config.json comes last, and after a failure nothing is left
/// behind. Throws as `load_model` does, for weights that are not finite or not within the range of the format, too.
ConvertedModel convert_model(const std::filesystem::path& from, const std::filesystem::path& to,
                             const ConvertOptions& options = {});

}  // namespace rwkv::inline RWKV_ABI

#ifndef RWKV_COMPILED
#include <rwkv/checkpoint/convert_model.inl>
#endif
