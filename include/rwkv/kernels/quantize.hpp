#pragma once

#include <algorithm>
#include <array>
#include <cmath>
#include <cstddef>
#include <cstdint>

#include <rwkv/kernels/arch/avx512.hpp>
#include <rwkv/kernels/arch/neon.hpp>
#include <rwkv/kernels/weight_matrix.hpp>
#include <rwkv/version.hpp>

namespace rwkv::inline RWKV_ABI::kernels {

/// One block of a row: its weights, then its codes and their scale.
template <QuantizedFormat Format>
struct Block {
    static constexpr auto size = static_cast<std::size_t>(Format::block_cols);
    std::array<float, size> weights{};
    std::array<std::uint8_t, size> codes{};
    Eigen::bfloat16 scale{};

    float largest_magnitude() const noexcept {
        float largest = 0;
        for (const float weight : weights) largest = std::max(largest, std::abs(weight));
        return largest;
    }
    /// 1 / scale, or 0 for a scale that has no reciprocal.
    static float reciprocal(float scale) noexcept {
        const float reciprocal = 1 / scale;
        return std::isfinite(reciprocal) ? reciprocal : 0;
    }
};

/// The scale that makes the largest weight 127, and the weights rounded to it.
inline void quantize(Block<Q8>& block) noexcept {
    block.scale = static_cast<Eigen::bfloat16>(block.largest_magnitude() / 127);
    const float factor = block.reciprocal(static_cast<float>(block.scale));
    for (std::size_t i = 0; i < block.size; ++i)
        block.codes[i] =
            static_cast<std::uint8_t>(128 + std::clamp(std::nearbyint(block.weights[i] * factor), -127.0f, 127.0f));
}

/// The place in Q4::table nearest to x.
inline std::uint8_t nearest_q4(float x) noexcept {
    std::uint8_t code = 0;
    for (std::size_t c = 1; c < Q4::table.size(); ++c)
        code += x > 0.5f * static_cast<float>(Q4::table[c - 1] + Q4::table[c]);
    return code;
}

/// See arch/fit.inl.
inline Fit fit_q4(const float* weights, float factor, [[maybe_unused]] Isa isa = best_isa()) noexcept {
#if defined(RWKV_X86_KERNELS)
    if (isa >= Isa::avx512) return avx512::fit_q4(weights, factor);
    if (isa == Isa::avx2) return avx2::fit_q4(weights, factor);
#elif defined(RWKV_NEON_KERNELS)
    if (isa == Isa::neon) return neon::fit_q4(weights, factor);
#endif
    Fit fit{0, 0};
    for (Index i = 0; i < Q4::block_cols; ++i) {
        const float x = weights[i] * factor, code = static_cast<float>(Q4::table[nearest_q4(x)]);
        fit.product += x * code;
        fit.square += code * code;
    }
    return fit;
}

/// Likewise.
inline void place_q4(const float* weights, float factor, std::uint8_t* codes,
                     [[maybe_unused]] Isa isa = best_isa()) noexcept {
#if defined(RWKV_X86_KERNELS)
    if (isa >= Isa::avx512) return avx512::place_q4(weights, factor, codes);
    if (isa == Isa::avx2) return avx2::place_q4(weights, factor, codes);
#elif defined(RWKV_NEON_KERNELS)
    if (isa == Isa::neon) return neon::place_q4(weights, factor, codes);
#endif
    for (Index i = 0; i < Q4::block_cols; ++i) codes[i] = nearest_q4(weights[i] * factor);
}

/// Tries scales about the one that makes the largest weight ±127 and takes the one whose nearest codes, after the least
/// squares' own correction of the scale, leave the smallest squared error.
inline void quantize(Block<Q4>& block) noexcept {
    const float largest_is_127 = block.reciprocal(block.largest_magnitude() / 127);
    float best = 0, scale = 0;
    for (const float share : {0.8f, 0.85f, 0.9f, 0.95f, 1.0f, 1.05f, 1.1f, 1.15f}) {
        for (const float sign : {1.0f, -1.0f}) {
            const float factor = sign * share * largest_is_127;
            const auto [product, square] = fit_q4(block.weights.data(), factor);
            // With the best scale for these codes, product / square / factor, the squared error is Σ weight² − gain.
            const float gain = product / square * product / (factor / largest_is_127 * factor / largest_is_127);
            if (gain > best) best = gain, scale = product / square / factor;
        }
    }
    block.scale = static_cast<Eigen::bfloat16>(scale);
    place_q4(block.weights.data(), block.reciprocal(static_cast<float>(block.scale)), block.codes.data());
}

/// Quantizes one group: `rows` rows of `cols` weights, row after row, at most group_rows of them. Writes all
/// group_bytes(cols) bytes of `group`.
template <QuantizedFormat Format>
void quantize_group(const float* weights, Index rows, Index cols, std::byte* group) noexcept {
    using Matrix = WeightMatrix<Format>;
    auto* const scales = reinterpret_cast<Eigen::bfloat16*>(group);
    auto* const codes = reinterpret_cast<std::uint8_t*>(group + Matrix::scale_bytes(cols));
    std::fill_n(group, Matrix::scale_bytes(cols), std::byte(0));
    std::fill_n(codes, Matrix::code_bytes(cols), std::uint8_t(Format::bits == 8 ? 128 : 0));
    for (Index r = 0; r < rows; ++r) {
        for (Index b = 0; b < Matrix::blocks(cols); ++b) {
            Block<Format> block;
            const Index first = b * Format::block_cols;
            std::copy_n(weights + r * cols + first, std::min(Format::block_cols, cols - first), block.weights.begin());
            quantize(block);
            scales[b * group_rows + r] = block.scale;
            for (Index i = 0; i < Format::block_cols; ++i) {
                const Index step = (first + i) / step_cols, lane = r * step_cols + i % step_cols;
                const std::uint8_t code = block.codes[static_cast<std::size_t>(i)];
                if constexpr (Format::bits == 8)
                    codes[step * 64 + lane] = code;
                else
                    codes[step / 2 * 64 + lane] |= static_cast<std::uint8_t>(step % 2 ? code << 4 : code);
            }
        }
    }
}

}  // namespace rwkv::inline RWKV_ABI::kernels
