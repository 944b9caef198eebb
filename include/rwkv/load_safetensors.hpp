#pragma once

#include <filesystem>

#include <rwkv/checkpoint/load_options.hpp>
#include <rwkv/checkpoint/model_files.hpp>
#include <rwkv/io/byte_source.hpp>
#include <rwkv/model/model.hpp>
#include <rwkv/version.hpp>

namespace rwkv::inline RWKV_ABI {

/// Loads a model as `load_model` does, from safetensors files only. A program that includes this header and not
/// load_model.hpp contains no reader of PyTorch files.
///
/// Throws: as load_model; ModelError for PyTorch files.
[[nodiscard]] Model load_safetensors(const std::filesystem::path& path, const LoadOptions& options = {});
[[nodiscard]] Model load_safetensors(const ModelFiles& files, const LoadOptions& options = {});
[[nodiscard]] Model load_safetensors(const ByteSource& weights, const LoadOptions& options = {});

}  // namespace rwkv::inline RWKV_ABI

#ifndef RWKV_COMPILED
#include <rwkv/checkpoint/load_safetensors.inl>
#endif
