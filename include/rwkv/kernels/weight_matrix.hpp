#pragma once

#include <algorithm>
#include <cstddef>
#include <memory>
#include <utility>
#include <variant>

#include <Eigen/Core>

#include <rwkv/core/tensor.hpp>
#include <rwkv/kernels/format.hpp>
#include <rwkv/version.hpp>

namespace rwkv::inline RWKV_ABI {

/// How the elements of a matrix lie in memory.
enum class Layout {
    /// Row after row without gaps, as in a file.
    by_row,
    /// Sixteen rows side by side, [group][column][16 rows], rows past the last as zeros: one register holds the same
    /// column of all of them, and a product needs neither a sum across a register nor a transposition.
    by_group,
};

/// The weight of a linear map y = W x: rows() outputs × cols() inputs. Immutable; copies share the elements, so a tied
/// head costs nothing.
template <class F>
class WeightMatrix {
  public:
    using Format = F;                          ///< how its elements lie
    using Storage = typename Format::Storage;  ///< an element

    WeightMatrix() = default;
    /// Shares `data`: bytes(rows, cols, layout) of them, not written to any more.
    WeightMatrix(Index rows, Index cols, std::shared_ptr<const Storage[]> data, Layout layout = Layout::by_row)
        : rows_(rows), cols_(cols), layout_(layout), data_(std::move(data)) {}

    /// Outputs.
    Index rows() const noexcept { return rows_; }
    /// Inputs.
    Index cols() const noexcept { return cols_; }
    /// How the elements lie.
    Layout layout() const noexcept { return layout_; }
    /// The first element of row i, where they lie by row.
    const Storage* row(Index i) const noexcept { return data_.get() + i * cols_; }
    /// The first element of group g, where they lie by group.
    const Storage* group(Index g) const noexcept { return data_.get() + g * group_rows * cols_; }

    /// Groups that so many rows need.
    static constexpr Index groups(Index rows) noexcept { return (rows + group_rows - 1) / group_rows; }
    /// Bytes of a matrix of that size.
    static constexpr std::size_t bytes(Index rows, Index cols, Layout layout) noexcept {
        const Index held = layout == Layout::by_group ? groups(rows) * group_rows : rows;
        return static_cast<std::size_t>(held * cols) * sizeof(Storage);
    }
    /// Bytes of this one.
    std::size_t bytes() const noexcept { return bytes(rows_, cols_, layout_); }
    /// The name of its format.
    WeightFormat format() const noexcept { return Format::format; }

    /// Where the elements begin.
    const void* data() const noexcept { return data_.get(); }

    /// Writes the elements [begin, end) of row i as numbers of the activations' type.
    template <class Scalar>
    void copy_row(Index i, Index begin, Index end, Scalar* out) const noexcept {
        using Elements = Eigen::Array<Storage, Eigen::Dynamic, 1>;
        using Stride = Eigen::InnerStride<>;
        const Storage* const first =
            layout_ == Layout::by_row ? row(i) + begin : group(i / group_rows) + begin * group_rows + i % group_rows;
        Eigen::Map<Eigen::Array<Scalar, Eigen::Dynamic, 1>> to(out, end - begin);
        if (layout_ == Layout::by_row)
            to = Eigen::Map<const Elements>(first, end - begin).template cast<Scalar>();
        else
            to = Eigen::Map<const Elements, 0, Stride>(first, end - begin, Stride(group_rows)).template cast<Scalar>();
    }

  private:
    Index rows_ = 0, cols_ = 0;
    Layout layout_ = Layout::by_row;
    std::shared_ptr<const Storage[]> data_;
};

/// The same map with quantized weights; see format.hpp for how they lie.
template <QuantizedFormat F>
class WeightMatrix<F> {
  public:
    using Format = F;  ///< how its elements lie

    WeightMatrix() = default;
    /// Shares `data`: bytes(rows, cols) of them, from a cache line on, not written to any more.
    WeightMatrix(Index rows, Index cols, std::shared_ptr<const std::byte[]> data)
        : rows_(rows), cols_(cols), data_(std::move(data)) {}

    /// Outputs.
    Index rows() const noexcept { return rows_; }
    /// Inputs.
    Index cols() const noexcept { return cols_; }
    /// Groups of rows.
    Index groups() const noexcept { return groups(rows_); }
    /// Blocks of a row.
    Index blocks() const noexcept { return blocks(cols_); }
    /// The scales of group g, group_rows of them for each block.
    const Eigen::bfloat16* scales(Index g) const noexcept { return reinterpret_cast<const Eigen::bfloat16*>(group(g)); }
    /// The codes of group g.
    const std::uint8_t* codes(Index g) const noexcept {
        return reinterpret_cast<const std::uint8_t*>(group(g) + scale_bytes(cols_));
    }

