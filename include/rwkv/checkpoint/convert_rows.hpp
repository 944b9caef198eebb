#pragma once

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <string>
#include <type_traits>

#include <rwkv/checkpoint/plan.hpp>
#include <rwkv/core/error.hpp>
#include <rwkv/kernels/quantize.hpp>
#include <rwkv/version.hpp>

namespace rwkv::inline RWKV_ABI::checkpoint {

/// The first of the elements that is an infinity or NaN, or `count`: by the bits, which needs no conversion.
template <class T>
Index first_not_finite(const T* elements, Index count) noexcept {
    using Bits = std::conditional_t<sizeof(T) == 8, std::uint64_t,
                                    std::conditional_t<sizeof(T) == 4, std::uint32_t, std::uint16_t>>;
    static_assert(sizeof(Bits) == sizeof(T));
    constexpr Bits exponent = std::is_same_v<T, double>        ? static_cast<Bits>(0x7ff0000000000000)
                              : std::is_same_v<T, float>       ? static_cast<Bits>(0x7f800000)
                              : std::is_same_v<T, Eigen::half> ? static_cast<Bits>(0x7c00)
                                                               : static_cast<Bits>(0x7f80);
    const auto not_finite = [&](Index i) {
        Bits bits;
        std::memcpy(&bits, elements + i, sizeof bits);
        return (bits & exponent) == exponent;
    };
    constexpr Index block = 256;
    for (Index begin = 0; begin < count; begin += block) {
        const Index end = std::min(begin + block, count);
        bool found = false;
        for (Index i = begin; i < end; ++i) found |= not_finite(i);
        for (Index i = begin; found && i < end; ++i)
            if (not_finite(i)) return i;
    }
    return count;
}

/// Throws for the first of `count` elements, numbered from `first` on, that is no finite number in the file (`from`) or
/// has none in memory (`held`): one such weight turns the whole text into noise.
template <class From, class Held>
void check_finite(const TensorSource& source, const CheckpointTensor& tensor, Index first, const From* from,
                  const Held* held, Index count) {
    const Index bad = first_not_finite(held, count);
    if (bad == count) return;
    const auto value = static_cast<double>(from[bad]);
    throw ModelError(source.path(tensor), tensor.info.name,
                     std::isfinite(value) ? "values within the range of the weight format" : "finite weights",
                     std::to_string(value) + " (element " + std::to_string(first + bad) + ")");
}

/// Bytes read and converted at a time: few enough to stay in a processor's own cache until they are checked.
inline constexpr std::size_t piece_bytes = std::size_t(1) << 18;

/// Bytes of scratch of all threads together: where pieces are large, fewer threads read than were asked for.
inline constexpr std::size_t scratch_limit = std::size_t(32) << 20;

/// Calls use with a null pointer to the type of the tensor's elements in the file.
template <class Use>
auto with_element_type(const CheckpointTensor& tensor, Use&& use) {
    switch (tensor.info.dtype) {
        case DType::f16:
            return use(static_cast<Eigen::half*>(nullptr));
        case DType::bf16:
            return use(static_cast<Eigen::bfloat16*>(nullptr));
        case DType::f64:
            return use(static_cast<double*>(nullptr));
        default:
            return use(static_cast<float*>(nullptr));
    }
}

/// What the elements are checked and held as: numbers of that type, which are then quantized, or brought to their
/// groups.
template <class Format>
struct HeldType {
    using type = float;
};
template <DenseFormat Format>
struct HeldType<Format> {
    using type = typename Format::Storage;
};
template <class Format>
using Held = typename HeldType<Format>::type;

/// Bytes of scratch that `convert_rows` needs: for the elements as they come, and as numbers of the type they are held
/// as; nothing where these are the same, or have their place already.
struct Scratch {
    std::size_t stored = 0, held = 0;
    std::size_t size() const noexcept { return stored + held; }
};

template <class From, class Format>
constexpr Scratch scratch_of(std::size_t elements, Layout layout) noexcept {
    return {std::is_same_v<From, Held<Format>> ? 0 : elements * sizeof(From),
            layout == Layout::by_row ? 0 : elements * sizeof(Held<Format>)};
}

/// The rows [first, first + rows) of a matrix; where they are to lie by group, whole groups or the last.
struct Piece {
    Index first, rows, cols;
    Layout layout;
};

/// Sixteen rows side by side, zeros for those past the last: group[c][r] = from[r][c].
template <class T>
void interleave(const T* from, Index rows, Index cols, T* group) noexcept {
    constexpr Index few = 64;  // columns, that what is written stays in the first-level cache
    for (Index begin = 0; begin < cols; begin += few) {
        const Index end = std::min(cols, begin + few);
        for (Index r = 0; r < group_rows; ++r)
            for (Index c = begin; c < end; ++c) group[c * group_rows + r] = r < rows ? from[r * cols + c] : T(0);
    }
}

/// Reads a piece of a tensor of From, checks that its elements are finite, and writes them to `to` as those of a matrix
/// of that format. `stored_room` and `held_room` are scratch of scratch_of bytes. Returns how many bytes were read.
template <class From, class Format>
std::uint64_t convert_rows(const TensorSource& source, const CheckpointTensor& tensor, const Piece& piece,
                           std::byte* stored_room, std::byte* held_room, std::byte* to) {
    const auto [first, rows, cols, layout] = piece;
    const Index begin = first * cols, count = rows * cols;
    const std::uint64_t offset = static_cast<std::uint64_t>(begin) * sizeof(From);
    const std::size_t size = static_cast<std::size_t>(count) * sizeof(From);
    auto* const held = reinterpret_cast<Held<Format>*>(layout == Layout::by_row ? to : held_room);
    if constexpr (std::is_same_v<From, Held<Format>>) {
        source.checkpoint().read(tensor, offset, {reinterpret_cast<std::byte*>(held), size});
        check_finite(source, tensor, begin, held, held, count);
    } else {
        source.checkpoint().read(tensor, offset, {stored_room, size});
        const auto* const from = reinterpret_cast<const From*>(stored_room);
        Eigen::Map<Vector<Held<Format>>>(held, count) =
            Eigen::Map<const Vector<From>>(from, count).template cast<Held<Format>>();
        check_finite(source, tensor, begin, from, held, count);
    }
    if (layout == Layout::by_row) return size;
    for (Index r = 0; r < rows; r += group_rows, to += WeightMatrix<Format>::bytes(group_rows, cols, layout)) {
        const Index some = std::min(group_rows, rows - r);
        if constexpr (QuantizedFormat<Format>)
            kernels::quantize_group<Format>(held + r * cols, some, cols, to);
        else
            interleave(held + r * cols, some, cols, reinterpret_cast<Held<Format>*>(to));
    }
    return size;
}

/// Likewise for a tensor that is stored in that quantized format.
template <QuantizedFormat Format>
std::uint64_t copy_groups(const TensorSource& source, const CheckpointTensor& tensor, const Piece& piece, std::byte*,
                          std::byte*, std::byte* to) {
    using Matrix = WeightMatrix<Format>;
    const auto [first, rows, cols, layout] = piece;
    const std::size_t size = Matrix::bytes(rows, cols);
    source.checkpoint().read(tensor, Matrix::bytes(first, cols), {to, size});
    const Index scales = Matrix::blocks(cols) * group_rows;
    for (Index r = 0; r < rows; r += group_rows, to += Matrix::group_bytes(cols)) {
        const auto* const scale = reinterpret_cast<const Eigen::bfloat16*>(to);
        const Index bad = first_not_finite(scale, scales);
        if (bad == scales) continue;
        throw ModelError(source.path(tensor), tensor.info.name, "finite scales",
                         std::to_string(static_cast<float>(scale[bad])) + " (row " +
                             std::to_string(first + r + bad % group_rows) + ", from column " +
                             std::to_string(bad / group_rows * Format::block_cols) + ")");
    }
    return size;
}

/// How a tensor becomes a matrix, some rows at a time.
struct Conversion {
    decltype(&convert_rows<float, F32>) rows;
    std::size_t (*bytes)(Index rows, Index cols, Layout layout);
    Layout layout;
    Index rows_a_piece;
    Scratch scratch;  ///< for a piece

