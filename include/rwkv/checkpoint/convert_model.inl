#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <filesystem>
#include <map>
#include <optional>
#include <string>
#include <tuple>
#include <utility>
#include <vector>

#include <rwkv/checkpoint/config_json.hpp>
#include <rwkv/checkpoint/export_plan.hpp>
#include <rwkv/checkpoint/index_json.hpp>
#include <rwkv/convert_model.hpp>
#include <rwkv/core/inline.hpp>
#include <rwkv/io/file.hpp>
#include <rwkv/io/output_directory.hpp>
#include <rwkv/io/pytorch.hpp>
#include <rwkv/io/safetensors_writer.hpp>
#include <rwkv/load_tokenizer.hpp>

namespace rwkv::inline RWKV_ABI {

namespace checkpoint {

using Shard = std::vector<Item>;

/// Splits the items, in their order, into files of at most so many bytes; within a file all come to lie as mapping them
/// needs.
inline std::vector<Shard> split(std::vector<Item> items, std::uint64_t max_bytes) {
    std::vector<Shard> shards(1);
    std::uint64_t bytes = 0;
    for (Item& item : items) {
        if (!shards.back().empty() && (item.to.bytes > max_bytes || bytes > max_bytes - item.to.bytes)) {
            shards.emplace_back();
            bytes = 0;
        }
        bytes += item.to.bytes;
        shards.back().push_back(std::move(item));
    }
    for (Shard& shard : shards)
        std::ranges::stable_sort(shard, {}, [](const Item& item) {
            return std::pair(!is_quantized(item.format), -static_cast<int>(bits(item.to.dtype)));
        });
    return shards;
}

/// "model.safetensors", or "model-00002-of-00003.safetensors".
inline std::string shard_name(std::size_t number, std::size_t count) {
    if (count == 1) return "model.safetensors";
    char name[80];
    std::snprintf(name, sizeof name, "model-%05zu-of-%05zu.safetensors", number + 1, count);
    return name;
}

inline void write_shard(const Preparation& model, const Shard& shard, const std::filesystem::path& path, int threads,
                        Meter& meter) {
    std::vector<TensorInfo> tensors;
    std::map<std::string, std::string> metadata{{"format", "pt"}};
    for (const Item& item : shard) {
        tensors.push_back(item.to);
        if (is_quantized(item.format)) describe_quantized(metadata, item.to.name, item.format, item.rows, item.cols);
    }
    io::SafetensorsWriter writer(path, std::move(tensors), metadata);
    for (const Item& item : shard)
        stream(model.source, item, threads, meter, [&](std::span<const std::byte> bytes) { writer.write(bytes); });
    writer.finish();
}

/// The type transformers is told: that of the matrices, where all have the same (the embeddings not asked), or else
/// the one that holds them all.
inline std::string torch_dtype(const std::vector<Item>& items) {
    std::optional<DType> type;
    for (const Item& item : items) {
        if (item.to.shape.size() != 2 || item.to.name.ends_with("embeddings.weight")) continue;
        if (type && *type != item.to.dtype) return "float32";
        type = item.to.dtype;
    }
    return type == DType::f16 ? "float16" : type == DType::bf16 ? "bfloat16" : "float32";
}

}  // namespace checkpoint

RWKV_INLINE ConvertedModel convert_model(const std::filesystem::path& from, const std::filesystem::path& to,
                                         const ConvertOptions& options) {
    constexpr std::uint64_t largest_tokenizer = 256U << 20U;
    const checkpoint::Preparation model(from, options.format, io::read_pytorch_tensors);
    std::optional<std::filesystem::path> tokenizer = options.tokenizer;
    if (tokenizer->empty()) tokenizer = find_tokenizer(from);
    const std::string tokenizer_text = tokenizer ? io::read_text(*tokenizer, largest_tokenizer) : "";

    std::vector<checkpoint::Item> items = checkpoint::items_of(model, options.format);
    const std::string torch_dtype = checkpoint::torch_dtype(items);
    ConvertedModel result{.files = {}, .tensors = items.size(), .warnings = model.source.warnings()};
    const std::vector<checkpoint::Shard> shards = checkpoint::split(std::move(items), options.max_shard_size);

    io::OutputDirectory directory(to);
    const auto file = [&](std::string name) -> const std::filesystem::path& {
        return directory.file(result.files.emplace_back(std::move(name)));
    };
    checkpoint::Meter meter{"converting", options.progress, model.plan.bytes_read()};
    checkpoint::ShardIndex index;
    for (std::size_t i = 0; i < shards.size(); ++i) {
        const std::string name = checkpoint::shard_name(i, shards.size());
        for (const checkpoint::Item& item : shards[i]) {
            index.weight_map.emplace(item.to.name, name);
            result.bytes += item.to.bytes;
        }
        checkpoint::write_shard(model, shards[i], file(name), options.threads, meter);
    }
    meter.finish();
    index.total_size = result.bytes;
    if (tokenizer)
        io::write_text(file(tokenizer->extension() == ".txt" ? "rwkv_vocab_v20230424.txt" : "tokenizer.json"),
                       tokenizer_text);
    if (shards.size() > 1) io::write_text(file("model.safetensors.index.json"), checkpoint::index_text(index));
    const bool headless = model.head == checkpoint::Head::none;
    io::write_text(file("config.json"),
                   checkpoint::config_text(model.config, headless ? "RwkvModel" : "RwkvForCausalLM", torch_dtype));
    directory.keep();
    return result;
}

}  // namespace rwkv::inline RWKV_ABI
