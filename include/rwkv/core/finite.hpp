#pragma once

#include <bit>
#include <cstdint>

#include <rwkv/version.hpp>

// Detects infinities and NaN by their bits. With -ffast-math, comparisons and std::isfinite cannot do that, since the
// compiler assumes that there are none. Numbers are passed by reference for the same reason.

namespace rwkv::inline RWKV_ABI::core {

inline constexpr std::uint32_t float_infinity_bits = 0x7F80'0000;
inline constexpr float minus_infinity = std::bit_cast<float>(float_infinity_bits | 0x8000'0000);
inline constexpr float not_a_number = std::bit_cast<float>(float_infinity_bits | 0x0040'0000);

/// Whether the compiler assumes that numbers are finite.
#if defined(__FINITE_MATH_ONLY__) && __FINITE_MATH_ONLY__
inline constexpr bool finite_math_only = true;
#else
inline constexpr bool finite_math_only = false;
#endif

/// Whether the number is neither infinite nor NaN.
[[nodiscard]] inline bool is_finite(const float& number) noexcept {
    return (std::bit_cast<std::uint32_t>(number) & float_infinity_bits) != float_infinity_bits;
}
[[nodiscard]] inline bool is_finite(const double& number) noexcept {
    constexpr std::uint64_t infinity_bits = 0x7FF0'0000'0000'0000;
    return (std::bit_cast<std::uint64_t>(number) & infinity_bits) != infinity_bits;
}
/// Whether the number is −∞.
[[nodiscard]] inline bool is_minus_infinity(const float& number) noexcept {
    return std::bit_cast<std::uint32_t>(number) == (float_infinity_bits | 0x8000'0000);
}
/// Whether the number is NaN.
[[nodiscard]] inline bool is_nan(const float& number) noexcept {
    return (std::bit_cast<std::uint32_t>(number) & 0x7FFF'FFFF) > float_infinity_bits;
}

}  // namespace rwkv::inline RWKV_ABI::core
