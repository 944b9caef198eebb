#pragma once

#include <rwkv/checkpoint/load_weights.hpp>
#include <rwkv/core/inline.hpp>
#include <rwkv/load_safetensors.hpp>

namespace rwkv::inline RWKV_ABI {

RWKV_INLINE Model load_safetensors(const std::filesystem::path& path, const LoadOptions& options) {
    const checkpoint::Preparation model(path, options.format, nullptr);
    return Model(checkpoint::read_weights<Mixed>(model, options), model.source.warnings());
}

}  // namespace rwkv::inline RWKV_ABI
