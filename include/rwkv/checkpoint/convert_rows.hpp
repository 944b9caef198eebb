#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <limits>
#include <span>
#include <string>
#include <type_traits>
#include <vector>

#include <rwkv/checkpoint/checkpoint.hpp>
#include <rwkv/checkpoint/quantized_tensor.hpp>
#include <rwkv/checkpoint/target_format.hpp>
#include <rwkv/checkpoint/weight_change.hpp>
#include <rwkv/core/dtype.hpp>
#include <rwkv/core/error.hpp>
#include <rwkv/core/finite.hpp>
#include <rwkv/core/float16.hpp>
#include <rwkv/core/message.hpp>
#include <rwkv/core/tensor.hpp>
#include <rwkv/kernels/encode.hpp>
#include <rwkv/kernels/format.hpp>
#include <rwkv/kernels/weight_matrix.hpp>
#include <rwkv/version.hpp>

namespace rwkv::inline RWKV_ABI::checkpoint {

// Rows of a stored tensor become rows of a matrix in one of three ways:
//
//   copied     elements of the target's own type are read to their place, or interleaved there bit for bit
//   grouped    quantized row groups, which are stored as they are held, are read to their place
//   converted  all others are decoded to floats, to which the product of adapters is added, and these encoded to the
//              target format
//
// A column-major matrix is made of row groups, a few at a time. Every one of them refuses numbers that are not finite:
// one such weight makes noise of all that the model computes.

/// Bytes read and converted at a time: few enough to stay in a processor's own cache until they are checked.
inline constexpr std::size_t bytes_per_piece = std::size_t(1) << 18;

/// How a tensor's rows become rows of a matrix.
struct RowConversion {
    DType stored;
    WeightFormat format;
    kernels::Layout layout;
    Index rows, cols;                      ///< of the whole matrix
    Index rows_per_piece;                  ///< that a thread takes: whole row groups, or all rows
    Index rows_per_step;                   ///< of these, converted at a time
    const WeightChange* change = nullptr;  ///< of adapters; null: none
    Index first_row = 0;                   ///< of the tensor, that is the matrix's first

    bool copies_groups() const noexcept { return stored == DType::u8; }
    bool adds_product() const noexcept { return change && change->rank > 0; }
    bool copies_elements() const noexcept {
        return !kernels::is_quantized(format) && stored == storage_dtype(format) && !adds_product();
    }

    /// Bytes of `count` rows in the file; where the file has row groups, of whole groups.
    std::size_t stored_bytes(Index count) const noexcept {
        if (copies_groups()) return kernels::weight_bytes(format, kernels::Layout::row_groups, count, cols);
        return static_cast<std::size_t>(count * cols) * core::bits(stored) / 8;
    }
    /// Bytes of `count` rows of the matrix.
    std::size_t target_bytes(Index count) const noexcept { return kernels::weight_bytes(format, layout, count, cols); }
    /// Where the rows from `first` on begin in the matrix; column-major, all of them begin with it.
    std::size_t target_offset(Index first) const noexcept { return is_column_major() ? 0 : target_bytes(first); }
    bool is_column_major() const noexcept { return layout == kernels::Layout::column_major; }
    /// The conversion of a step into row groups.
    RowConversion to_row_groups() const noexcept {
        RowConversion groups = *this;
        groups.layout = kernels::Layout::row_groups;
        groups.rows_per_piece = rows_per_step;
        return groups;
    }

