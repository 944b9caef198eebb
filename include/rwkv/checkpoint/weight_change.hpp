#pragma once

#include <vector>

#include <rwkv/checkpoint/checkpoint.hpp>
#include <rwkv/core/tensor.hpp>
#include <rwkv/version.hpp>

namespace rwkv::inline RWKV_ABI::checkpoint {

/// What adapters change about a tensor of the model: it may be replaced, and a matrix of low rank, left · right, be
/// added to it. What it points to must live as long.
struct WeightChange {
    const CheckpointTensor* replacement = nullptr;  ///< takes the place of the model's own; or null
    const Checkpoint* files = nullptr;              ///< where the replacement lies
    Index rank = 0;                                 ///< of all adapters together; 0: nothing is added
    std::vector<float> left = {};                   ///< [rows of the weight][rank], with all scales in it
    std::vector<float> right = {};                  ///< [rank][columns of the weight]

    /// Adds the product's rows [first, first + rows) to these rows of the weight.
    void add_product(Index first, Index rows, Index cols, float* weights) const noexcept {
        constexpr Index block = 32;  // columns: a number that compilers make vectors of
        const float *const factors = left.data() + first * rank, *const right_data = right.data();
        Index col = 0;
        for (; col + block <= cols; col += block)
            for (Index row = 0; row < rows; ++row) {
                float sums[block] = {};
                for (Index k = 0; k < rank; ++k) {
                    const float factor = factors[row * rank + k];
                    for (Index i = 0; i < block; ++i) sums[i] += factor * right_data[k * cols + col + i];
                }
                for (Index i = 0; i < block; ++i) weights[row * cols + col + i] += sums[i];
            }
        for (; col < cols; ++col)
            for (Index row = 0; row < rows; ++row) {
                float sum = 0;
                for (Index k = 0; k < rank; ++k) sum += factors[row * rank + k] * right_data[k * cols + col];
                weights[row * cols + col] += sum;
            }
    }
};

}  // namespace rwkv::inline RWKV_ABI::checkpoint
