#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <span>
#include <vector>

#include <rwkv/version.hpp>

namespace rwkv::inline RWKV_ABI::io {

/// Bytes that can be read from any offset: of an InputFile, or, in tests, of memory.
class ByteSource {
  public:
    virtual ~ByteSource() = default;

    /// The number of bytes.
    virtual std::uint64_t size() const noexcept = 0;

    /// What the bytes are called in messages.
    virtual const std::filesystem::path& path() const noexcept = 0;

    /// Fills `out` with the bytes from `offset` on. Throws where there are fewer.
    virtual void read(std::uint64_t offset, std::span<std::byte> out) const = 0;

  protected:
    ByteSource() = default;
    ByteSource(const ByteSource&) = default;
    ByteSource& operator=(const ByteSource&) = default;
};

/// The `count` bytes of a source from `offset` on. Throws as its `read` does.
[[nodiscard]] inline std::vector<std::byte> bytes_at(const ByteSource& source, std::uint64_t offset,
                                                     std::uint64_t count) {
    std::vector<std::byte> bytes(static_cast<std::size_t>(count));
    source.read(offset, bytes);
    return bytes;
}

}  // namespace rwkv::inline RWKV_ABI::io
