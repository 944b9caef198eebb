#pragma once

#include <rwkv/core/inline.hpp>
#include <rwkv/load_model.hpp>
#include <rwkv/load_weights.hpp>

namespace rwkv::inline RWKV_ABI {

RWKV_INLINE Model load_model(const std::filesystem::path& path, const LoadOptions& options) {
    const checkpoint::Preparation model(path, options.format, io::read_pytorch_tensors);
    return Model(checkpoint::read_weights<Mixed>(model, options), model.source.warnings());
}

}  // namespace rwkv::inline RWKV_ABI
