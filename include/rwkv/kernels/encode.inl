#pragma once

#include <algorithm>
#include <array>
#include <cmath>
#include <cstddef>
#include <cstdint>

#include <rwkv/core/finite.hpp>
#include <rwkv/core/float16.hpp>
#include <rwkv/core/inline.hpp>
#include <rwkv/kernels/encode.hpp>
#include <rwkv/kernels/target.hpp>

namespace rwkv::inline RWKV_ABI::kernels {

namespace detail {

/// A scale block of a row: its weights, then its quantized values and their scale.
template <QuantizedFormat Format>
struct ScaleBlock {
    static constexpr auto size = static_cast<std::size_t>(Format::block_cols);
    std::array<float, size> weights{};
    std::array<std::uint8_t, size> quantized{};
    core::BFloat16 scale{};

    float max_magnitude() const noexcept {
        float largest = 0;
        for (const float weight : weights) largest = (std::max)(largest, std::abs(weight));
        return largest;
    }
    /// 1 / scale, or 0 for a scale without a finite reciprocal.
    static float reciprocal(float scale) noexcept {
        const float reciprocal = 1 / scale;
        return core::is_finite(reciprocal) ? reciprocal : 0;
    }
};

/// The scale that makes the largest weight 127, and the weights rounded to multiples of it.
inline void quantize(const Target&, ScaleBlock<Q8>& block) noexcept {
    block.scale = core::round_to<core::BFloat16>(block.max_magnitude() / 127);
    const float factor = block.reciprocal(core::to_float(block.scale));
    for (std::size_t i = 0; i < block.size; ++i)
        block.quantized[i] =
            static_cast<std::uint8_t>(128 + std::clamp(std::nearbyint(block.weights[i] * factor), -127.0f, 127.0f));
}

/// Tries scales about the one that makes the largest weight ±127 and takes the one whose nearest codebook entries,
/// after the least-squares correction of the scale, leave the smallest squared error.
inline void quantize(const Target& target, ScaleBlock<Q4>& block) noexcept {
    const float largest_is_127 = block.reciprocal(block.max_magnitude() / 127);
    float best = 0, scale = 0;
    for (const float share : {0.8f, 0.85f, 0.9f, 0.95f, 1.0f, 1.05f, 1.1f, 1.15f}) {
        for (const float sign : {1.0f, -1.0f}) {
            const float factor = sign * share * largest_is_127;
            const auto [product, square] = target.q4_error_terms(block.weights.data(), factor);
            if (factor == 0 || square == 0) continue;
            // With the best scale for these entries, product / square / factor, the squared error is Σ weight² − gain.
            const float gain = product / square * product / (factor / largest_is_127 * factor / largest_is_127);
            if (gain > best) {
                best = gain;
                scale = product / square / factor;
            }
        }
    }
    block.scale = core::round_to<core::BFloat16>(scale);
    target.encode_q4(block.weights.data(), block.reciprocal(core::to_float(block.scale)), block.quantized.data());
}

/// Quantizes up to sixteen rows of floats, row after row, into a row group.
template <QuantizedFormat Format>
void quantize_group(const Target& target, const float* weights, Index rows, Index cols, std::byte* group) noexcept {
    using View = WeightView<Format>;
    auto* const scales = reinterpret_cast<core::BFloat16*>(group);
    auto* const values = reinterpret_cast<std::uint8_t*>(group + View::scale_bytes(cols));
    std::fill_n(group, View::scale_bytes(cols), std::byte(0));
    std::fill_n(values, View::quantized_bytes(cols), std::uint8_t(Format::bits == 8 ? 128 : 0));
    for (Index r = 0; r < rows; ++r) {
        for (Index b = 0; b < View::blocks(cols); ++b) {
            ScaleBlock<Format> block;
            const Index first = b * Format::block_cols;
            std::copy_n(weights + r * cols + first, (std::min)(Format::block_cols, cols - first),
                        block.weights.begin());
            quantize(target, block);
            scales[b * group_rows + r] = block.scale;
            for (Index i = 0; i < Format::block_cols; ++i) {
                const Index step = (first + i) / step_cols, lane = r * step_cols + i % step_cols;
                const std::uint8_t value = block.quantized[static_cast<std::size_t>(i)];
                if constexpr (Format::bits == 8)
                    values[step * 64 + lane] = value;
                else
                    values[step / 2 * 64 + lane] |= static_cast<std::uint8_t>(step % 2 ? value << 4 : value);
            }
        }
    }
}

/// Rounds up to sixteen rows of floats, row after row, into a row group, with zeros for missing rows.
template <class T>
void round_group(const float* from, Index rows, Index cols, T* group) noexcept {
    constexpr Index block = 64;  // columns, so that what is written stays in the first-level cache
    for (Index begin = 0; begin < cols; begin += block) {
        const Index end = (std::min)(begin + block, cols);
        for (Index r = 0; r < group_rows; ++r)
            for (Index c = begin; c < end; ++c)
                group[c * group_rows + r] = r < rows ? core::round_to<T>(from[r * cols + c]) : T{};
    }
}

}  // namespace detail

RWKV_INLINE void encode_rows(WeightFormat format, Layout layout, const float* from, Index rows, Index cols,
                             std::byte* to) noexcept {
    const Target& target = best_target();
    with_format(format, [&]<class Format>(Format) {
        if constexpr (QuantizedFormat<Format>) {
            for (Index r = 0; r < rows; r += group_rows)
                detail::quantize_group<Format>(target, from + r * cols, (std::min)(group_rows, rows - r), cols,
                                               to + r / group_rows * WeightView<Format>::group_bytes(cols));
        } else {
            using T = typename Format::Storage;
            auto* const elements = reinterpret_cast<T*>(to);
            if (layout == Layout::row_major) {
                for (Index i = 0; i < rows * cols; ++i) elements[i] = core::round_to<T>(from[i]);
                return;
            }
            for (Index r = 0; r < rows; r += group_rows)
                detail::round_group(from + r * cols, (std::min)(group_rows, rows - r), cols, elements + r * cols);
        }
    });
}

}  // namespace rwkv::inline RWKV_ABI::kernels
