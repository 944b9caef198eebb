#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <utility>

#include <rwkv/core/tensor.hpp>
#include <rwkv/kernels/format.hpp>
#include <rwkv/version.hpp>

namespace rwkv::inline RWKV_ABI::kernels {

/// The order of the elements of a weight matrix in memory.
enum class Layout {
    /// Row after row without gaps, as in a file. Dense formats only.
    row_major,
    /// Groups of sixteen rows, [row group][column][16 rows], with zeros for rows past the last: one register holds the
    /// same column of all rows of a group, and a product needs neither a sum across a register nor a transposition.
    /// Files of quantized weights have this layout (format.hpp).
    row_groups,
    /// Column after column, each of all rows together, so that a product need not read the columns that meet zeros. The
    /// rows are whole row groups, and columns hold stored_rows(rows) of them. Quantized formats: see format.hpp.
    column_major,
};

/// Whether a matrix of that number of rows may be column-major, with at most a seventh more bytes than it needs.
[[nodiscard]] constexpr bool fits_column_major(Index rows) noexcept {
    return rows > 0 && rows % group_rows == 0 && 7 * stored_rows(rows) <= 8 * rows;
}

/// The layout for weights that meet zeros more often than not: column-major, where it fits.
[[nodiscard]] constexpr Layout layout_for_zeros(Index rows) noexcept {
    return fits_column_major(rows) ? Layout::column_major : Layout::row_groups;
}

/// Row groups that a number of rows needs.
[[nodiscard]] constexpr Index row_groups(Index rows) noexcept {
    return (rows + group_rows - 1) / group_rows;
}

/// The weights of a linear map y = W x, rows() outputs × cols() inputs, in a format known at run time. Immutable;
/// copies share the elements, so that a tied head costs nothing.
class WeightMatrix {
  public:
    WeightMatrix() = default;
    /// Shares `data`: weight_bytes(format, layout, rows, cols) bytes, from a cache line on where the format is
    /// quantized, not written to any more.
    WeightMatrix(WeightFormat format, Layout layout, Index rows, Index cols,
                 std::shared_ptr<const std::byte[]> data) noexcept;

    [[nodiscard]] WeightFormat format() const noexcept { return format_; }
    [[nodiscard]] Layout layout() const noexcept { return layout_; }
    /// Outputs.
    [[nodiscard]] Index rows() const noexcept { return rows_; }
    /// Inputs.
    [[nodiscard]] Index cols() const noexcept { return cols_; }
    /// Bytes of all elements.
    [[nodiscard]] std::size_t bytes() const noexcept { return bytes_; }
    /// The first byte.
    [[nodiscard]] const std::byte* data() const noexcept { return data_.get(); }

    /// Writes the elements [begin, end) of row i as floats.
    void copy_row(Index i, Index begin, Index end, float* out) const noexcept;
    /// Writes the elements [begin, end) of row i as doubles.
    void copy_row(Index i, Index begin, Index end, double* out) const noexcept;

  private:
    WeightFormat format_ = WeightFormat::f32;
    Layout layout_ = Layout::row_major;
    Index rows_ = 0, cols_ = 0;
    std::size_t bytes_ = 0;
    std::shared_ptr<const std::byte[]> data_;
};

/// A weight matrix of a dense format, as kernels see it.
template <class Format>
class WeightView {
  public:
    using Storage = typename Format::Storage;

    explicit WeightView(const WeightMatrix& matrix) noexcept
        : rows_(matrix.rows()),
          cols_(matrix.cols()),
          layout_(matrix.layout()),
          data_(reinterpret_cast<const Storage*>(matrix.data())) {}

    Index rows() const noexcept { return rows_; }
    Index cols() const noexcept { return cols_; }
    Layout layout() const noexcept { return layout_; }
    /// The first element of row i, in row-major layout.
    const Storage* row(Index i) const noexcept { return data_ + i * cols_; }
    /// The first element of row group g, in layout row_groups: [column][16 rows].
    const Storage* group(Index g) const noexcept { return data_ + g * group_rows * cols_; }
    /// The first element of column c, in column-major layout.
    const Storage* column(Index c) const noexcept { return data_ + c * column_stride(); }
    /// Elements from one column to the next.
    Index column_stride() const noexcept { return stored_rows(rows_); }

    static constexpr std::size_t bytes(Index rows, Index cols, Layout layout) noexcept {
        if (layout == Layout::row_groups) rows = row_groups(rows) * group_rows;
        if (layout == Layout::column_major) rows = stored_rows(rows);
        return static_cast<std::size_t>(rows * cols) * sizeof(Storage);
    }

