#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include <rwkv/checkpoint/rwkv4_tensors.hpp>
#include <rwkv/core/config.hpp>
#include <rwkv/core/tensor.hpp>
#include <rwkv/version.hpp>

namespace rwkv::inline RWKV_ABI::checkpoint {

/// The shape of the tensor that holds a matrix.
inline Shape matrix_shape(Index rows, Index cols) {
    return {static_cast<std::uint64_t>(rows), static_cast<std::uint64_t>(cols)};
}

/// One tensor of a model of known sizes.
struct TensorSpec {
    TensorRole role;
    TensorKind kind;
    std::size_t block;  ///< number of its block; 0 outside the blocks
    std::string name;   ///< canonical, as parse_tensor_name has it
    Index rows, cols;   ///< a vector has one row

    bool is_vector() const noexcept { return kind == TensorKind::vector || kind == TensorKind::mix; }

    /// The shape it is stored in, unless it is quantized.
    Shape shape() const {
        const auto size = static_cast<std::uint64_t>(cols);
        if (kind == TensorKind::vector) return {size};
        if (kind == TensorKind::mix) return {1, 1, size};
        return matrix_shape(rows, cols);
    }
};

/// All tensors of a model, in the order in which they are read and written.
inline std::vector<TensorSpec> tensor_specs(const Config& config, bool has_head) {
    std::vector<TensorSpec> specs;
    const auto size = [&](TensorSize member) { return member ? config.*member : Index{1}; };
    const auto add = [&](TensorPlace place, std::size_t block) {
        for (const Rwkv4Tensor& tensor : rwkv4_tensors)
            if (tensor.place == place && (has_head || tensor.role != TensorRole::head))
                specs.push_back({tensor.role, tensor.kind, block, tensor.canonical_name(block), size(tensor.rows),
                                 size(tensor.cols)});
    };
    add(TensorPlace::before_blocks, 0);
    add(TensorPlace::first_block, 0);
    for (std::size_t block = 0; block < static_cast<std::size_t>(config.num_hidden_layers); ++block)
        add(TensorPlace::every_block, block);
    add(TensorPlace::after_blocks, 0);
    return specs;
}

}  // namespace rwkv::inline RWKV_ABI::checkpoint
