#pragma once

#include <cstddef>
#include <cstdint>
#include <limits>
#include <optional>

#include <rwkv/version.hpp>

namespace rwkv::inline RWKV_ABI::core {

// A size that a file can have fits in size_t and in Index.
static_assert(sizeof(std::size_t) == sizeof(std::uint64_t), "models are for 64-bit systems");

/// a · b, or nothing where the product does not fit. Every size that comes from a file goes through these functions.
[[nodiscard]] constexpr std::optional<std::uint64_t> checked_multiply(std::uint64_t a, std::uint64_t b) noexcept {
    if (a != 0 && b > (std::numeric_limits<std::uint64_t>::max)() / a) return std::nullopt;
    return a * b;
}

/// a + b, or nothing where the sum does not fit.
[[nodiscard]] constexpr std::optional<std::uint64_t> checked_add(std::uint64_t a, std::uint64_t b) noexcept {
    if (b > (std::numeric_limits<std::uint64_t>::max)() - a) return std::nullopt;
    return a + b;
}

}  // namespace rwkv::inline RWKV_ABI::core
