#pragma once

#include <rwkv/checkpoint/model_location.hpp>
#include <rwkv/checkpoint/read_model.hpp>
#include <rwkv/core/inline.hpp>
#include <rwkv/load_safetensors.hpp>

namespace rwkv::inline RWKV_ABI {

RWKV_INLINE Model load_safetensors(const std::filesystem::path& path, const LoadOptions& options) {
    return checkpoint::read_model(path, options, nullptr);
}

RWKV_INLINE Model load_safetensors(const ModelFiles& files, const LoadOptions& options) {
    return checkpoint::read_model(files, options, nullptr);
}

RWKV_INLINE Model load_safetensors(const ByteSource& weights, const LoadOptions& options) {
    return checkpoint::read_model(weights, options, nullptr);
}

}  // namespace rwkv::inline RWKV_ABI
