#pragma once

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <span>

#include <rwkv/core/inline.hpp>
#include <rwkv/generation/fixed_point.hpp>
#include <rwkv/generation/mirostat.hpp>

namespace rwkv::inline RWKV_ABI::generation {

RWKV_INLINE void Mirostat::apply(Candidates& candidates) const {
    const std::span<const std::uint64_t> weights = candidates.weights();
    std::uint64_t total = 0, max_weight = 0;
    for (const std::uint64_t weight : weights) {
        total += weight;
        max_weight = (std::max)(max_weight, weight);
    }
    // The smallest weight allowed is total · 2^−maximum, or 2^(38 − depth).
    const auto depth = (std::int64_t{fixed_point::weight_bits} << 32U) - fixed_point::log2(total) +
                       static_cast<std::int64_t>(max_surprise_ * 0x1p32);
    const std::uint64_t min_weight = (std::max)(
        fixed_point::weight(static_cast<std::uint64_t>((std::max)(depth, std::int64_t{0}))), std::uint64_t{1});
    // Filters may have removed all tokens of the largest weight there can be.
    if (depth < 0 || min_weight > max_weight)
        return candidates.keep_only(
            static_cast<std::size_t>(std::find(weights.begin(), weights.end(), max_weight) - weights.begin()));
    candidates.keep_if([&](std::size_t i) { return weights[i] >= min_weight; });
}

RWKV_INLINE void Mirostat::update(std::uint64_t total, std::uint64_t weight) noexcept {
    const auto surprise = static_cast<double>((fixed_point::log2(total) - fixed_point::log2(weight) + (1 << 11)) >> 12);
    const double target = std::floor(static_cast<double>(tau_) * 0x1p20 + 0.5);
    const double error = (surprise - target) * 0x1p-20;
    max_surprise_ = (std::min)(max_surprise_ - static_cast<double>(eta_) * error, 64.0);  // nothing surprises more
}

}  // namespace rwkv::inline RWKV_ABI::generation
