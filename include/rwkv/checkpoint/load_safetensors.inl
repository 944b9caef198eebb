#pragma once

#include <rwkv/checkpoint/checkpoint_plan.hpp>
#include <rwkv/checkpoint/weight_reader.hpp>
#include <rwkv/core/inline.hpp>
#include <rwkv/load_safetensors.hpp>

namespace rwkv::inline RWKV_ABI {

RWKV_INLINE Model load_safetensors(const std::filesystem::path& path, const LoadOptions& options) {
    const checkpoint::CheckpointPlan plan(path, options.format);
    return Model(checkpoint::WeightReader(plan, options).read(), plan.warnings());
}

}  // namespace rwkv::inline RWKV_ABI
