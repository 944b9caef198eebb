#pragma once

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <string_view>

#include <Eigen/Core>

#include <rwkv/core/matrix_view.hpp>
#include <rwkv/kernels/kernel.hpp>
#include <rwkv/kernels/simd/vector_simd.hpp>
#include <rwkv/version.hpp>

#if !EIGEN_VERSION_AT_LEAST(3, 4, 0)
#error "rwkv.hpp needs Eigen 3.4 or later"
#endif

// The target for every processor: Eigen, as fast as the flags of the source file make it.
#define RWKV_TARGET portable

namespace rwkv::inline RWKV_ABI::kernels::portable {

using Simd = VectorSimd<float>;

inline Simd::V exp(Simd::V x) noexcept {
    return Simd::exp(x);
}

}  // namespace rwkv::inline RWKV_ABI::kernels::portable

#include <rwkv/kernels/simd/equations.inl>

#undef RWKV_TARGET

namespace rwkv::inline RWKV_ABI::kernels::portable {

/// Rows [begin, end) of y = W x for every column of x, for any matrix with cols() and copy_row(), and any scalar. Rows
/// are widened block by block on the stack, so that nothing is allocated and the inner product is Eigen's own.
template <class Matrix, class Scalar>
void multiply_rows(const Matrix& weights, Index begin, Index end, MatrixView<const Scalar> x,
                   MatrixView<Scalar> y) noexcept {
    constexpr Index block_rows = 8, block_cols = 256;
    using Stride = Eigen::OuterStride<>;
    using Block = Eigen::Matrix<Scalar, Eigen::Dynamic, Eigen::Dynamic, Eigen::RowMajor>;
    using Columns = Eigen::Matrix<Scalar, Eigen::Dynamic, Eigen::Dynamic, Eigen::ColMajor>;
    Scalar widened[block_rows * block_cols];
    for (Index r = begin; r < end; r += block_rows) {
        const Index rows = (std::min)(block_rows, end - r);
        Eigen::Map<Columns, Eigen::Unaligned, Stride> out(y.data() + r, rows, y.cols(), Stride(y.stride()));
        out.setZero();
        for (Index c = 0; c < weights.cols(); c += block_cols) {
            const Index cols = (std::min)(block_cols, weights.cols() - c);
            for (Index i = 0; i < rows; ++i) weights.copy_row(r + i, c, c + cols, widened + i * block_cols);
            out += Eigen::Map<const Block, Eigen::Unaligned, Stride>(widened, rows, cols, Stride(block_cols))
                       .lazyProduct(Eigen::Map<const Columns, Eigen::Unaligned, Stride>(x.data() + c, cols, x.cols(),
                                                                                        Stride(x.stride())));
        }
    }
}

inline void multiply(const WeightMatrix& weights, Index begin, Index end, const Activations& x, Index tokens, float* y,
                     Index y_stride, float*) noexcept {
    multiply_rows<WeightMatrix, float>(weights, begin, end, {x.values, weights.cols(), tokens, x.stride},
                                       {y, weights.rows(), tokens, y_stride});
}

/// The index of the entry of Q4::codebook nearest to x.
[[nodiscard]] inline std::uint8_t nearest_q4(float x) noexcept {
    std::uint8_t index = 0;
    for (std::size_t c = 1; c < Q4::codebook.size(); ++c)
        index += x > 0.5f * static_cast<float>(Q4::codebook[c - 1] + Q4::codebook[c]);
    return index;
}

inline Q4ErrorTerms q4_error_terms(const float* weights, float factor) noexcept {
    Q4ErrorTerms terms{0, 0};
    for (Index i = 0; i < Q4::block_cols; ++i) {
        const float x = weights[i] * factor, entry = static_cast<float>(Q4::codebook[nearest_q4(x)]);
        terms.product += x * entry;
        terms.square += entry * entry;
    }
    return terms;
}

inline void encode_q4(const float* weights, float factor, std::uint8_t* indices) noexcept {
    for (Index i = 0; i < Q4::block_cols; ++i) indices[i] = nearest_q4(weights[i] * factor);
}

/// Any processor.
struct Description {
    static constexpr std::string_view name = "portable";
    static constexpr unsigned bit = 0, features = 0;

    template <class Format>
    static constexpr KernelList kernels() {
        constexpr Kernel kernel{.multiply_rows = multiply};
        return {kernel, kernel, kernel};
    }
    static constexpr Equations<float> equations = portable::equations;
    static constexpr auto q4_error_terms = portable::q4_error_terms;
    static constexpr auto encode_q4 = portable::encode_q4;
};

}  // namespace rwkv::inline RWKV_ABI::kernels::portable
