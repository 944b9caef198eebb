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

/// The description of a tensor in a file: its name, element type, shape, and the position of its bytes.
struct TensorInfo {
    std::string name;          ///< as in the file
    DType dtype = DType::f32;  ///< of its elements
    Shape shape;               ///< sizes, outermost first
    std::uint64_t offset = 0;  ///< of the first byte, from the start of the file
    std::uint64_t bytes = 0;   ///< size in bytes, equal to shape × dtype
    /// The distance between neighbours in each dimension, in elements, outermost first; empty where the tensor is
    /// contiguous in C order, as it always is in a safetensors file.
    Shape strides = {};
};

namespace core {

/// The maximum number of dimensions of a tensor. The formats set no limit; the tensors of a model have at most three.
inline constexpr std::size_t max_tensor_rank = 8;

/// The shape as "[768, 768]".
[[nodiscard]] inline std::string to_string(const Shape& shape) {
    std::string text = "[";
    for (std::size_t i = 0; i < shape.size(); ++i) text.append(i ? ", " : "").append(std::to_string(shape[i]));
    return text.append("]");
}

/// The number of elements times `factor` (the bits of an element, say), or nothing where that does not fit in 64 bits.
/// A zero dimension hides no overflow: the product of the others must fit all the same.
[[nodiscard]] inline std::optional<std::uint64_t> element_count(const Shape& shape, std::uint64_t factor = 1) noexcept {
    std::optional<std::uint64_t> count = factor;
    bool empty = false;
    for (std::uint64_t size : shape) {
        if (size == 0) {
            empty = true;
            continue;
        }
        count = checked_multiply(*count, size);
        if (!count) return std::nullopt;
    }
    return empty ? 0 : count;
}

}  // namespace core

}  // namespace rwkv::inline RWKV_ABI
