#pragma once

#include <cstddef>
#include <type_traits>

#include <rwkv/kernels/activations.hpp>
#include <rwkv/kernels/arch/amx.hpp>
#include <rwkv/kernels/arch/avx2.hpp>
#include <rwkv/kernels/arch/avx512.hpp>
#include <rwkv/kernels/arch/avx512_vnni.hpp>
#include <rwkv/kernels/arch/neon.hpp>
#include <rwkv/kernels/arch/portable.hpp>
#include <rwkv/kernels/matmul_context.hpp>
#include <rwkv/kernels/weight_matrix.hpp>
#include <rwkv/version.hpp>

namespace rwkv::inline RWKV_ABI::kernels {

/// One product y = W x, a column of x and y per token.
template <class Format, class Scalar>
struct Product {
    const WeightMatrix<Format>& weight;
    ConstActivationsView<Scalar> x;
    ActivationsView<Scalar> y;
};

/// Brings up to `panel` tokens to a panel of whole numbers, or of BF16 pieces.
using Prepare = void(const float* x, Index x_stride, Index tokens, Index cols, std::byte* room) noexcept;

/// How an instruction set multiplies weights of one format with so many tokens; see arch/.
template <class Format>
struct Way {
    /// Null: tokens are read where they are.
    Prepare* prepare;
    /// Whether it takes a slab of the features at a time.
    bool in_slabs;
    /// Rows that a thread takes at a time; 0: as many as are worth a turn.
    Index turn_rows;
    /// Rows [begin, end) of y = W x, from a whole group on.
    void (*rows)(const WeightMatrix<Format>& weight, Index begin, Index end, const Input& x, Index tokens, float* y,
                 Index y_stride, float* scratch) noexcept;
};

/// The way for that instruction set and that many tokens, or null for the portable one.
template <class Format>
const Way<Format>* way_of([[maybe_unused]] Isa isa, Index tokens) noexcept {
    [[maybe_unused]] const bool many = tokens >= fewest_many_tokens;
#if defined(RWKV_X86_KERNELS)
    static constexpr Way<Format> many_avx2{nullptr, true, block_rows, avx2::many_tokens<Format>};
    static constexpr Way<Format> many_avx512{nullptr, true, block_rows, avx512::many_tokens<Format>};
    if constexpr (DenseFormat<Format>) {
        static constexpr Way<Format> few_avx2{nullptr, false, 0, avx2::few_tokens<Format>};
        static constexpr Way<Format> few_avx512{nullptr, false, 0, avx512::few_tokens<Format>};
        static constexpr Way<Format> many_amx{amx::split_panel, true, amx::turn_rows, amx::split_tokens<Format>};
        if (isa == Isa::amx && tokens >= amx::fewest_tokens<Format>) return &many_amx;
        if (isa >= Isa::avx512) return many ? &many_avx512 : &few_avx512;
        if (isa == Isa::avx2) return many ? &many_avx2 : &few_avx2;
    } else {
        static constexpr Way<Format> few_avx2{avx2::code_panel<Format>, false, 0, avx2::few_tokens<Format>};
        static constexpr Way<Format> few_vnni{avx512_vnni::code_panel<Format>, false, 0,
                                              avx512_vnni::few_tokens<Format>};
        static constexpr Way<Format> many_vnni{avx512_vnni::code_panel<Format>, false, block_rows,
                                               avx512_vnni::byte_tokens<Format>};
        static constexpr Way<Format> many_amx{avx512_vnni::code_panel<Format>, false, amx::turn_rows,
                                              amx::byte_tokens<Format>};
        if (isa == Isa::amx && tokens >= amx::fewest_byte_tokens<Format>) return &many_amx;
        if (isa >= Isa::avx512_vnni) return many ? &many_vnni : &few_vnni;
        if (isa == Isa::avx512) return many ? &many_avx512 : &few_avx2;
        if (isa == Isa::avx2) return many ? &many_avx2 : &few_avx2;
    }
#elif defined(RWKV_NEON_KERNELS)
    static constexpr Way<Format> most{nullptr, true, block_rows, neon::many_tokens<Format>};
    static constexpr Way<Format> few = [] {
        if constexpr (DenseFormat<Format>)
            return Way<Format>{nullptr, false, 0, neon::few_tokens<Format>};
        else
            return Way<Format>{neon::code_panel<Format>, false, 0, neon::few_tokens<Format>};
    }();
    if (isa == Isa::neon) return many ? &most : &few;
#endif
    return nullptr;
}

/// Calls `use` with the matrix, its format known.
template <class Format, class Use>
auto with_format(const WeightMatrix<Format>& weight, Use&& use) noexcept {
    if constexpr (std::is_same_v<Format, Mixed>)
        return weight.visit(use);
    else
        return use(weight);
}

/// Calls use(const Way<Own>*, const WeightMatrix<Own>&) with the product's way, null for the portable one.
template <class Format, class Scalar, class Use>
auto with_way(const Engine& engine, const Product<Format, Scalar>& product, Use&& use) noexcept {
    return with_format(product.weight, [&]<class Own>(const WeightMatrix<Own>& weight) {
        const Way<Own>* way = nullptr;
        if constexpr (std::is_same_v<Scalar, float>) way = way_of<Own>(engine.isa(), product.x.cols());
        return use(way, weight);
    });
}

}  // namespace rwkv::inline RWKV_ABI::kernels
