#pragma once

#include <algorithm>
#include <charconv>
#include <map>
#include <string>
#include <string_view>
#include <tuple>
#include <utility>

#include <rwkv/checkpoint/checkpoint.hpp>
#include <rwkv/checkpoint/config_json.hpp>
#include <rwkv/checkpoint/model_location.hpp>
#include <rwkv/checkpoint/rwkv4_tensors.hpp>
#include <rwkv/checkpoint/tensor_source.hpp>
#include <rwkv/core/config.hpp>
#include <rwkv/core/error.hpp>
#include <rwkv/core/message.hpp>
#include <rwkv/core/tensor.hpp>
#include <rwkv/version.hpp>

namespace rwkv::inline RWKV_ABI::checkpoint {

/// The config of a model that comes without a config.json, from the shapes of its tensors. What no shape tells is as in
/// BlinkDL's own programs: layer norms with an epsilon of 1e-5, no rescaling, special tokens 0. Whether the tensors
/// agree with each other is not checked here.
///
/// Throws: ModelError when a matrix that tells a size is missing, is none, or has a size no model can have.
inline Config infer_config(const TensorSource& source) {
    const auto sizes_of = [&](TensorRole role) {
        const std::string name = rwkv4_tensor(role).canonical_name();
        const CheckpointTensor* const tensor = source.find(name);
        if (!tensor)
            core::fail<ModelError>(source.where(), {name},
                                   {"a matrix that tells the model's sizes (there is no config.json)"}, {"none"});
        const Shape& shape = tensor->info.shape;
        const auto possible = [](std::uint64_t size) { return size > 0 && size <= std::uint64_t(max_model_size); };
        if (shape.size() != 2 || !std::all_of(shape.begin(), shape.end(), possible))
            core::fail<ModelError>(source.where(), {name},
                                   {"a matrix of at most ", max_model_size, " rows and columns"},
                                   {"shape ", core::to_string(shape)});
        return std::pair(static_cast<Index>(shape[0]), static_cast<Index>(shape[1]));
    };
    Config config;
    std::tie(config.vocab_size, config.hidden_size) = sizes_of(TensorRole::embeddings);
    config.attention_hidden_size = sizes_of(TensorRole::attention_key).first;
    const auto [rows, columns] = sizes_of(TensorRole::feed_forward_key);
    if (columns != config.hidden_size && rows == config.hidden_size)
        core::fail<ModelError>(source.where(), {rwkv4_tensor(TensorRole::feed_forward_key).canonical_name()},
                               {"a matrix of ", config.hidden_size, " columns"},
                               {"one of as many rows: transposed, perhaps converted for another program"});
    config.intermediate_size = rows;
    config.rescale_every = 0;
    config.num_hidden_layers = 1;
    for (const auto& [name, tensor] : source.tensors()) {
        constexpr std::string_view blocks = "blocks.";
        if (!name.starts_with(blocks)) continue;
        Index block = 0;  // a canonical name has at most six digits there
        std::from_chars(name.data() + blocks.size(), name.data() + name.size(), block);
        config.num_hidden_layers = (std::max)(config.num_hidden_layers, block + 1);
    }
    if (config.num_hidden_layers > max_model_layers)
        core::fail<ModelError>(source.where(), {"blocks"}, {"at most ", max_model_layers}, {config.num_hidden_layers});
    const bool has_head = source.find(rwkv4_tensor(TensorRole::head).canonical_name()) != nullptr;
    config.tie_word_embeddings = !has_head && !source.is_base_model() && !source.is_blinkdl_model();
    return config;
}

/// The config of a model: the config.json beside the weights, or the one that the shapes tell where there is no
/// config.json and either the weights' file was given itself or the weights are BlinkDL's, which never have one.
/// BlinkDL's weights that were given themselves may lie among downloads, where another architecture's config.json is
/// ignored, with a warning.
///
/// Throws: FileError, FormatError, ModelError.
inline Config find_config(const ModelLocation& location, TensorSource& source) {
    const char* const name = "config.json";
    if (location.files->contains(name) || (!location.weights && !source.is_blinkdl_model())) {
        try {
            return read_config(*open_file(*location.files, name));
        } catch (const ModelError& error) {
            if (!location.weights || !source.is_blinkdl_model() || error.subject() != "model_type") throw;
            source.warn(error.where() + ": ignored, because it is of another architecture");
        }
    }
    return infer_config(source);
}

}  // namespace rwkv::inline RWKV_ABI::checkpoint