    /// Bytes of scratch for elements as they are stored. Those that need no conversion are read to their place.
    std::size_t stored_scratch() const noexcept {
        const bool in_place = copies_groups() || (copies_elements() && layout == kernels::Layout::row_major);
        return in_place ? 0 : stored_bytes(rows_per_step);
    }
    /// Floats of scratch for decoded elements. Stored floats need no decoding, unless something is added to them;
    /// decoded ones may be what is asked for.
    std::size_t float_scratch() const noexcept {
        const bool decodes = !copies_groups() && !copies_elements() && (stored != DType::f32 || adds_product());
        const bool in_place = format == WeightFormat::f32 && layout == kernels::Layout::row_major;
        return decodes && !in_place ? static_cast<std::size_t>(rows_per_step * cols) : 0;
    }
    /// Bytes of scratch for the row groups of a step.
    std::size_t group_scratch() const noexcept {
        return is_column_major() ? to_row_groups().target_bytes(rows_per_step) : 0;
    }
};

/// How the tensor becomes a matrix of that size, format and layout, with that change or, where it is null, without.
inline RowConversion row_conversion(const CheckpointTensor& tensor, WeightFormat format, kernels::Layout layout,
                                    Index rows, Index cols, const WeightChange* change) {
    RowConversion conversion{tensor.info.dtype,   format, layout, rows, cols, kernels::group_rows,
                             kernels::group_rows, change};
    const auto groups =
        static_cast<Index>(bytes_per_piece / std::max<std::size_t>(1, conversion.stored_bytes(kernels::group_rows)));
    const Index step = std::max<Index>(1, groups) * kernels::group_rows;
    conversion.rows_per_step = conversion.rows_per_piece = (std::min)(rows, step);
    if (conversion.is_column_major())  // 4-bit values of different rows share bytes: a thread takes all of them
        conversion.rows_per_piece = (step + kernels::column_rows - 1) / kernels::column_rows * kernels::column_rows;
    return conversion;
}

namespace detail {

/// The bits, without the sign, of the smallest numbers of a type that are refused: infinity in its own type, and of a
/// float also the first that another format rounds to infinity.
inline constexpr std::uint32_t float_infinity = 0x7F80'0000;
inline constexpr std::uint32_t float_beyond_f16 = 0x477F'F000;   // 65520
inline constexpr std::uint32_t float_beyond_bf16 = 0x7F7F'8000;  // 2^128 − 2^119
inline constexpr std::uint16_t f16_infinity = 0x7C00;
inline constexpr std::uint16_t bf16_infinity = 0x7F80;

/// The first of the numbers, given as bits, whose magnitude is `limit` or more, or that is NaN; `count` if none is.
template <class Bits>
Index find_not_below(Bits limit, const std::byte* numbers, Index count) noexcept {
    using Signed = std::make_signed_t<Bits>;  // of which processors have a maximum
    const auto magnitude = [&](Index i) {
        Bits number;
        std::memcpy(&number, numbers + static_cast<std::size_t>(i) * sizeof number, sizeof number);
        return static_cast<Signed>(number & ((std::numeric_limits<Bits>::max)() >> 1));
    };
    constexpr Index block = 256;
    for (Index begin = 0; begin < count; begin += block) {
        const Index end = (std::min)(begin + block, count);
        Signed largest = 0;
        for (Index i = begin; i < end; ++i) largest = (std::max)(largest, magnitude(i));
        if (largest < static_cast<Signed>(limit)) continue;
        for (Index i = begin; i < end; ++i)
            if (magnitude(i) >= static_cast<Signed>(limit)) return i;
    }
    return count;
}

/// Elements as floats. F64 is rounded, or overflows to an infinity.
inline void decode(DType dtype, const std::byte* stored, Index count, float* out) noexcept {
    if (dtype == DType::f32) {
        std::memcpy(out, stored, static_cast<std::size_t>(count) * sizeof(float));
    } else if (dtype == DType::f64) {
        const auto* const from = reinterpret_cast<const double*>(stored);
        for (Index i = 0; i < count; ++i) out[i] = static_cast<float>(from[i]);
    } else if (dtype == DType::f16) {
        const auto* const from = reinterpret_cast<const core::Float16*>(stored);
        for (Index i = 0; i < count; ++i) out[i] = core::to_float(from[i]);
    } else {
        const auto* const from = reinterpret_cast<const core::BFloat16*>(stored);
        for (Index i = 0; i < count; ++i) out[i] = core::to_float(from[i]);
    }
}

/// One element as it is stored.
inline double element(DType dtype, const std::byte* stored, Index i) noexcept {
    double wide = 0;
    if (dtype == DType::f64) {
        std::memcpy(&wide, stored + static_cast<std::size_t>(i) * sizeof wide, sizeof wide);
        return wide;
    }
    float value = 0;
    decode(dtype, stored + static_cast<std::size_t>(i) * core::bits(dtype) / 8, 1, &value);
    return static_cast<double>(value);
}

/// Interleaves row groups of elements that keep their bits.
template <class Bits>
void interleave(const std::byte* from, Index rows, Index cols, std::byte* to) noexcept {
    const auto* const row_major = reinterpret_cast<const Bits*>(from);
    auto* const groups = reinterpret_cast<Bits*>(to);
    for (Index r = 0; r < rows; r += kernels::group_rows)
        kernels::interleave_group(row_major + r * cols, (std::min)(kernels::group_rows, rows - r), cols,
                                  groups + r * cols);
}

}  // namespace detail

/// Reads and converts rows of one tensor after the other. Keeps scratch between calls: one object for each thread.
class RowConverter {
  public:
    RowConverter(const Checkpoint& checkpoint, std::size_t stored_scratch, std::size_t float_scratch,
                 std::size_t group_scratch = 0)
        : checkpoint_(checkpoint), stored_(stored_scratch), floats_(float_scratch), groups_(group_scratch) {}

