#pragma once

#include <filesystem>

#include <rwkv/checkpoint/load_options.hpp>
#include <rwkv/model/model.hpp>
#include <rwkv/version.hpp>

namespace rwkv::inline RWKV_ABI {

/// Loads a model as `load_model` does, from safetensors files only: a program that includes no more than this contains
/// no reader of PyTorch files, and refuses them with a ModelError.
Model load_safetensors(const std::filesystem::path& path, const LoadOptions& options = {});

}  // namespace rwkv::inline RWKV_ABI

#ifndef RWKV_COMPILED
#include <rwkv/checkpoint/load_safetensors.inl>
#endif