  private:
    Index rows_, cols_;
    Layout layout_;
    const Storage* data_;
};

/// A weight matrix of a quantized format, as kernels see it.
template <QuantizedFormat Format>
class WeightView<Format> {
  public:
    explicit WeightView(const WeightMatrix& matrix) noexcept
        : rows_(matrix.rows()), cols_(matrix.cols()), layout_(matrix.layout()), data_(matrix.data()) {}

    Index rows() const noexcept { return rows_; }
    Index cols() const noexcept { return cols_; }
    Layout layout() const noexcept { return layout_; }
    /// Scale blocks of a row.
    Index blocks() const noexcept { return blocks(cols_); }
    /// The scales of 16 rows of a scale block, in either layout.
    const core::BFloat16* scales(Index group, Index block) const noexcept {
        return layout_ == Layout::column_major ? column_scales(block) + group * group_rows
                                               : scales(group) + block * group_rows;
    }
    /// Scales of a group from one scale block to the next, in either layout.
    Index scale_stride() const noexcept {
        return layout_ == Layout::column_major ? block_columns_bytes(rows_) / 2 : group_rows;
    }

    // In layout row_groups:

    /// The scales of row group g: [scale block][16 rows].
    const core::BFloat16* scales(Index g) const noexcept {
        return reinterpret_cast<const core::BFloat16*>(data_ + g * group_bytes(cols_));
    }
    /// The quantized values of row group g: [column step][16 rows][4 columns].
    const std::uint8_t* quantized(Index g) const noexcept {
        return reinterpret_cast<const std::uint8_t*>(data_ + g * group_bytes(cols_) + scale_bytes(cols_));
    }

    // In column-major layout:

    /// The scales of all rows of a scale block.
    const core::BFloat16* column_scales(Index block) const noexcept {
        return reinterpret_cast<const core::BFloat16*>(data_ + block * block_columns_bytes(rows_));
    }
    /// The quantized values of column c.
    const std::uint8_t* column(Index c) const noexcept {
        return reinterpret_cast<const std::uint8_t*>(data_ + c / Format::block_cols * block_columns_bytes(rows_) +
                                                     2 * stored_rows(rows_) +
                                                     c % Format::block_cols * column_bytes(rows_));
    }
    /// Bytes from one column of a scale block to the next.
    Index column_bytes() const noexcept { return column_bytes(rows_); }

    static constexpr Index blocks(Index cols) noexcept { return (cols + Format::block_cols - 1) / Format::block_cols; }
    /// Bytes of a scale block of quantized values of a row group.
    static constexpr Index block_bytes = Format::block_cols * group_rows * Format::bits / 8;
    static constexpr Index scale_bytes(Index cols) noexcept { return (blocks(cols) * group_rows * 2 + 63) / 64 * 64; }
    static constexpr Index quantized_bytes(Index cols) noexcept { return blocks(cols) * block_bytes; }
    static constexpr Index group_bytes(Index cols) noexcept { return scale_bytes(cols) + quantized_bytes(cols); }
    static constexpr Index column_bytes(Index rows) noexcept { return stored_rows(rows) * Format::bits / 8; }
    /// Bytes of the columns of a scale block and their scales.
    static constexpr Index block_columns_bytes(Index rows) noexcept {
        return 2 * stored_rows(rows) + Format::block_cols * column_bytes(rows);
    }
    static constexpr std::size_t bytes(Index rows, Index cols, Layout layout = Layout::row_groups) noexcept {
        return static_cast<std::size_t>(layout == Layout::column_major ? blocks(cols) * block_columns_bytes(rows)
                                                                       : row_groups(rows) * group_bytes(cols));
    }

  private:
    Index rows_, cols_;
    Layout layout_;
    const std::byte* data_;
};

/// Bytes of a matrix in memory.
[[nodiscard]] inline std::size_t weight_bytes(WeightFormat format, Layout layout, Index rows, Index cols) noexcept {
    return with_format(format, [&]<class Format>(Format) { return WeightView<Format>::bytes(rows, cols, layout); });
}

inline WeightMatrix::WeightMatrix(WeightFormat format, Layout layout, Index rows, Index cols,
                                  std::shared_ptr<const std::byte[]> data) noexcept
    : format_(format),
      layout_(layout),
      rows_(rows),
      cols_(cols),
      bytes_(weight_bytes(format, layout, rows, cols)),
      data_(std::move(data)) {}

}  // namespace rwkv::inline RWKV_ABI::kernels

#ifndef RWKV_COMPILED
#include <rwkv/kernels/weight_matrix.inl>
#endif
