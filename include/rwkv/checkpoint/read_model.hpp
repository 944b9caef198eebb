#pragma once

#include <cstdint>
#include <exception>
#include <optional>
#include <string>
#include <utility>

#include <rwkv/checkpoint/checkpoint_plan.hpp>
#include <rwkv/checkpoint/fingerprint.hpp>
#include <rwkv/checkpoint/load_options.hpp>
#include <rwkv/checkpoint/model_location.hpp>
#include <rwkv/checkpoint/weight_reader.hpp>
#include <rwkv/model/model.hpp>
#include <rwkv/version.hpp>

namespace rwkv::inline RWKV_ABI::checkpoint {

/// Runs a step that all ranks take, whose result must be the same for all: where it fails on one, it does on all.
/// Without ranks, runs it.
template <class Step>
void take_together(RankGroup* ranks, const std::string& where, const Step& step) {
    std::uint64_t result = 0;
    try {
        result = step();
    } catch (const std::exception& error) {
        if (ranks) ranks->agree(where, 0, error.what());
        throw;
    }
    if (ranks) ranks->agree(where, result, "");
}

/// Reads the model there; PyTorch files where a reader of them is given. Throws: as load_model.
inline Model read_model(const ModelLocation& location, const LoadOptions& options, PytorchReader pytorch) {
    RankGroup* const ranks = options.ranks.get();
    std::optional<CheckpointPlan> plan;
    take_together(ranks, location.name, [&]() -> std::uint64_t {
        plan.emplace(location, options.format, pytorch, options.adapters, ranks);
        return ranks ? files_fingerprint(*plan) : 0;
    });
    model::Weights weights;
    take_together(ranks, location.name, [&]() -> std::uint64_t {
        weights = WeightReader(*plan, options).read();
        return 0;
    });
    return Model(std::move(weights), plan->warnings());
}

}  // namespace rwkv::inline RWKV_ABI::checkpoint
