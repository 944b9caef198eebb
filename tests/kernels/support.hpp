#pragma once

#include <algorithm>
#include <random>
#include <vector>

#include <rwkv/kernels/quantize.hpp>
#include <rwkv/kernels/weight_memory.hpp>

namespace rwkv::test {

/// A matrix of those elements, row after row, in any format.
template <class Format>
WeightMatrix<Format> matrix_of(const std::vector<float>& elements, Index rows, Index cols) {
    using Matrix = WeightMatrix<Format>;
    const auto memory = kernels::allocate_weights(Matrix::bytes(rows, cols));
    if constexpr (DenseFormat<Format>) {
        using T = typename Format::Storage;
        auto* const to = reinterpret_cast<T*>(memory.get());
        for (std::size_t i = 0; i < elements.size(); ++i) to[i] = T(elements[i]);
        return {rows, cols, std::shared_ptr<const T[]>(memory, to)};
    } else {
        for (Index g = 0; g < Matrix::groups(rows); ++g)
            kernels::quantize_group<Format>(elements.data() + g * group_rows * cols,
                                            std::min(group_rows, rows - g * group_rows), cols,
                                            memory.get() + g * Matrix::group_bytes(cols));
        return {rows, cols, memory};
    }
}

inline std::vector<float> normal_numbers(Index count, std::mt19937& random) {
    std::normal_distribution<float> normal;
    std::vector<float> numbers(static_cast<std::size_t>(count));
    for (float& number : numbers) number = normal(random);
    return numbers;
}

template <class Format>
WeightMatrix<Format> random_matrix(Index rows, Index cols, std::mt19937& random) {
    return matrix_of<Format>(normal_numbers(rows * cols, random), rows, cols);
}

}  // namespace rwkv::test
