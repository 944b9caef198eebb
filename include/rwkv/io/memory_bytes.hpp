#pragma once

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <filesystem>
#include <span>
#include <utility>

#include <rwkv/core/error.hpp>
#include <rwkv/core/message.hpp>
#include <rwkv/io/byte_source.hpp>
#include <rwkv/version.hpp>

namespace rwkv::inline RWKV_ABI::io {

/// Bytes in memory that are read as a file is. They stay the caller's.
class MemoryBytes final : public ByteSource {
  public:
    /// `name` stands for the path in messages.
    MemoryBytes(std::span<const std::byte> bytes, std::filesystem::path name) : bytes_(bytes), name_(std::move(name)) {}

    std::uint64_t size() const noexcept override { return bytes_.size(); }
    const std::filesystem::path& path() const noexcept override { return name_; }

    /// Throws FileError where there are fewer bytes.
    void read(std::uint64_t offset, std::span<std::byte> out) const override {
        if (offset > bytes_.size() || out.size() > bytes_.size() - offset)
            core::fail<FileError>(name_.string(), {}, {"at least ", out.size(), " bytes from byte ", offset},
                                  {bytes_.size(), " bytes in all"});
        if (!out.empty()) std::memcpy(out.data(), bytes_.data() + offset, out.size());
    }

  private:
    std::span<const std::byte> bytes_;
    std::filesystem::path name_;
};

}  // namespace rwkv::inline RWKV_ABI::io
