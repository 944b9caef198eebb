#pragma once

#include <filesystem>

#include <rwkv/loading/options.hpp>
#include <rwkv/model/model.hpp>

namespace rwkv {

/// Loads a model as `load_model` does, from safetensors files only: a program that includes no more than this contains
/// no reader of PyTorch files, and refuses them with a ModelError.
Model load_safetensors(const std::filesystem::path& path, const LoadOptions& options = {});

}  // namespace rwkv

#ifndef RWKV_COMPILED
#include <rwkv/load_safetensors.inl>
#endif