    /// Writes the rows [first, first + rows) of the matrix to `to`, where target_offset(first) is: whole row groups or
    /// the last rows, at most `rows_per_piece`. Throws: ModelError for a number that is not finite, or has no finite
    /// value in the format; FileError.
    void convert(const CheckpointTensor& tensor, const RowConversion& how, Index first, Index rows, std::byte* to) {
        if (how.is_column_major()) return convert_to_columns(tensor, how, first, rows, to);
        if (how.copies_groups()) return copy_groups(tensor, how, first, rows, to);
        if (how.copies_elements()) return copy_elements(tensor, how, first, rows, to);
        const std::byte* const stored = read(tensor, how, first, rows, stored_.data());
        const Index count = rows * how.cols;
        const bool decoded_in_place = how.format == WeightFormat::f32 && how.layout == kernels::Layout::row_major;
        const float* floats = reinterpret_cast<const float*>(stored);
        if (how.stored != DType::f32 || how.adds_product()) {
            float* const decoded = decoded_in_place ? reinterpret_cast<float*>(to) : floats_.data();
            detail::decode(how.stored, stored, count, decoded);
            if (how.adds_product()) how.change->add_product(first, rows, how.cols, decoded);
            floats = decoded;
        }
        const std::uint32_t limit = how.format == WeightFormat::f16    ? detail::float_beyond_f16
                                    : how.format == WeightFormat::bf16 ? detail::float_beyond_bf16
                                                                       : detail::float_infinity;
        const Index bad = detail::find_not_below(limit, reinterpret_cast<const std::byte*>(floats), count);
        if (bad < count)
            refuse(tensor, how, first, bad,
                   how.adds_product() ? static_cast<double>(floats[bad]) : detail::element(how.stored, stored, bad));
        if (!decoded_in_place) kernels::encode_rows(how.format, how.layout, floats, rows, how.cols, to);
    }

  private:
    const std::byte* read(const CheckpointTensor& tensor, const RowConversion& how, Index first, Index rows,
                          std::byte* to) const {
        files(how).read(tensor, how.stored_bytes(first), {to, how.stored_bytes(rows)});
        return to;
    }

    void convert_to_columns(const CheckpointTensor& tensor, const RowConversion& how, Index first, Index rows,
                            std::byte* to) {
        const RowConversion groups = how.to_row_groups();
        for (const Index end = first + rows; first < end; first += how.rows_per_step) {
            const Index count = (std::min)(how.rows_per_step, end - first);
            convert(tensor, groups, first, count, groups_.data());
            kernels::copy_to_columns(how.format, groups_.data(), first - how.first_row, count, how.rows, how.cols, to);
        }
    }

    void copy_elements(const CheckpointTensor& tensor, const RowConversion& how, Index first, Index rows,
                       std::byte* to) {
        const bool in_place = how.layout == kernels::Layout::row_major, wide = how.stored == DType::f32;
        const std::byte* const stored = read(tensor, how, first, rows, in_place ? to : stored_.data());
        const Index count = rows * how.cols;
        const std::uint16_t narrow_limit = how.stored == DType::f16 ? detail::f16_infinity : detail::bf16_infinity;
        const Index bad = wide ? detail::find_not_below(detail::float_infinity, stored, count)
                               : detail::find_not_below(narrow_limit, stored, count);
        if (bad < count) refuse(tensor, how, first, bad, detail::element(how.stored, stored, bad));
        if (in_place) return;
        if (wide)
            detail::interleave<std::uint32_t>(stored, rows, how.cols, to);
        else
            detail::interleave<std::uint16_t>(stored, rows, how.cols, to);
    }

    void copy_groups(const CheckpointTensor& tensor, const RowConversion& how, Index first, Index rows,
                     std::byte* to) const {
        read(tensor, how, first, rows, to);
        const Index block_cols = scale_block_cols(how.format);
        const Index scales =
            (how.cols + block_cols - 1) / block_cols * kernels::group_rows;  // of a row group, which begins so
        const std::size_t group_bytes = how.target_bytes(kernels::group_rows);
        for (Index r = 0; r < rows; r += kernels::group_rows, to += group_bytes) {
            const Index bad = detail::find_not_below(detail::bf16_infinity, to, scales);
            if (bad == scales) continue;
            core::fail<ModelError>(
                checkpoint_.file_of(tensor), {tensor.info.name}, {"finite scales"},
                {detail::element(DType::bf16, to, bad), " (row ", first + r + bad % kernels::group_rows,
                 ", from column ", bad / kernels::group_rows * block_cols, ")"});
        }
    }

    [[noreturn]] void refuse(const CheckpointTensor& tensor, const RowConversion& how, Index first, Index bad,
                             double value) const {
        core::fail<ModelError>(
            files(how).file_of(tensor), {tensor.info.name},
            {core::is_finite(value) ? "values within the range of the weight format" : "finite weights"},
            {value, " (element ", first * how.cols + bad, how.adds_product() ? ", with adapters)" : ")"});
    }

    /// The files that the tensor lies in.
    const Checkpoint& files(const RowConversion& how) const noexcept {
        return how.change && how.change->files ? *how.change->files : checkpoint_;
    }

    const Checkpoint& checkpoint_;
    std::vector<std::byte> stored_;
    std::vector<float> floats_;
    std::vector<std::byte> groups_;
};

}  // namespace rwkv::inline RWKV_ABI::checkpoint
