#pragma once

#include <algorithm>
#include <charconv>
#include <cstddef>
#include <map>
#include <string>
#include <string_view>
#include <tuple>
#include <utility>

#include <rwkv/checkpoint/checkpoint.hpp>
#include <rwkv/checkpoint/config_json.hpp>
#include <rwkv/core/config.hpp>
#include <rwkv/core/error.hpp>
#include <rwkv/core/tensor.hpp>
#include <rwkv/version.hpp>

namespace rwkv::inline RWKV_ABI::checkpoint {

/// The config of a model that comes without a config.json, by the shapes of its tensors, which are given under their
/// canonical names. What no shape tells is as BlinkDL's own programs have it: layer norms with an epsilon of 1e-5, no
/// rescaling, special tokens 0. Whether the tensors agree with each other is not looked at: that is the plan's to find.
/// ModelError, naming `where`, when a matrix that tells a size is missing, is none, or has a size no model can have.
inline Config infer_config(const std::map<std::string, const CheckpointTensor*>& tensors, const std::string& where) {
    const auto matrix = [&](const std::string& name) {
        const auto found = tensors.find(name);
        if (found == tensors.end())
            throw ModelError(where, name, "a matrix that tells the model's sizes (there is no config.json)", "none");
        const Shape& shape = found->second->info.shape;
        const auto possible = [](std::uint64_t size) { return size > 0 && size <= std::uint64_t(max_model_size); };
        if (shape.size() != 2 || !std::ranges::all_of(shape, possible))
            throw ModelError(where, name, "a matrix of at most " + std::to_string(max_model_size) + " rows and columns",
                             "shape " + to_string(shape));
        return std::pair(static_cast<Index>(shape[0]), static_cast<Index>(shape[1]));
    };
    Config config;
    std::tie(config.vocab_size, config.hidden_size) = matrix("embeddings.weight");
    config.attention_hidden_size = matrix("blocks.0.attention.key.weight").first;
    config.intermediate_size = matrix("blocks.0.feed_forward.key.weight").first;
    config.rescale_every = 0;
    config.num_hidden_layers = 1;
    for (const auto& [name, tensor] : tensors) {
        constexpr std::string_view blocks = "blocks.";
        if (!name.starts_with(blocks)) continue;
        Index block = 0;  // a canonical name has a number of six digits at most there
        std::from_chars(name.data() + blocks.size(), name.data() + name.size(), block);
        config.num_hidden_layers = std::max(config.num_hidden_layers, block + 1);
    }
    if (config.num_hidden_layers > max_model_layers)
        throw ModelError(where, "blocks", "at most " + std::to_string(max_model_layers),
                         std::to_string(config.num_hidden_layers));
    return config;
}

}  // namespace rwkv::inline RWKV_ABI::checkpoint
