#pragma once

#include <filesystem>

#include <rwkv/checkpoint/load_options.hpp>
#include <rwkv/checkpoint/model_files.hpp>
#include <rwkv/io/byte_source.hpp>
#include <rwkv/model/model.hpp>
#include <rwkv/version.hpp>

namespace rwkv::inline RWKV_ABI {

/// Loads a model from a directory as downloaded from Hugging Face: config.json beside model.safetensors or
/// pytorch_model.bin, or beside shards and their index; from a repository's folder in the Hub's cache
/// (`models--RWKV--rwkv-4-169m-pile`); or from the file with the weights (of safetensors or PyTorch, whatever its
/// name), or the index, given itself. Tensors may be F32, F16, BF16 and F64 in any mixture, under Hugging Face's names
/// (with or without `rwkv.`) or BlinkDL's, also with what torch.compile and others put before them. Of several files in
/// a directory, those that transformers takes (checkpoint/weight_files.hpp); nothing in a PyTorch file is executed.
///
/// A config.json beside the weights applies to them. A file given itself needs none, nor does a directory with
/// BlinkDL's weights (`.pth`): the sizes are then those of the tensors, `layer_norm_epsilon` is 1e-5, `rescale_every` 0
/// and every special token 0; the head is tied to the embeddings where Hugging Face's names are used and it is missing.
///
/// The weights are read once, by several threads, into memory that the model owns, and converted while they are read;
/// they are never in memory twice.
///
/// Throws: FileError, FormatError or ModelError, naming the file, the tensor, what was expected and what was found,
/// before anything large is allocated; Cancelled where the progress callback returns false; std::bad_alloc.
[[nodiscard]] Model load_model(const std::filesystem::path& path, const LoadOptions& options = {});

/// Loads a model whose files an application keeps elsewhere: in memory, an archive or a database. They have the names
/// of files in a model directory. Several threads read them at once. After the call, only what `ByteSource::map`
/// returned is still used, and only with LoadOptions::mapped.
///
/// Throws: as above, FileError where a source cannot be read; what the functions of `files` throw.
[[nodiscard]] Model load_model(const ModelFiles& files, const LoadOptions& options = {});

/// Loads a model from a single file of weights, without a config.json, as from its path.
[[nodiscard]] Model load_model(const ByteSource& weights, const LoadOptions& options = {});

/// The config of the model that `load_model` would return. Reads only the headers of the files, in milliseconds, and
/// checks everything that can be checked without the weights. Throws: as `load_model`.
[[nodiscard]] Config load_config(const std::filesystem::path& path);
[[nodiscard]] Config load_config(const ModelFiles& files);
[[nodiscard]] Config load_config(const ByteSource& weights);

}  // namespace rwkv::inline RWKV_ABI

#ifndef RWKV_COMPILED
#include <rwkv/checkpoint/load_model.inl>
#endif
