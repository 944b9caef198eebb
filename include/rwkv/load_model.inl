#pragma once

#include <rwkv/inline.hpp>
#include <rwkv/load_model.hpp>
#include <rwkv/load_weights.hpp>

namespace rwkv {

RWKV_INLINE Model load_model(const std::filesystem::path& path, const LoadOptions& options) {
    const loading::Preparation model(path, options.format, io::read_pytorch_tensors);
    return Model(loading::read_weights<Mixed>(model, options), model.source.warnings());
}

}  // namespace rwkv
