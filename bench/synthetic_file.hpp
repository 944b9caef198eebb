#pragma once

#include <cmath>
#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <fstream>
#include <span>
#include <utility>
#include <vector>

#include <rwkv/checkpoint/tensor_specs.hpp>
#include <rwkv/core/config.hpp>
#include <rwkv/core/float16.hpp>
#include <rwkv/io/safetensors_writer.hpp>

namespace synthetic {

/// Writes the files of a model of those sizes with random weights of normal size, in BF16, into a directory.
inline void write_model(const std::filesystem::path& directory, const rwkv::Config& config) {
    using rwkv::checkpoint::TensorKind, rwkv::checkpoint::TensorRole, rwkv::checkpoint::TensorSpec;
    std::ofstream(directory / "config.json")
        << "{\"model_type\": \"rwkv\", \"vocab_size\": " << config.vocab_size
        << ", \"hidden_size\": " << config.hidden_size
        << ", \"attention_hidden_size\": " << config.attention_hidden_size
        << ", \"intermediate_size\": " << config.intermediate_size
        << ", \"num_hidden_layers\": " << config.num_hidden_layers << ", \"rescale_every\": " << config.rescale_every
        << ", \"tie_word_embeddings\": false, \"bos_token_id\": 0, \"eos_token_id\": 0}\n";
    const std::vector<TensorSpec> specs = rwkv::checkpoint::tensor_specs(config, true);
    std::vector<rwkv::TensorInfo> tensors;
    for (const TensorSpec& spec : specs)
        tensors.push_back({.name = spec.name, .dtype = rwkv::DType::bf16, .shape = spec.shape()});
    rwkv::io::SafetensorsWriter writer(directory / "model.safetensors", std::move(tensors));
    std::uint64_t state = 1;
    const auto uniform = [&state] {
        state = state * 6364136223846793005u + 1442695040888963407u;
        return static_cast<float>(state >> 40) * 0x1p-24f;
    };
    std::vector<rwkv::core::BFloat16> row;
    for (const TensorSpec& spec : specs) {
        const float size = 2 / std::sqrt(static_cast<float>(spec.cols));
        const auto number = [&]() -> float {
            if (!spec.is_vector()) return (uniform() - 0.5f) * size;
            if (spec.role == TensorRole::attention_time_decay) return -6 * uniform();
            return spec.kind == TensorKind::mix ? uniform() : 0.5f + uniform();
        };
        row.resize(static_cast<std::size_t>(spec.cols));
        for (rwkv::Index i = 0; i < spec.rows; ++i) {
            for (rwkv::core::BFloat16& element : row) element = rwkv::core::round_to<rwkv::core::BFloat16>(number());
            writer.write(std::as_bytes(std::span(row)));
        }
    }
    writer.finish();
}

}  // namespace synthetic
