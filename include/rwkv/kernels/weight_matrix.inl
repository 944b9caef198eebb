#pragma once

#include <algorithm>

#include <rwkv/core/float16.hpp>
#include <rwkv/core/inline.hpp>
#include <rwkv/kernels/weight_matrix.hpp>

namespace rwkv::inline RWKV_ABI::kernels {

namespace detail {

template <DenseFormat Format>
void copy_row(const WeightView<Format>& weights, Index i, Index begin, Index end, float* out) noexcept {
    const Layout layout = weights.layout();
    const Index stride = layout == Layout::row_major    ? 1
                         : layout == Layout::row_groups ? group_rows
                                                        : weights.column_stride();
    const auto* from = layout == Layout::row_major ? weights.row(i) + begin
                       : layout == Layout::row_groups
                           ? weights.group(i / group_rows) + begin * group_rows + i % group_rows
                           : weights.column(begin) + i;
    for (Index c = begin; c < end; ++c, from += stride) *out++ = core::to_float(*from);
}

template <QuantizedFormat Format>
int quantized_value(const std::uint8_t* values, Index row, Index col) noexcept {
    const Index step = col / step_cols, lane = row * step_cols + col % step_cols;
    if constexpr (Format::bits == 8) return values[step * 64 + lane];
    const int pair = values[step / 2 * 64 + lane];
    return Q4::shifted_codebook[static_cast<std::size_t>(step % 2 ? pair >> 4 : pair & 15)];
}

/// The quantized value of a row of a column.
template <QuantizedFormat Format>
int quantized_value(const std::uint8_t* column, Index row) noexcept {
    if constexpr (Format::bits == 8) return column[row / 64 * 64 + column_place(row % 64)];
    const int pair = column[row / 128 * 64 + column_place(row % 64)];
    return Q4::shifted_codebook[static_cast<std::size_t>(row % 128 < 64 ? pair & 15 : pair >> 4)];
}

template <QuantizedFormat Format>
void copy_row(const WeightView<Format>& weights, Index i, Index begin, Index end, float* out) noexcept {
    const Index group = i / group_rows, row = i % group_rows;
    for (Index c = begin; c < end; ++c) {
        const float scale = core::to_float(weights.scales(group, c / Format::block_cols)[row]);
        const int value = weights.layout() == Layout::column_major
                              ? quantized_value<Format>(weights.column(c), i)
                              : quantized_value<Format>(weights.quantized(group), row, c);
        *out++ = scale * static_cast<float>(value - 128);
    }
}

}  // namespace detail

RWKV_INLINE void WeightMatrix::copy_row(Index i, Index begin, Index end, float* out) const noexcept {
    with_format(format_,
                [&]<class Format>(Format) { detail::copy_row(WeightView<Format>(*this), i, begin, end, out); });
}

RWKV_INLINE void WeightMatrix::copy_row(Index i, Index begin, Index end, double* out) const noexcept {
    constexpr Index block = 64;
    float floats[block];  // which hold every weight exactly, also scale · quantized of 8 bits each
    for (; begin < end; begin += block) {
        const Index count = (std::min)(block, end - begin);
        copy_row(i, begin, begin + count, floats);
        out = std::copy_n(floats, count, out);
    }
}

}  // namespace rwkv::inline RWKV_ABI::kernels
