#pragma once

#include <bit>
#include <cstdint>

#include <rwkv/version.hpp>

// Powers and logarithms in whole numbers, for sampling: the same on every platform, whatever the compiler makes of
// floating point (fused multiplications, the standard library's exp). Logarithms are to the base 2, in units of 2^-32.

namespace rwkv::inline RWKV_ABI::generation::fixed_point {

/// The weight at depth 0 is 2^38: that of 2^24 logits, the maximum, add up within 64 bits.
inline constexpr int weight_bits = 38;
/// At this depth and below it weights are 0.
inline constexpr std::uint64_t zero_weight_depth = std::uint64_t{weight_bits + 1} << 32U;

/// 2^38 · 2^(−depth · 2^-32), rounded down, with a relative error below 10^-9 before that. No branches and no table, so
/// that compilers can vectorize it.
constexpr std::uint64_t weight(std::uint64_t depth) noexcept {
    // 2^−f for 0 ≤ f < 1 by the polynomial that equals it at eight Chebyshev points, both ends among them.
    const std::uint64_t f = depth & 0xFFFFFFFFU;
    std::uint64_t sum = 185987;  // coefficients, in units of 2^-34
    sum = 2531224 - (sum * f >> 32U);
    sum = 22814725 - (sum * f >> 32U);
    sum = 165197830 - (sum * f >> 32U);
    sum = 953544094 - (sum * f >> 32U);
    sum = 4127059017 - (sum * f >> 32U);
    sum = 2977044465 - (sum * f >> 34U);  // 2^-32
    sum = (std::uint64_t{1} << weight_bits) - (sum * f >> 26U);
    const std::uint64_t octaves = depth >> 32U;
    return sum >> (octaves < 63 ? octaves : 63);
}

/// The logarithm of a number that is not 0, rounded down, at most 7 units too low.
constexpr std::int64_t log2(std::uint64_t value) noexcept {
    const int octaves = 63 - std::countl_zero(value);
    std::uint64_t x = octaves < 31 ? value << (31 - octaves) : value >> (octaves - 31);  // 1 to 2, in units of 2^-31
    std::int64_t result = octaves;
    for (int bit = 0; bit < 32; ++bit) {  // squaring doubles the logarithm: its next bit is whether that passes 2
        x = x * x >> 31U;
        const std::uint64_t passed = x >> 32U;
        x >>= passed;
        result = result * 2 + static_cast<std::int64_t>(passed);
    }
    return result;
}

/// A depth at which `tokens` tokens together weigh no more than `weight`, and a little below it.
constexpr std::uint64_t depth_of(std::uint64_t weight, std::uint64_t tokens) noexcept {
    constexpr std::int64_t rounding = 1 << 8;
    return static_cast<std::uint64_t>((std::int64_t{weight_bits} << 32U) + log2(tokens) - log2(weight) + rounding);
}

}  // namespace rwkv::inline RWKV_ABI::generation::fixed_point
