#pragma once

#include <cstddef>

#include <rwkv/core/tensor.hpp>
#include <rwkv/kernels/weight_matrix.hpp>
#include <rwkv/version.hpp>

namespace rwkv::inline RWKV_ABI::kernels {

/// Converts rows of floats, row after row, to a format and a layout: rounds to nearest even, quantizes, interleaves row
/// groups. `rows` are whole row groups, or the last rows of a matrix. Writes weight_bytes(format, layout, rows, cols)
/// bytes to `to`.
void encode_rows(WeightFormat format, Layout layout, const float* from, Index rows, Index cols, std::byte* to) noexcept;

/// Copies rows [first, first + rows) of a matrix, given as row groups at `groups`, to their places in a column-major
/// matrix of `all_rows` × cols at `to`. `first` and `rows` are multiples of group_rows; of every `column_rows` rows the
/// first ones are to be copied first. Nothing is rounded.
void copy_to_columns(WeightFormat format, const std::byte* groups, Index first, Index rows, Index all_rows, Index cols,
                     std::byte* to) noexcept;

/// A column-major matrix as row groups, of the same bits, at `to`.
void copy_to_row_groups(const WeightMatrix& columns, std::byte* to) noexcept;

/// Interleaves up to sixteen rows of elements, row after row, into a row group, with zeros for missing rows.
template <class T>
void interleave_group(const T* from, Index rows, Index cols, T* group) noexcept {
    constexpr Index block = 64;  // columns, so that what is written stays in the first-level cache
    for (Index begin = 0; begin < cols; begin += block) {
        const Index end = begin + block < cols ? begin + block : cols;
        for (Index r = 0; r < group_rows; ++r)
            for (Index c = begin; c < end; ++c) group[c * group_rows + r] = r < rows ? from[r * cols + c] : T{};
    }
}

}  // namespace rwkv::inline RWKV_ABI::kernels

#ifndef RWKV_COMPILED
#include <rwkv/kernels/encode.inl>
#endif