    /// Groups that so many rows need.
    static constexpr Index groups(Index rows) noexcept { return (rows + group_rows - 1) / group_rows; }
    /// Blocks that so many columns need.
    static constexpr Index blocks(Index cols) noexcept { return (cols + Format::block_cols - 1) / Format::block_cols; }
    /// Bytes of the scales of a group of so many columns.
    static constexpr Index scale_bytes(Index cols) noexcept { return (blocks(cols) * group_rows * 2 + 63) / 64 * 64; }
    /// Bytes of its codes.
    static constexpr Index code_bytes(Index cols) noexcept {
        return blocks(cols) * Format::block_cols * group_rows * Format::bits / 8;
    }
    /// Bytes of both.
    static constexpr Index group_bytes(Index cols) noexcept { return scale_bytes(cols) + code_bytes(cols); }
    /// Bytes of a matrix of that size; there is one layout only.
    static constexpr std::size_t bytes(Index rows, Index cols, Layout = Layout::by_group) noexcept {
        return static_cast<std::size_t>(groups(rows) * group_bytes(cols));
    }
    /// Bytes of this one.
    std::size_t bytes() const noexcept { return bytes(rows_, cols_); }
    /// The only one there is.
    Layout layout() const noexcept { return Layout::by_group; }
    /// The name of its format.
    WeightFormat format() const noexcept { return Format::format; }
    /// Where the elements begin.
    const void* data() const noexcept { return data_.get(); }

    /// Writes the elements [begin, end) of row i as numbers of the activations' type.
    template <class Scalar>
    void copy_row(Index i, Index begin, Index end, Scalar* out) const noexcept {
        const Index g = i / group_rows, r = i % group_rows;
        for (Index c = begin; c < end; ++c) {
            const auto scale = static_cast<Scalar>(scales(g)[c / Format::block_cols * group_rows + r]);
            *out++ = scale * static_cast<Scalar>(code(codes(g), r, c) - 128);
        }
    }

  private:
    const std::byte* group(Index g) const noexcept { return data_.get() + g * group_bytes(cols_); }

    static int code(const std::uint8_t* codes, Index r, Index c) noexcept {
        const Index step = c / step_cols, lane = r * step_cols + c % step_cols;
        if constexpr (Format::bits == 8) return codes[step * 64 + lane];
        const int pair = codes[step / 2 * 64 + lane];
        return Q4::shifted_table[static_cast<std::size_t>(step % 2 ? pair >> 4 : pair & 15)];
    }

    Index rows_ = 0, cols_ = 0;
    std::shared_ptr<const std::byte[]> data_;
};

/// A matrix whose format is known at run time only: one of the others, to be visited.
template <>
class WeightMatrix<Mixed> {
  public:
    /// What it may be.
    using Any =
        std::variant<WeightMatrix<F32>, WeightMatrix<F16>, WeightMatrix<BF16>, WeightMatrix<Q8>, WeightMatrix<Q4>>;

    WeightMatrix() = default;
    /// That matrix, of whatever format; its elements are shared.
    template <class Format>
    WeightMatrix(WeightMatrix<Format> matrix) : any_(std::move(matrix)) {}

    /// Calls `use` with the matrix in its own format. No format is ever valueless, so this does not throw.
    template <class Use>
    auto visit(Use&& use) const {
        if (auto* w = std::get_if<WeightMatrix<F16>>(&any_)) return use(*w);
        if (auto* w = std::get_if<WeightMatrix<BF16>>(&any_)) return use(*w);
        if (auto* w = std::get_if<WeightMatrix<Q8>>(&any_)) return use(*w);
        if (auto* w = std::get_if<WeightMatrix<Q4>>(&any_)) return use(*w);
        return use(*std::get_if<WeightMatrix<F32>>(&any_));
    }

    /// Outputs.
    Index rows() const noexcept {
        return visit([](const auto& w) { return w.rows(); });
    }
    /// Inputs.
    Index cols() const noexcept {
        return visit([](const auto& w) { return w.cols(); });
    }
    /// Bytes of this one.
    std::size_t bytes() const noexcept {
        return visit([](const auto& w) { return w.bytes(); });
    }
    /// The name of its format.
    WeightFormat format() const noexcept {
        return visit([](const auto& w) { return w.format(); });
    }
    /// Writes the elements [begin, end) of row i as numbers of the activations' type.
    template <class Scalar>
    void copy_row(Index i, Index begin, Index end, Scalar* out) const noexcept {
        visit([&](const auto& w) { w.copy_row(i, begin, end, out); });
    }

  private:
    Any any_;
};

}  // namespace rwkv::inline RWKV_ABI
