#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>

#include <rwkv/version.hpp>

namespace rwkv::inline RWKV_ABI::io {

namespace detail {

/// The checksum of each byte.
inline constexpr std::array<std::uint32_t, 256> crc32_table = [] {
    std::array<std::uint32_t, 256> table{};
    for (std::uint32_t byte = 0; byte < 256; ++byte) {
        std::uint32_t value = byte;
        for (int bit = 0; bit < 8; ++bit) value = value >> 1U ^ (value & 1U ? 0xEDB88320U : 0U);
        table[byte] = value;
    }
    return table;
}();

}  // namespace detail

/// The CRC-32 of ZIP archives (and of gzip and PNG).
constexpr std::uint32_t crc32(std::span<const std::byte> bytes) noexcept {
    std::uint32_t value = ~0U;
    for (const std::byte byte : bytes)
        value = value >> 8U ^ detail::crc32_table[(value ^ std::to_integer<std::uint32_t>(byte)) & 0xFFU];
    return ~value;
}

}  // namespace rwkv::inline RWKV_ABI::io
