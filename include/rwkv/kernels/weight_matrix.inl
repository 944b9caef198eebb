#pragma once

#include <Eigen/Core>

#include <rwkv/core/inline.hpp>
#include <rwkv/kernels/weight_matrix.hpp>

namespace rwkv::inline RWKV_ABI::kernels {

namespace detail {

/// Eigen's types for elements as stored.
inline const float* eigen_elements(const float* elements) noexcept {
    return elements;
}
inline const Eigen::half* eigen_elements(const core::Float16* elements) noexcept {
    return reinterpret_cast<const Eigen::half*>(elements);
}
inline const Eigen::bfloat16* eigen_elements(const core::BFloat16* elements) noexcept {
    return reinterpret_cast<const Eigen::bfloat16*>(elements);
}

template <class Scalar, DenseFormat Format>
void copy_row(const WeightView<Format>& weights, Index i, Index begin, Index end, Scalar* out) noexcept {
    const auto copy = [&]<class T>(const T* from, Index stride) {
        using Elements = Eigen::Array<T, Eigen::Dynamic, 1>;
        using Stride = Eigen::InnerStride<>;
        Eigen::Map<Eigen::Array<Scalar, Eigen::Dynamic, 1>> to(out, end - begin);
        if (stride == 1)
            to = Eigen::Map<const Elements>(from, end - begin).template cast<Scalar>();
        else
            to = Eigen::Map<const Elements, 0, Stride>(from, end - begin, Stride(stride)).template cast<Scalar>();
    };
    if (weights.layout() == Layout::row_major)
        copy(eigen_elements(weights.row(i) + begin), 1);
    else
        copy(eigen_elements(weights.group(i / group_rows) + begin * group_rows + i % group_rows), group_rows);
}

template <QuantizedFormat Format>
int quantized_value(const std::uint8_t* values, Index row, Index col) noexcept {
    const Index step = col / step_cols, lane = row * step_cols + col % step_cols;
    if constexpr (Format::bits == 8) return values[step * 64 + lane];
    const int pair = values[step / 2 * 64 + lane];
    return Q4::shifted_codebook[static_cast<std::size_t>(step % 2 ? pair >> 4 : pair & 15)];
}

template <class Scalar, QuantizedFormat Format>
void copy_row(const WeightView<Format>& weights, Index i, Index begin, Index end, Scalar* out) noexcept {
    const Index group = i / group_rows, row = i % group_rows;
    for (Index c = begin; c < end; ++c) {
        const auto scale =
            static_cast<Scalar>(*eigen_elements(weights.scales(group) + c / Format::block_cols * group_rows + row));
        *out++ = scale * static_cast<Scalar>(quantized_value<Format>(weights.quantized(group), row, c) - 128);
    }
}

}  // namespace detail

RWKV_INLINE void WeightMatrix::copy_row(Index i, Index begin, Index end, float* out) const noexcept {
    with_format(format_,
                [&]<class Format>(Format) { detail::copy_row(WeightView<Format>(*this), i, begin, end, out); });
}

RWKV_INLINE void WeightMatrix::copy_row(Index i, Index begin, Index end, double* out) const noexcept {
    with_format(format_,
                [&]<class Format>(Format) { detail::copy_row(WeightView<Format>(*this), i, begin, end, out); });
}

}  // namespace rwkv::inline RWKV_ABI::kernels
