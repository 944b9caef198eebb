// The inner loops of the search for the scale of a Q4 block.
#ifndef RWKV_TARGET
#include <rwkv/kernels/simd/alone.inl>
#endif
#include <rwkv/kernels/simd/begin_target.inl>

namespace rwkv::inline RWKV_ABI::kernels::RWKV_TARGET {

using V = Simd::V;

// See Q4ErrorTerms.
inline Q4ErrorTerms q4_error_terms(const float* weights, float factor) noexcept {
    constexpr auto& codebook = Q4::codebook;
    V product = Simd::zero(), square = Simd::zero();
    for (Index i = 0; i < Q4::block_cols; i += Simd::lanes) {
        const V x = Simd::mul(Simd::load(weights + i), Simd::set(factor));
        V nearest = Simd::set(static_cast<float>(codebook[0]));
#pragma GCC unroll 16
        for (std::size_t c = 1; c < codebook.size(); ++c)
            nearest = Simd::add(nearest, Simd::if_greater_then_else_zero(
                                             x, Simd::set(0.5f * static_cast<float>(codebook[c - 1] + codebook[c])),
                                             Simd::set(static_cast<float>(codebook[c] - codebook[c - 1]))));
        product = Simd::mul_add(x, nearest, product);
        square = Simd::mul_add(nearest, nearest, square);
    }
    return {Simd::reduce_sum(product), Simd::reduce_sum(square)};
}

// The nearest entries of Q4::codebook for the block of weights · factor.
inline void encode_q4(const float* weights, float factor, std::uint8_t* indices) noexcept {
    constexpr auto& codebook = Q4::codebook;
    for (Index i = 0; i < Q4::block_cols; i += Simd::lanes) {
        const V x = Simd::mul(Simd::load(weights + i), Simd::set(factor));
        V index = Simd::zero();
#pragma GCC unroll 16
        for (std::size_t c = 1; c < codebook.size(); ++c)
            index = Simd::add(
                index, Simd::if_greater_then_else_zero(
                           x, Simd::set(0.5f * static_cast<float>(codebook[c - 1] + codebook[c])), Simd::set(1.0f)));
        float found[Simd::lanes];
        Simd::store(found, index);
        for (Index j = 0; j < Simd::lanes; ++j) indices[i + j] = static_cast<std::uint8_t>(found[j]);
    }
}

}  // namespace rwkv::inline RWKV_ABI::kernels::RWKV_TARGET

#include <rwkv/kernels/simd/end_target.inl>
