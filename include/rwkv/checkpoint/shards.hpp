#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <filesystem>
#include <map>
#include <optional>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include <rwkv/checkpoint/checkpoint_plan.hpp>
#include <rwkv/checkpoint/export_plan.hpp>
#include <rwkv/checkpoint/progress_meter.hpp>
#include <rwkv/checkpoint/quantized_tensor.hpp>
#include <rwkv/core/sort.hpp>
#include <rwkv/io/safetensors_writer.hpp>
#include <rwkv/version.hpp>

namespace rwkv::inline RWKV_ABI::checkpoint {

/// The tensors of one file.
using Shard = std::vector<ExportTensor>;

/// Splits the tensors, in their order, into files of at most `max_bytes` bytes; a larger tensor has a file of its own.
/// Within a file the tensors are ordered so that each is aligned as mapping needs it.
inline std::vector<Shard> split_into_shards(std::vector<ExportTensor> tensors, std::uint64_t max_bytes) {
    std::vector<Shard> shards(1);
    std::uint64_t bytes = 0;
    for (ExportTensor& tensor : tensors) {
        if (!shards.back().empty() && (tensor.info.bytes > max_bytes || bytes > max_bytes - tensor.info.bytes)) {
            shards.emplace_back();
            bytes = 0;
        }
        bytes += tensor.info.bytes;
        shards.back().push_back(std::move(tensor));
    }
    for (Shard& shard : shards)
        core::sort_stably(shard, [](const ExportTensor& a, const ExportTensor& b) {
            const bool quantized = kernels::is_quantized(a.planned.format);
            if (quantized != kernels::is_quantized(b.planned.format)) return quantized;
            return core::bits(a.info.dtype) > core::bits(b.info.dtype);
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

/// Reads, converts and writes the tensors of a file. Throws as reading does; FileError where it cannot be written.
inline void write_shard(const CheckpointPlan& plan, const Shard& shard, const std::filesystem::path& path, int threads,
                        ProgressMeter& meter) {
    std::vector<TensorInfo> infos;
    std::map<std::string, std::string> metadata{{"format", "pt"}};
    for (const auto& [planned, info] : shard) {
        infos.push_back(info);
        if (kernels::is_quantized(planned.format))
            describe_quantized(metadata, info.name, planned.format, planned.spec.rows, planned.spec.cols);
    }
    io::SafetensorsWriter writer(path, std::move(infos), metadata);
    for (const ExportTensor& tensor : shard)
        stream_tensor(plan, tensor.planned, threads, meter,
                      [&](std::span<const std::byte> bytes) { writer.write(bytes); });
    writer.finish();
}

/// The `torch_dtype` of a config.json: the type of the matrices (embeddings aside) where all have the same, and the one
/// that holds them all, float32, where they differ or are quantized.
inline std::string torch_dtype(const std::vector<ExportTensor>& tensors) {
    std::optional<DType> type;
    for (const auto& [planned, info] : tensors) {
        if (planned.spec.kind != TensorKind::matrix) continue;
        if (type && *type != info.dtype) return "float32";
        type = info.dtype;
    }
    return type == DType::f16 ? "float16" : type == DType::bf16 ? "bfloat16" : "float32";
}

}  // namespace rwkv::inline RWKV_ABI::checkpoint
