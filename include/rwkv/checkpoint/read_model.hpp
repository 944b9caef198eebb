#pragma once

#include <rwkv/checkpoint/checkpoint_plan.hpp>
#include <rwkv/checkpoint/load_options.hpp>
#include <rwkv/checkpoint/model_location.hpp>
#include <rwkv/checkpoint/weight_reader.hpp>
#include <rwkv/model/model.hpp>
#include <rwkv/version.hpp>

namespace rwkv::inline RWKV_ABI::checkpoint {

/// Reads the model there; PyTorch files where a reader of them is given. Throws: as load_model.
inline Model read_model(const ModelLocation& location, const LoadOptions& options, PytorchReader pytorch) {
    const CheckpointPlan plan(location, options.format, pytorch, options.adapters);
    return Model(WeightReader(plan, options).read(), plan.warnings());
}

}  // namespace rwkv::inline RWKV_ABI::checkpoint
