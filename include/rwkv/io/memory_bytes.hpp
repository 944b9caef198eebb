#pragma once

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <filesystem>
#include <span>
#include <string>
#include <utility>

#include <rwkv/core/error.hpp>
#include <rwkv/version.hpp>

namespace rwkv::inline RWKV_ABI::io {

/// Bytes in memory, read as a file is: a ByteSource. They stay the caller's.
class MemoryBytes {
  public:
    /// `name` stands for the path in messages.
    MemoryBytes(std::span<const std::byte> bytes, std::filesystem::path name) : bytes_(bytes), name_(std::move(name)) {}

    std::uint64_t size() const noexcept { return bytes_.size(); }
    const std::filesystem::path& path() const noexcept { return name_; }

    /// Fills `out` with the bytes that begin at `offset`. Throws: FileError where there are fewer.
    void read(std::uint64_t offset, std::span<std::byte> out) const {
        if (offset > bytes_.size() || out.size() > bytes_.size() - offset)
            throw FileError(name_.string(), "",
                            "at least " + std::to_string(out.size()) + " bytes from byte " + std::to_string(offset),
                            std::to_string(bytes_.size()) + " bytes in all");
        if (!out.empty()) std::memcpy(out.data(), bytes_.data() + offset, out.size());
    }

  private:
    std::span<const std::byte> bytes_;
    std::filesystem::path name_;
};

}  // namespace rwkv::inline RWKV_ABI::io
