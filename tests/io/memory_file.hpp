#pragma once

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <span>
#include <string>
#include <utility>

#include <rwkv/io/byte_source.hpp>

namespace rwkv::test {

/// Bytes in memory that are read as a file called "file", and how often they were. To ask for bytes that are not there
/// is a fault of the reader, and a FileError, which no test of a reader expects.
class MemoryFile final : public ByteSource {
  public:
    explicit MemoryFile(std::string bytes) : ByteSource("file", bytes.size()), bytes_(std::move(bytes)) {}

    mutable std::size_t reads = 0;

  private:
    std::size_t do_read(std::uint64_t offset, std::span<std::byte> out) const override {
        ++reads;
        std::memcpy(out.data(), bytes_.data() + offset, out.size());
        return out.size();
    }

    std::string bytes_;
};

}  // namespace rwkv::test
