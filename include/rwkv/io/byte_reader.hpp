#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>

#include <rwkv/core/error.hpp>
#include <rwkv/core/message.hpp>
#include <rwkv/version.hpp>

namespace rwkv::inline RWKV_ABI::io {

/// Reads numbers, little-endian, and bytes from a span, from front to back. Throws FormatError where the span ends too
/// soon. The bytes and the two names, which are for messages, stay the caller's.
class ByteReader {
  public:
    ByteReader(std::span<const std::byte> bytes, const std::string& where, std::string_view subject) noexcept
        : bytes_(bytes), where_(where), subject_(subject) {}

    /// An unsigned number of `bytes` bytes, at most eight.
    std::uint64_t number(std::size_t bytes) {
        std::uint64_t value = 0;
        unsigned shift = 0;
        for (const std::byte byte : take(bytes)) {
            value |= std::to_integer<std::uint64_t>(byte) << shift;
            shift += 8;
        }
        return value;
    }
    std::uint8_t u8() { return static_cast<std::uint8_t>(number(1)); }
    std::uint16_t u16() { return static_cast<std::uint16_t>(number(2)); }
    std::uint32_t u32() { return static_cast<std::uint32_t>(number(4)); }
    std::uint64_t u64() { return number(8); }

    /// The next `count` bytes, in place.
    std::span<const std::byte> take(std::uint64_t count) {
        if (count > remaining())
            core::fail<FormatError>(where_, {subject_}, {count, " more bytes at byte ", position_}, {remaining()});
        const auto taken = bytes_.subspan(position_, count);
        position_ += taken.size();
        return taken;
    }

    /// The next `count` bytes, in place, as text.
    std::string_view text(std::uint64_t count) {
        const auto taken = take(count);
        return {reinterpret_cast<const char*>(taken.data()), taken.size()};
    }

    /// The number of bytes that have been read.
    std::size_t position() const noexcept { return position_; }
    /// The number of bytes that are left.
    std::size_t remaining() const noexcept { return bytes_.size() - position_; }

  private:
    std::span<const std::byte> bytes_;
    const std::string& where_;
    std::string_view subject_;
    std::size_t position_ = 0;
};

}  // namespace rwkv::inline RWKV_ABI::io
