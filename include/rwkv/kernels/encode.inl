#pragma once

#include <algorithm>
#include <array>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <cstring>

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

/// The four bytes of four rows, transposed: those of four columns.
inline void transpose_bytes(const std::uint32_t (&from)[4], std::uint32_t (&to)[4]) noexcept {
    for (int column = 0; column < 4; ++column) {
        to[column] = 0;
        for (int row = 0; row < 4; ++row) to[column] |= (from[row] >> 8 * column & 255) << 8 * row;
    }
}

/// Row group `group` of a matrix of `all_rows`, one way or the other.
template <DenseFormat Format, bool ToColumns, class Group, class Columns>
void copy_group(Group* group_bytes, Index group, Index all_rows, Index cols, Columns* column_bytes) noexcept {
    constexpr std::size_t bytes = static_cast<std::size_t>(group_rows) * sizeof(typename Format::Storage);
    column_bytes += static_cast<std::size_t>(group) * bytes;
    const std::size_t stride = static_cast<std::size_t>(stored_rows(all_rows)) * sizeof(typename Format::Storage);
    for (Index c = 0; c < cols; ++c, group_bytes += bytes, column_bytes += stride) {
        if constexpr (ToColumns)
            std::memcpy(column_bytes, group_bytes, bytes);
        else
            std::memcpy(group_bytes, column_bytes, bytes);
    }
}

template <QuantizedFormat Format, bool ToColumns, class Group, class Columns>
void copy_group(Group* group_bytes, Index group, Index all_rows, Index cols, Columns* column_bytes) noexcept {
    using View = WeightView<Format>;
    constexpr bool halves = Format::bits == 4;
    constexpr std::uint32_t lower_halves = 0x0f0f0f0f;
    auto* values = group_bytes + View::scale_bytes(cols);
    const Index row = group * group_rows, at = (halves ? row / 128 * 64 : row / 64 * 64) + column_place(row % 64);
    const bool upper_rows = halves && row % 128 >= 64;
    for (Index block = 0; block < View::blocks(cols); ++block) {
        auto* const scales = column_bytes + block * View::block_columns_bytes(all_rows);
        if constexpr (ToColumns)
            std::memcpy(scales + 2 * row, group_bytes + block * 2 * group_rows, 2 * group_rows);
        else
            std::memcpy(group_bytes + block * 2 * group_rows, scales + 2 * row, 2 * group_rows);
        for (Index step = 0; step < Format::block_cols / step_cols; ++step) {
            const bool upper_step = halves && step % 2 != 0;
            auto* const columns =
                scales + 2 * stored_rows(all_rows) + step * step_cols * View::column_bytes(all_rows) + at;
            for (Index four = 0; four < 4; ++four) {  // rows
                std::uint32_t of_rows[4], of_columns[4];
                auto* const rows = values + four * 16;
                const auto column = [&](int i) { return columns + i * View::column_bytes(all_rows) + four * 16; };
                if constexpr (ToColumns) {
                    std::memcpy(of_rows, rows, sizeof of_rows);
                    if constexpr (halves)
                        for (std::uint32_t& bits : of_rows) bits = bits >> (upper_step ? 4 : 0) & lower_halves;
                    transpose_bytes(of_rows, of_columns);
                    for (int i = 0; i < 4; ++i) {
                        std::uint32_t lower = 0;
                        if (upper_rows) std::memcpy(&lower, column(i), sizeof lower);
                        lower |= of_columns[i] << (upper_rows ? 4 : 0);
                        std::memcpy(column(i), &lower, sizeof lower);
                    }
                } else {
                    for (int i = 0; i < 4; ++i) std::memcpy(&of_columns[i], column(i), sizeof of_columns[i]);
                    if constexpr (halves)
                        for (std::uint32_t& bits : of_columns) bits = bits >> (upper_rows ? 4 : 0) & lower_halves;
                    transpose_bytes(of_columns, of_rows);
                    if (upper_step) {
                        std::uint32_t lower[4];
                        std::memcpy(lower, rows, sizeof lower);
                        for (int i = 0; i < 4; ++i) of_rows[i] = lower[i] | of_rows[i] << 4;
                    }
                    std::memcpy(rows, of_rows, sizeof of_rows);
                }
            }
            if (!halves || upper_step) values += 64;
        }
    }
}

}  // namespace detail

RWKV_INLINE void copy_to_columns(WeightFormat format, const std::byte* groups, Index first, Index rows, Index all_rows,
                                 Index cols, std::byte* to) noexcept {
    const std::size_t group_bytes = weight_bytes(format, Layout::row_groups, group_rows, cols);
    with_format(format, [&]<class Format>(Format) {
        for (Index r = first; r < first + rows; r += group_rows, groups += group_bytes)
            detail::copy_group<Format, true>(groups, r / group_rows, all_rows, cols, to);
    });
}

RWKV_INLINE void copy_to_row_groups(const WeightMatrix& columns, std::byte* to) noexcept {
    const Index rows = columns.rows(), cols = columns.cols();
    const std::size_t group_bytes = weight_bytes(columns.format(), Layout::row_groups, group_rows, cols);
    std::fill_n(to, static_cast<std::size_t>(row_groups(rows)) * group_bytes, std::byte(0));
    with_format(columns.format(), [&]<class Format>(Format) {
        for (Index g = 0; g < row_groups(rows); ++g, to += group_bytes)
            detail::copy_group<Format, false>(to, g, rows, cols, columns.data());
    });
}

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
