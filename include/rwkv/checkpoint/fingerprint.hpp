#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include <rwkv/checkpoint/checkpoint_plan.hpp>
#include <rwkv/checkpoint/content_hash.hpp>
#include <rwkv/core/tensor.hpp>
#include <rwkv/version.hpp>

namespace rwkv::inline RWKV_ABI::checkpoint {

/// A number that tells the files of models apart: of the names, sizes and formats of all tensors and of samples of
/// their bytes, from the beginning, the middle and the end of each. Reads some megabytes. Throws: FileError.
inline std::uint64_t files_fingerprint(const CheckpointPlan& plan) {
    constexpr std::uint64_t sample = 4096;
    ContentHash hash;
    std::vector<std::byte> bytes(sample);
    for (const PlannedTensor& tensor : plan.tensors()) {
        hash.add(std::as_bytes(std::span(tensor.spec.name)));
        const Index shape[] = {tensor.spec.rows, tensor.spec.cols, static_cast<Index>(tensor.format),
                               static_cast<Index>(tensor.source->info.dtype)};
        hash.add_numbers(std::span<const Index>(shape));
        const bool elsewhere = tensor.change && tensor.change->replacement;  // in the files of an adapter
        if (elsewhere) continue;
        const std::uint64_t size = tensor.source->info.bytes, count = (std::min)(size, sample);
        for (const std::uint64_t offset : {std::uint64_t{0}, (size - count) / 2, size - count}) {
            const std::span<std::byte> some(bytes.data(), static_cast<std::size_t>(count));
            plan.checkpoint().read(*tensor.source, offset, some);
            hash.add(some);
        }
    }
    return hash.value();
}

}  // namespace rwkv::inline RWKV_ABI::checkpoint
