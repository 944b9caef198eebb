#pragma once

#include <bit>
#include <cstdint>

#include <rwkv/version.hpp>

namespace rwkv::inline RWKV_ABI::core {

/// The bits of an IEEE half-precision number, as weights are stored.
struct Float16 {
    std::uint16_t bits;
};

/// The upper half of the bits of a float, as weights and scales are stored.
struct BFloat16 {
    std::uint16_t bits;
};

/// The number as a float: every number of the two types is one.
[[nodiscard]] constexpr float to_float(float number) noexcept {
    return number;
}
[[nodiscard]] constexpr float to_float(BFloat16 number) noexcept {
    return std::bit_cast<float>(static_cast<std::uint32_t>(number.bits) << 16);
}
[[nodiscard]] constexpr float to_float(Float16 number) noexcept {
    constexpr std::uint32_t first_infinite = 0x7C00u << 13;  // and NaN above it, once moved to a float's places
    const std::uint32_t sign = (number.bits & 0x8000u) << 16;
    std::uint32_t magnitude = (number.bits & 0x7FFFu) << 13;
    if (magnitude >= first_infinite) return std::bit_cast<float>(sign | (magnitude + ((255u - 31u) << 23)));
    magnitude += (127u - 15u) << 23;
    if (number.bits & 0x7C00u) return std::bit_cast<float>(sign | magnitude);
    // Zero and subnormal numbers: 2^-14 · (1 + fraction) less 2^-14.
    const float fraction = std::bit_cast<float>(magnitude + (1u << 23)) - std::bit_cast<float>((127u - 14u) << 23);
    return std::bit_cast<float>(sign | std::bit_cast<std::uint32_t>(fraction));
}

/// The nearest number of type T, of two equally near the even one; beyond the range an infinity; NaN for NaN.
template <class T>
[[nodiscard]] constexpr T round_to(float number) noexcept;

template <>
[[nodiscard]] constexpr float round_to<float>(float number) noexcept {
    return number;
}
template <>
[[nodiscard]] constexpr BFloat16 round_to<BFloat16>(float number) noexcept {
    const auto bits = std::bit_cast<std::uint32_t>(number);
    if ((bits & 0x7FFF'FFFFu) > 0x7F80'0000u) return {static_cast<std::uint16_t>(bits >> 31 << 15 | 0x7FC0u)};
    return {static_cast<std::uint16_t>((bits + 0x7FFFu + (bits >> 16 & 1u)) >> 16)};
}
template <>
[[nodiscard]] constexpr Float16 round_to<Float16>(float number) noexcept {
    const auto bits = std::bit_cast<std::uint32_t>(number);
    const std::uint32_t sign = bits >> 16 & 0x8000u;
    std::uint32_t magnitude = bits & 0x7FFF'FFFFu;
    if (magnitude > 0x7F80'0000u) return {static_cast<std::uint16_t>(sign | 0x7E00u)};
    if (magnitude >= (127u + 16u) << 23) return {static_cast<std::uint16_t>(sign | 0x7C00u)};
    if (magnitude < (127u - 14u) << 23) {
        // Subnormal: the addition of 2^-1 leaves multiples of 2^-24 in the lowest bits, rounded.
        constexpr float half = 0.5f;
        magnitude =
            std::bit_cast<std::uint32_t>(std::bit_cast<float>(magnitude) + half) - std::bit_cast<std::uint32_t>(half);
    } else {
        magnitude = (magnitude - ((127u - 15u) << 23) + 0xFFFu + (magnitude >> 13 & 1u)) >> 13;
    }
    return {static_cast<std::uint16_t>(sign | magnitude)};
}

}  // namespace rwkv::inline RWKV_ABI::core
