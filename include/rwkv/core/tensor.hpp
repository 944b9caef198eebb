#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include <rwkv/core/checked.hpp>
#include <rwkv/core/dtype.hpp>
#include <rwkv/version.hpp>

namespace rwkv::inline RWKV_ABI {

/// Sizes and positions in memory: signed, as Eigen's.
using Index = std::ptrdiff_t;

/// A token's number in the vocabulary.
using TokenId = std::int32_t;

/// The sizes of a tensor, outermost first (C order).
using Shape = std::vector<std::uint64_t>;

/// A tensor of a file may have this many dimensions. The formats set no limit; no model of ours comes near.
inline constexpr std::size_t max_tensor_rank = 8;

/// What a file says of one tensor: its name, element type, shape, and where its bytes lie.
struct TensorInfo {
    std::string name;          ///< as in the file
    DType dtype = DType::f32;  ///< of its elements
    Shape shape;               ///< sizes, outermost first
    std::uint64_t offset = 0;  ///< first byte, counted from the start of the file
    std::uint64_t bytes = 0;   ///< length in bytes, equal to shape × dtype
    /// How many elements lie between neighbours in each dimension, outermost first; empty where the tensor lies in one
    /// piece in C order, as it always does in a safetensors file.
    Shape strides = {};
};

/// "[768, 768]"
inline std::string to_string(const Shape& shape) {
    std::string text = "[";
    for (std::size_t i = 0; i < shape.size(); ++i) text.append(i ? ", " : "").append(std::to_string(shape[i]));
    return text.append("]");
}

/// Number of elements times what `each` counts for (its bits, say), or nothing where that does not fit in 64 bits. A
/// zero dimension hides no overflow: the other dimensions must multiply to something that fits all the same.
constexpr std::optional<std::uint64_t> element_count(const Shape& shape, std::uint64_t each = 1) noexcept {
    std::optional<std::uint64_t> count = each;
    bool empty = false;
    for (std::uint64_t size : shape) {
        if (size == 0) {
            empty = true;
            continue;
        }
        count = core::checked_multiply(*count, size);
        if (!count) return std::nullopt;
    }
    return empty ? 0 : count;
}

}  // namespace rwkv::inline RWKV_ABI