    /// Bytes of so many rows (whole groups, or all) in memory.
    std::size_t size(Index count, Index cols) const noexcept { return bytes(count, cols, layout); }
};

/// How the tensor, of that many rows and columns, is brought to the format, to lie like that.
template <class Format>
Conversion conversion_to(const CheckpointTensor& tensor, Index rows, Index cols, Layout layout) {
    const auto in_pieces = [&](auto* convert, std::size_t row_bytes, auto&& scratch) {
        const auto groups = static_cast<Index>(piece_bytes / std::max<std::size_t>(1, row_bytes)) / group_rows;
        const Index piece = std::min(rows, std::max<Index>(1, groups) * group_rows);
        return Conversion{convert, &WeightMatrix<Format>::bytes, layout, piece,
                          scratch(static_cast<std::size_t>(piece * cols), layout)};
    };
    if constexpr (QuantizedFormat<Format>)
        if (tensor.info.dtype == DType::u8)
            return in_pieces(copy_groups<Format>, WeightMatrix<Format>::bytes(group_rows, cols) / group_rows,
                             [](std::size_t, Layout) { return Scratch{}; });
    return with_element_type(tensor, [&]<class From>(From*) {
        return in_pieces(convert_rows<From, Format>, static_cast<std::size_t>(cols) * sizeof(From),
                         scratch_of<From, Format>);
    });
}

#ifdef RWKV_COMPILED  // see compiled.hpp
extern template Conversion conversion_to<F32>(const CheckpointTensor&, Index, Index, Layout);
extern template Conversion conversion_to<F16>(const CheckpointTensor&, Index, Index, Layout);
extern template Conversion conversion_to<BF16>(const CheckpointTensor&, Index, Index, Layout);
extern template Conversion conversion_to<Q8>(const CheckpointTensor&, Index, Index, Layout);
extern template Conversion conversion_to<Q4>(const CheckpointTensor&, Index, Index, Layout);
#endif

}  // namespace rwkv::inline RWKV_ABI::checkpoint
