#pragma once

#include <algorithm>
#include <array>
#include <cassert>
#include <initializer_list>
#include <type_traits>

#include <rwkv/kernels/activations.hpp>
#include <rwkv/kernels/arch/avx2.hpp>
#include <rwkv/kernels/arch/avx512.hpp>
#include <rwkv/kernels/arch/portable.hpp>
#include <rwkv/kernels/engine.hpp>
#include <rwkv/kernels/weight_matrix.hpp>

namespace rwkv::kernels {

/// One product y = W x, a column of x and y per token.
template <class Format, class Scalar>
struct Product {
    const WeightMatrix<Format>& weight;
    ConstActivationsView<Scalar> x;
    ActivationsView<Scalar> y;
};

/// The float kernels of one instruction set and one type of weights; see arch/generic.inl.
template <class T>
struct FloatKernels {
    void (*dot_rows)(const T*, Index cols, Index begin, Index end, const float* x, Index x_stride, Index tokens,
                     float* y, Index y_stride) noexcept;
    void (*pack_panel)(const float* x, Index x_stride, Index tokens, Index cols, float* packed) noexcept;
    void (*packed_rows)(const T*, Index cols, Index begin, Index end, const float* packed, Index tokens, float* y,
                        Index y_stride, float* scratch) noexcept;
};

/// The kernels of that instruction set, or null for the portable way.
template <class T>
const FloatKernels<T>* float_kernels(Isa isa) noexcept {
#ifdef RWKV_X86_KERNELS
    static constexpr FloatKernels<T> with_avx2{avx2::dot_rows<T>, avx2::pack_panel, avx2::packed_rows<T>};
    static constexpr FloatKernels<T> with_avx512{avx512::dot_rows<T>, avx512::pack_panel, avx512::packed_rows<T>};
    if (isa == Isa::avx512) return &with_avx512;
    if (isa == Isa::avx2) return &with_avx2;
#endif
    static_cast<void>(isa);
    return nullptr;
}

/// Rows [begin, end) of one product. `packed` are its packed activations, or null to read them where they are.
template <class Format, class Scalar>
void multiply_rows(Engine& engine, const Product<Format, Scalar>& product, Index begin, Index end, const float* packed,
                   int worker) noexcept {
    if constexpr (std::is_same_v<Format, Mixed>) {
        product.weight.visit([&]<class Own>(const WeightMatrix<Own>& own) {
            multiply_rows(engine, Product<Own, Scalar>{own, product.x, product.y}, begin, end, packed, worker);
        });
    } else {
        const WeightMatrix<Format>& weight = product.weight;
        ActivationsView<Scalar> y = product.y;
        if constexpr (std::is_same_v<Scalar, float>) {
            if (const auto* kernels = float_kernels<typename Format::Storage>(engine.isa())) {
                if (packed)
                    kernels->packed_rows(weight.row(0), weight.cols(), begin, end, packed, y.cols(), y.data(),
                                         y.outerStride(), engine.tile(worker));
                else
                    kernels->dot_rows(weight.row(0), weight.cols(), begin, end, product.x.data(),
                                      product.x.outerStride(), y.cols(), y.data(), y.outerStride());
                return;
            }
        }
        portable::multiply_rows<Format, Scalar>(weight, begin, end, product.x, y);
    }
}

/// Packs the tokens of x in panels; see tiling.hpp.
inline void pack(Engine& engine, ConstActivationsView<float> x, float* packed) noexcept {
    const auto pack_panel = float_kernels<float>(engine.isa())->pack_panel;
    engine.pool().parallel_for(padded(x.cols()) / panel, [&](Index p, int) {
        const Index first = p * panel;
        pack_panel(x.data() + first * x.outerStride(), x.outerStride(), std::min(panel, x.cols() - first), x.rows(),
                   packed + first * x.rows());
    });
}

/// Computes up to three products of the same number of tokens at once, shared out over the engine's threads by rows.
/// Each element of y is computed the same way whichever thread does it.
template <class Format, class Scalar>
void multiply(Engine& engine, std::initializer_list<Product<Format, Scalar>> products) noexcept {
    constexpr std::size_t most_products = 3;
    constexpr Index bytes_of_a_turn = 32 * 1024;  // about a microsecond of reading
    const Product<Format, Scalar>* const all = products.begin();
    const std::size_t count = std::min(products.size(), most_products);
    const Index tokens = all->x.cols();
    assert(products.size() >= 1 && products.size() <= most_products);
    for ([[maybe_unused]] const auto& [weight, x, y] : products)
        assert(x.rows() == weight.cols() && y.rows() == weight.rows() && x.cols() == tokens && y.cols() == tokens);

    std::array<const float*, most_products> packed{};
    if constexpr (std::is_same_v<Scalar, float>) {
        float* room = engine.packed();
        for (std::size_t i = 0; i < count && tokens >= fewest_packed_tokens && engine.isa() != Isa::portable; ++i) {
            pack(engine, all[i].x, room);
            packed[i] = room;
            room += padded(tokens) * all[i].x.rows();
        }
    }

    std::array<Index, most_products> rows_a_turn{}, turns{};
    Index total = 0;
    for (std::size_t i = 0; i < count; ++i) {
        const auto& weight = all[i].weight;
        const Index row_bytes =
            std::max<Index>(1, static_cast<Index>(weight.bytes()) / std::max<Index>(1, weight.rows()));
        rows_a_turn[i] = packed[i] ? block_rows : std::max<Index>(1, bytes_of_a_turn / row_bytes);
        turns[i] = (weight.rows() + rows_a_turn[i] - 1) / rows_a_turn[i];
        total += turns[i];
    }
    engine.pool().parallel_for(total, [&](Index turn, int worker) {
        std::size_t i = 0;
        for (; turn >= turns[i]; ++i) turn -= turns[i];
        const Index begin = turn * rows_a_turn[i];
        multiply_rows(engine, all[i], begin, std::min(begin + rows_a_turn[i], all[i].weight.rows()), packed[i], worker);
    });
}

}  // namespace rwkv::kernels
