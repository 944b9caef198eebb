#pragma once

#include <rwkv/inline.hpp>
#include <rwkv/load_safetensors.hpp>
#include <rwkv/loading/load_weights.hpp>

namespace rwkv {

RWKV_INLINE Model load_safetensors(const std::filesystem::path& path, const LoadOptions& options) {
    const loading::Preparation model(path, options.format, nullptr);
    return Model(loading::read_weights<Mixed>(model, options), model.source.warnings());
}

}  // namespace rwkv
