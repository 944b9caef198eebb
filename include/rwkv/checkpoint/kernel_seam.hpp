#pragma once

// Temporary: the run-time interface of kernels/ in terms of its present types.

#include <cstring>
#include <memory>

#include <rwkv/kernels/quantize.hpp>
#include <rwkv/kernels/weight_matrix.hpp>
#include <rwkv/version.hpp>

namespace rwkv::inline RWKV_ABI::kernels {

inline std::size_t weight_bytes(WeightFormat format, Layout layout, Index rows, Index cols) noexcept {
    return with_format(format, [&]<class Format>(Format) { return WeightMatrix<Format>::bytes(rows, cols, layout); });
}

inline WeightMatrix<Mixed> make_matrix(WeightFormat format, Layout layout, Index rows, Index cols,
                                       std::shared_ptr<const std::byte[]> data) {
    return with_format(format, [&]<class Format>(Format) -> WeightMatrix<Mixed> {
        if constexpr (QuantizedFormat<Format>) {
            return WeightMatrix<Format>(rows, cols, data);
        } else {
            using T = typename Format::Storage;
            return WeightMatrix<Format>(
                rows, cols, std::shared_ptr<const T[]>(data, reinterpret_cast<const T*>(data.get())), layout);
        }
    });
}

inline void encode_rows(WeightFormat format, Layout layout, const float* from, Index rows, Index cols,
                        std::byte* to) noexcept {
    with_format(format, [&]<class Format>(Format) {
        if constexpr (QuantizedFormat<Format>) {
            for (Index r = 0; r < rows; r += group_rows, to += WeightMatrix<Format>::group_bytes(cols))
                quantize_group<Format>(from + r * cols, std::min(group_rows, rows - r), cols, to);
        } else {
            using T = typename Format::Storage;
            auto* out = reinterpret_cast<T*>(to);
            if (layout == Layout::by_row) {
                Eigen::Map<Eigen::Array<T, Eigen::Dynamic, 1>>(out, rows * cols) =
                    Eigen::Map<const Eigen::Array<float, Eigen::Dynamic, 1>>(from, rows * cols).template cast<T>();
                return;
            }
            constexpr Index block = 64;
            for (Index r0 = 0; r0 < rows; r0 += group_rows, out += group_rows * cols, from += group_rows * cols)
                for (Index begin = 0; begin < cols; begin += block)
                    for (Index r = 0; r < group_rows; ++r)
                        for (Index c = begin; c < std::min(cols, begin + block); ++c)
                            out[c * group_rows + r] = r0 + r < rows ? static_cast<T>(from[r * cols + c]) : T(0);
        }
    });
}

}  // namespace rwkv::inline RWKV_ABI::kernels
namespace rwkv::inline RWKV_ABI::kernels {
inline Index scale_block_cols(WeightFormat format) noexcept {
    return format == WeightFormat::q8 ? Q8::block_cols : Q4::block_cols;
}
}  // namespace rwkv::inline RWKV_ABI::kernels
