#pragma once

#include <filesystem>

#include <rwkv/loading/load.hpp>

namespace rwkv {

/// Loads a model as `load_model` does, from safetensors files only: a program that includes no more than this contains
/// no reader of PyTorch files, and refuses them with a ModelError.
inline Model load_safetensors(const std::filesystem::path& path, const LoadOptions& options = {}) {
    return loading::load_model(path, options, nullptr);
}

/// `load_safetensors<Format>`: the weights alone, as `load_weights` loads them.
template <class Format>
Weights<Format> load_safetensors(const std::filesystem::path& path, const LoadOptions& options = {}) {
    return loading::load_weights<Format>(path, options, nullptr);
}

}  // namespace rwkv
