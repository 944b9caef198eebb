#pragma once

#include <algorithm>
#include <random>
#include <vector>

#include <rwkv/core/aligned_buffer.hpp>
#include <rwkv/kernels/activations.hpp>
#include <rwkv/kernels/blocking.hpp>
#include <rwkv/kernels/isa.hpp>
#include <rwkv/kernels/quantize.hpp>

namespace rwkv::test {

/// Whether that instruction set multiplies quantized weights and activations as bytes, both.
inline bool multiplies_bytes(kernels::Isa isa) {
    return isa == kernels::Isa::avx512_vnni || isa == kernels::Isa::amx;
}

/// A matrix of those elements, given row after row, in any format; quantized formats have one layout only.
template <class Format>
WeightMatrix<Format> matrix_of(const std::vector<float>& elements, Index rows, Index cols,
                               Layout layout = Layout::by_group) {
    using Matrix = WeightMatrix<Format>;
    const std::size_t bytes = Matrix::bytes(rows, cols, layout);
    const auto memory = kernels::allocate_weights(bytes);
    std::fill_n(memory.get(), bytes, std::byte(0));
    if constexpr (DenseFormat<Format>) {
        using T = typename Format::Storage;
        auto* const to = reinterpret_cast<T*>(memory.get());
        for (Index r = 0; r < rows; ++r)
            for (Index c = 0; c < cols; ++c)
                to[layout == Layout::by_row ? r * cols + c
                                            : (r / group_rows * cols + c) * group_rows + r % group_rows] =
                    T(elements[static_cast<std::size_t>(r * cols + c)]);
        return {rows, cols, std::shared_ptr<const T[]>(memory, to), layout};
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
WeightMatrix<Format> random_matrix(Index rows, Index cols, std::mt19937& random, Layout layout = Layout::by_group) {
    return matrix_of<Format>(normal_numbers(rows * cols, random), rows, cols, layout);
}

/// The largest whole number that activations are brought to for such a product; 0: they stay as they are.
template <class Format>
float largest_code(kernels::Isa isa, Index tokens) {
    if (DenseFormat<Format> || isa == kernels::Isa::portable) return 0;
    if (multiplies_bytes(isa)) return 127;
    return tokens < kernels::fewest_many_tokens ? 32767 : 0;
}

/// What activations, tokens in columns, are as whole numbers: blocks of them in units of the largest magnitude /
/// `largest`.
inline Activations<double> as_whole_numbers(const Activations<float>& x, Index block, float largest) {
    Activations<double> all(x.rows(), x.cols());
    for (Index t = 0; t < x.cols(); ++t) {
        for (Index i = 0; i < x.rows(); i += block) {
            const auto some = x.col(t).segment(i, std::min(block, x.rows() - i));
            const float size = some.abs().maxCoeff(), factor = largest / size;
            all.col(t).segment(i, some.size()) = (some * factor).rint().cast<double>() * double(size / largest);
        }
    }
    return all;
}

}  // namespace rwkv::test
