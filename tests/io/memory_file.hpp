#pragma once

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <filesystem>
#include <span>
#include <stdexcept>
#include <string>
#include <utility>

#include <rwkv/io/byte_source.hpp>

namespace rwkv::test {

/// Bytes in memory that are read as a file called "file". To read past the end is a fault of the reader.
class MemoryFile final : public io::ByteSource {
  public:
    explicit MemoryFile(std::string bytes) : bytes_(std::move(bytes)) {}

    std::uint64_t size() const noexcept override { return bytes_.size(); }
    const std::filesystem::path& path() const noexcept override { return path_; }
    void read(std::uint64_t offset, std::span<std::byte> out) const override {
        if (offset > bytes_.size() || out.size() > bytes_.size() - offset) throw std::logic_error("read past the end");
        if (!out.empty()) std::memcpy(out.data(), bytes_.data() + offset, out.size());
        ++reads;
    }

    mutable std::size_t reads = 0;

  private:
    std::string bytes_;
    std::filesystem::path path_ = "file";
};

}  // namespace rwkv::test
