#pragma once

#include <rwkv/checkpoint/model_location.hpp>
#include <rwkv/checkpoint/read_model.hpp>
#include <rwkv/core/inline.hpp>
#include <rwkv/io/pytorch.hpp>
#include <rwkv/load_model.hpp>

namespace rwkv::inline RWKV_ABI {

RWKV_INLINE Model load_model(const std::filesystem::path& path, const LoadOptions& options) {
    return checkpoint::read_model(path, options, io::read_pytorch_tensors);
}

RWKV_INLINE Model load_model(const ModelFiles& files, const LoadOptions& options) {
    return checkpoint::read_model(files, options, io::read_pytorch_tensors);
}

RWKV_INLINE Model load_model(const ByteSource& weights, const LoadOptions& options) {
    return checkpoint::read_model(weights, options, io::read_pytorch_tensors);
}

RWKV_INLINE Config load_config(const std::filesystem::path& path) {
    return checkpoint::CheckpointPlan(path, WeightFormat::stored, io::read_pytorch_tensors).config();
}

RWKV_INLINE Config load_config(const ModelFiles& files) {
    return checkpoint::CheckpointPlan(files, WeightFormat::stored, io::read_pytorch_tensors).config();
}

RWKV_INLINE Config load_config(const ByteSource& weights) {
    return checkpoint::CheckpointPlan(weights, WeightFormat::stored, io::read_pytorch_tensors).config();
}

}  // namespace rwkv::inline RWKV_ABI
