#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string_view>

#include <Eigen/Core>

#include <rwkv/core/dtype.hpp>
#include <rwkv/core/tensor.hpp>
#include <rwkv/version.hpp>

namespace rwkv::inline RWKV_ABI {

/// What the matrices of a model are held as in memory.
enum class WeightFormat {
    stored,  ///< as in the file, each matrix by itself (F64 as f32)
    f32,
    f16,
    bf16,
    q8,  ///< 8 bits a weight and 16 for each 64: 8.25
    q4,  ///< 4 bits a weight and 16 for each 32: 4.5
};

/// The names of the formats, in the order of the enumeration.
inline constexpr std::array<std::string_view, 6> weight_format_names{"stored", "f32", "f16", "bf16", "q8", "q4"};

inline constexpr std::string_view name(WeightFormat format) noexcept {
    return weight_format_names[static_cast<std::size_t>(format)];
}

/// The format of that name, or nothing.
inline constexpr std::optional<WeightFormat> weight_format_of(std::string_view name) noexcept {
    for (std::size_t i = 0; i < weight_format_names.size(); ++i)
        if (weight_format_names[i] == name) return static_cast<WeightFormat>(i);
    return std::nullopt;
}

// The formats as types: how the elements of a weight matrix lie in memory. Everything that multiplies is a template
// over one of these; activations are float (or double, the oracle) whatever the format.

/// IEEE single precision.
struct F32 {
    using Storage = float;                                     ///< an element
    static constexpr DType dtype = DType::f32;                 ///< its name in files
    static constexpr WeightFormat format = WeightFormat::f32;  ///< its name in options
};

/// IEEE half precision, widened to float as it is read.
struct F16 {
    using Storage = Eigen::half;                               ///< an element
    static constexpr DType dtype = DType::f16;                 ///< its name in files
    static constexpr WeightFormat format = WeightFormat::f16;  ///< its name in options
};

/// The upper half of a float, widened as it is read.
struct BF16 {
    using Storage = Eigen::bfloat16;                            ///< an element
    static constexpr DType dtype = DType::bf16;                 ///< its name in files
    static constexpr WeightFormat format = WeightFormat::bf16;  ///< its name in options
};

/// Rows of a group: the floats of one AVX-512 register, two of AVX2, four of NEON.
inline constexpr Index group_rows = 16;

// The quantized formats. A weight is scale · (code − 128), the scale shared by `block_cols` weights of a row and held
// as a BF16. The rows of a group lie interleaved:
//
//   group  = scales, then codes; each part from a cache line on
//   scales = [block][16 rows]
//   codes  = [block][step][16 rows][4 columns], a step being 4 columns: 64 bytes with 8-bit codes; with 4-bit codes 64
//            bytes hold two steps, the first in the low halves of the bytes
//
// Rows past the last and columns past the last are there, as zeros.

/// Columns of a step.
inline constexpr Index step_cols = 4;

/// Codes are the weights themselves, in units of the scale, from −127 to 127.
struct Q8 {
    static constexpr WeightFormat format = WeightFormat::q8;  ///< its name in options
    static constexpr Index block_cols = 64;                   ///< weights of a row that share a scale
    static constexpr Index bits = 8;                          ///< of a code
};

/// Codes are places in a table of sixteen unequal steps, which suit normally distributed weights; found by Lloyd's
/// method with the search for scales of quantize.hpp within it.
struct Q4 {
    static constexpr WeightFormat format = WeightFormat::q4;  ///< its name in options
    static constexpr Index block_cols = 32;                   ///< weights of a row that share a scale
    static constexpr Index bits = 4;                          ///< of a code
    /// What the codes stand for, in units of the scale.
    static constexpr std::array<int, 16> table{-127, -99, -77, -61, -46, -33, -21, -9, 2, 13, 24, 36, 49, 64, 81, 104};
    /// The same and 128.
    static constexpr std::array<std::uint8_t, 16> shifted_table = [] {
        std::array<std::uint8_t, 16> shifted{};
        for (std::size_t i = 0; i < 16; ++i) shifted[i] = static_cast<std::uint8_t>(table[i] + 128);
        return shifted;
    }();
};

/// Each matrix in a format of its own, chosen at run time: what a file of mixed types becomes.
struct Mixed {};

/// Calls use with a value of that format's type; `stored` has none.
template <class Use>
auto with_format(WeightFormat format, Use&& use) {
    switch (format) {
        case WeightFormat::f16:
            return use(F16{});
        case WeightFormat::bf16:
            return use(BF16{});
        case WeightFormat::q8:
            return use(Q8{});
        case WeightFormat::q4:
            return use(Q4{});
        default:
            return use(F32{});
    }
}

inline constexpr bool is_quantized(WeightFormat format) noexcept {
    return format == WeightFormat::q8 || format == WeightFormat::q4;
}

/// Formats of one number an element.
template <class Format>
concept DenseFormat = requires {
    typename Format::Storage;
};

/// Formats of codes and scales.
template <class Format>
concept QuantizedFormat = requires {
    Format::block_cols;
};

}  // namespace rwkv::inline RWKV_ABI
