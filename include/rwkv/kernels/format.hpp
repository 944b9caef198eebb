#pragma once

#include <array>
#include <cassert>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string_view>

#include <rwkv/core/dtype.hpp>
#include <rwkv/core/float16.hpp>
#include <rwkv/core/tensor.hpp>
#include <rwkv/version.hpp>

namespace rwkv::inline RWKV_ABI {

/// How the matrices of a model are held in memory.
enum class WeightFormat {
    stored,  ///< as in the file, each matrix by itself (F64 as f32)
    f32,
    f16,
    bf16,
    q8,  ///< 8 bits a weight and a 16-bit scale for 64 weights: 8.25 bits
    q4,  ///< 4 bits a weight and a 16-bit scale for 32 weights: 4.5 bits
};

/// The names of the formats, in the order of the enumeration.
inline constexpr std::array<std::string_view, 6> weight_format_names{"stored", "f32", "f16", "bf16", "q8", "q4"};

/// The name of a format, as options spell it.
[[nodiscard]] inline constexpr std::string_view name(WeightFormat format) noexcept {
    return weight_format_names[static_cast<std::size_t>(format)];
}

/// The format of that name, or nothing.
[[nodiscard]] inline constexpr std::optional<WeightFormat> weight_format_of(std::string_view name) noexcept {
    for (std::size_t i = 0; i < weight_format_names.size(); ++i)
        if (weight_format_names[i] == name) return static_cast<WeightFormat>(i);
    return std::nullopt;
}

namespace kernels {

// The formats as types, for kernels and encoders only: everything above the table of kernels knows a WeightFormat.

/// IEEE single precision.
struct F32 {
    using Storage = float;                                     ///< an element
    static constexpr DType dtype = DType::f32;                 ///< its type in files
    static constexpr WeightFormat format = WeightFormat::f32;  ///< its name in options
};

/// IEEE half precision, widened to float as it is read.
struct F16 {
    using Storage = core::Float16;
    static constexpr DType dtype = DType::f16;
    static constexpr WeightFormat format = WeightFormat::f16;
};

/// The upper half of a float, widened as it is read.
struct BF16 {
    using Storage = core::BFloat16;
    static constexpr DType dtype = DType::bf16;
    static constexpr WeightFormat format = WeightFormat::bf16;
};

/// Rows of a row group: the lanes of one AVX-512 register of floats, two of AVX2, four of NEON.
inline constexpr Index group_rows = 16;

// The quantized formats. A weight is scale · (quantized − 128); `block_cols` weights of a row, a scale block, share a
// scale, which is a BF16. The rows of a row group are interleaved:
//
//   row group         = scales, then quantized values; each part begins on a cache line
//   scales            = [scale block][16 rows]
//   quantized values  = [scale block][column step][16 rows][4 columns]; a column step, 4 columns of 16 rows, is 64
//   bytes
//                       with 8 bits a value; with 4 bits 64 bytes hold two steps, the first in the low halves of the
//                       bytes
//
// Rows and columns past the last are there, as zeros. Column-major matrices are another way to hold the same numbers:
//
//   matrix            = [scale block] of scales, then quantized values
//   scales            = [stored rows]
//   quantized values  = [column][stored rows], 64 rows in 64 bytes with 8 bits a value; 128 rows with 4 bits, the first
//                       64 of them in the low halves of the bytes
//
// The four row groups of 64 rows take turns, four rows each, in the order of `column_place`: four columns whose bytes
// are interleaved by registers of any length are then a column step of each of the four groups.

/// Columns of a column step.
inline constexpr Index step_cols = 4;

/// Columns of column-major matrices hold a multiple of this number of rows, a cache line of the smallest weights.
inline constexpr Index column_rows = 128;
/// Of column-major weights, the rows that a product of many tokens unpacks together: four row groups.
inline constexpr Index rows_of_steps = 4 * group_rows;

/// The rows that a column of a column-major matrix holds: those past the last are of no meaning.
[[nodiscard]] constexpr Index stored_rows(Index rows) noexcept {
    return (rows + column_rows - 1) / column_rows * column_rows;
}

/// The place of a row within the bytes of 64 rows of a column.
[[nodiscard]] constexpr Index column_place(Index row) noexcept {
    return row % 16 / 4 * 16 + row / 16 * 4 + row % 4;
}

/// Quantized values are the weights in units of the scale, from −127 to 127.
struct Q8 {
    static constexpr WeightFormat format = WeightFormat::q8;
    static constexpr Index block_cols = 64;  ///< weights of a row that share a scale
    static constexpr Index bits = 8;         ///< of a quantized value
};

/// Quantized values are indices into a codebook of sixteen unequal steps, which suits normally distributed weights;
/// found by Lloyd's method with the search for scales of simd/quantize_q4.inl within it.
struct Q4 {
    static constexpr WeightFormat format = WeightFormat::q4;
    static constexpr Index block_cols = 32;
    static constexpr Index bits = 4;
    /// What the indices stand for, in units of the scale.
    static constexpr std::array<int, 16> codebook{-127, -99, -77, -61, -46, -33, -21, -9,
                                                  2,    13,  24,  36,  49,  64,  81,  104};
    /// codebook + 128.
    static constexpr std::array<std::uint8_t, 16> shifted_codebook = [] {
        std::array<std::uint8_t, 16> shifted{};
        for (std::size_t i = 0; i < 16; ++i) shifted[i] = static_cast<std::uint8_t>(codebook[i] + 128);
        return shifted;
    }();
};

/// Formats of one number an element.
template <class Format>
concept DenseFormat = requires {
    typename Format::Storage;
};

/// Formats of quantized values and scales.
template <class Format>
concept QuantizedFormat = requires {
    Format::block_cols;
};

/// A list of format types.
template <class... Formats>
struct FormatList {
    static constexpr std::size_t size = sizeof...(Formats);
};

/// Every format, in the order of WeightFormat without `stored`. Whatever is built for each format (the table of
/// kernels, the encoders) is built from this list, so that a format without a kernel does not compile.
using AllFormats = FormatList<F32, F16, BF16, Q8, Q4>;
static_assert(AllFormats::size + 1 == weight_format_names.size());

/// The place of a format in AllFormats.
[[nodiscard]] inline constexpr std::size_t format_index(WeightFormat format) noexcept {
    assert(format != WeightFormat::stored);
    return static_cast<std::size_t>(format) - 1;
}

/// Calls use(Format{}) with the format's type. `stored` has none.
template <class Use, class First, class... Rest>
auto with_format(WeightFormat format, Use&& use, FormatList<First, Rest...>) {
    static_assert(First::format == static_cast<WeightFormat>(AllFormats::size - sizeof...(Rest)));
    if constexpr (sizeof...(Rest) > 0)
        if (format != First::format) return with_format(format, use, FormatList<Rest...>{});
    assert(format == First::format);
    return use(First{});
}
template <class Use>
auto with_format(WeightFormat format, Use&& use) {
    return with_format(format, use, AllFormats{});
}

/// Whether weights are quantized values with scales.
[[nodiscard]] inline bool is_quantized(WeightFormat format) noexcept {
    return format != WeightFormat::stored &&
           with_format(format, []<class Format>(Format) { return QuantizedFormat<Format>; });
}

}  // namespace kernels

}  // namespace rwkv::inline RWKV_ABI
