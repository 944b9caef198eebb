#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>
#include <vector>

#include <rwkv/checkpoint/checkpoint_plan.hpp>
#include <rwkv/version.hpp>

namespace rwkv::inline RWKV_ABI::checkpoint {

/// FNV-1a, of 64 bits.
class Fnv1a {
  public:
    void add(std::span<const std::byte> bytes) noexcept {
        for (const std::byte byte : bytes) sum_ = (sum_ ^ static_cast<std::uint64_t>(byte)) * 0x100000001B3;
    }
    void add(std::string_view text) noexcept { add(std::as_bytes(std::span(text))); }
    void add(std::uint64_t number) noexcept { add(std::as_bytes(std::span(&number, 1))); }
    std::uint64_t sum() const noexcept { return sum_; }

  private:
    std::uint64_t sum_ = 0xCBF29CE484222325;
};

/// A number that tells models apart: of the names, sizes and formats of all tensors and of samples of their bytes, from
/// the beginning, the middle and the end of each. Reads some megabytes. Throws: FileError.
inline std::uint64_t fingerprint(const CheckpointPlan& plan) {
    constexpr std::uint64_t sample = 4096;
    Fnv1a hash;
    std::vector<std::byte> bytes(sample);
    for (const PlannedTensor& tensor : plan.tensors()) {
        hash.add(tensor.spec.name);
        hash.add(static_cast<std::uint64_t>(tensor.spec.rows));
        hash.add(static_cast<std::uint64_t>(tensor.spec.cols));
        hash.add(static_cast<std::uint64_t>(tensor.format));
        hash.add(static_cast<std::uint64_t>(tensor.source->info.dtype));
        const bool elsewhere = tensor.change && tensor.change->replacement;  // in the files of an adapter
        if (elsewhere) continue;
        const std::uint64_t size = tensor.source->info.bytes, count = (std::min)(size, sample);
        for (const std::uint64_t offset : {std::uint64_t{0}, (size - count) / 2, size - count}) {
            const std::span<std::byte> some(bytes.data(), static_cast<std::size_t>(count));
            plan.checkpoint().read(*tensor.source, offset, some);
            hash.add(some);
        }
    }
    return hash.sum();
}

}  // namespace rwkv::inline RWKV_ABI::checkpoint
