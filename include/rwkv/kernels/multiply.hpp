#pragma once

#include <algorithm>
#include <array>
#include <cassert>
#include <cstddef>
#include <initializer_list>
#include <type_traits>

#include <rwkv/kernels/activations.hpp>
#include <rwkv/kernels/arch/avx2.hpp>
#include <rwkv/kernels/arch/avx512.hpp>
#include <rwkv/kernels/arch/avx512_vnni.hpp>
#include <rwkv/kernels/arch/neon.hpp>
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

/// How an instruction set multiplies weights of one format with so many tokens; see arch/.
template <class Format>
struct Way {
    /// Brings up to `panel` tokens to a panel. Null: they are read where they are.
    void (*prepare)(const float* x, Index x_stride, Index tokens, Index cols, std::byte* room) noexcept;
    /// Rows [begin, end) of y = W x.
    void (*rows)(const WeightMatrix<Format>& weight, Index begin, Index end, const Input& x, Index tokens, float* y,
                 Index y_stride, float* scratch) noexcept;
};

/// The way for that instruction set and that many tokens, or null for the portable one.
template <class Format>
const Way<Format>* way_of([[maybe_unused]] Isa isa, Index tokens) noexcept {
    [[maybe_unused]] const bool many = tokens >= fewest_packed_tokens;
#if defined(RWKV_X86_KERNELS)
    static constexpr Way<Format> packed_avx2{avx2::pack_panel, avx2::packed_tokens<Format>};
    static constexpr Way<Format> packed_avx512{avx512::pack_panel, avx512::packed_tokens<Format>};
    if constexpr (DenseFormat<Format>) {
        static constexpr Way<Format> few_avx2{nullptr, avx2::few_tokens<Format>};
        static constexpr Way<Format> few_avx512{nullptr, avx512::few_tokens<Format>};
        if (isa >= Isa::avx512) return many ? &packed_avx512 : &few_avx512;
        if (isa == Isa::avx2) return many ? &packed_avx2 : &few_avx2;
    } else {
        static constexpr Way<Format> few_avx2{avx2::code_panel<Format, std::int16_t>, avx2::few_tokens<Format>};
        static constexpr Way<Format> few_vnni{avx512_vnni::code_panel<Format, std::int16_t>,
                                              avx512_vnni::few_tokens<Format>};
        static constexpr Way<Format> many_vnni{avx512_vnni::code_panel<Format, std::int8_t>,
                                               avx512_vnni::byte_tokens<Format>};
        if (isa == Isa::avx512_vnni) return many ? &many_vnni : &few_vnni;
        if (isa == Isa::avx512) return many ? &packed_avx512 : &few_avx2;
        if (isa == Isa::avx2) return many ? &packed_avx2 : &few_avx2;
    }
#elif defined(RWKV_NEON_KERNELS)
    static constexpr Way<Format> packed{neon::pack_panel, neon::packed_tokens<Format>};
    static constexpr Way<Format> few = [] {
        if constexpr (DenseFormat<Format>)
            return Way<Format>{nullptr, neon::few_tokens<Format>};
        else
            return Way<Format>{neon::code_panel<Format, std::int16_t>, neon::few_tokens<Format>};
    }();
    if (isa == Isa::neon) return many ? &packed : &few;
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

/// Panel p of a product's tokens, where its way wants them in panels.
template <class Format, class Scalar>
void prepare(Engine& engine, const Product<Format, Scalar>& product, Index p, std::byte* room) noexcept {
    if constexpr (std::is_same_v<Scalar, float>) {
        with_format(product.weight, [&]<class Own>(const WeightMatrix<Own>&) {
            const auto& x = product.x;
            const Way<Own>* const way = way_of<Own>(engine.isa(), x.cols());
            if (!way || !way->prepare) return;
            const Index first = p * panel;
            way->prepare(x.data() + first * x.outerStride(), x.outerStride(), std::min(panel, x.cols() - first),
                         x.rows(), room + static_cast<std::size_t>(p) * panel_bytes(x.rows()));
        });
    }
}

/// Rows [begin, end) of one product.
template <class Format, class Scalar>
void multiply_rows(Engine& engine, const Product<Format, Scalar>& product, Index begin, Index end, std::byte* panels,
                   int worker) noexcept {
    with_format(product.weight, [&]<class Own>(const WeightMatrix<Own>& weight) {
        ActivationsView<Scalar> y = product.y;
        if constexpr (std::is_same_v<Scalar, float>) {
            if (const Way<Own>* const way = way_of<Own>(engine.isa(), y.cols()))
                return way->rows(weight, begin, end, {product.x.data(), product.x.outerStride(), panels}, y.cols(),
                                 y.data(), y.outerStride(), engine.tile(worker));
        }
        portable::multiply_rows<Own, Scalar>(weight, begin, end, product.x, y);
    });
}

/// Rows that a thread takes at a time: whole groups, where there are groups.
template <class Format>
Index rows_a_turn(const WeightMatrix<Format>& weight, Index tokens) noexcept {
    constexpr Index bytes_of_a_turn = 32 * 1024;  // about a microsecond of reading
    if (tokens >= fewest_packed_tokens) return block_rows;
    return with_format(weight, [&]<class Own>(const WeightMatrix<Own>& own) {
        constexpr Index least = QuantizedFormat<Own> ? group_rows : 1;
        const Index rows = bytes_of_a_turn * group_rows / static_cast<Index>(own.bytes(group_rows, own.cols()));
        return std::max(least, rows / least * least);
    });
}

/// Computes up to `most_products` products of the same number of tokens at once, shared out over the engine's threads
/// by rows. Each element of y is computed the same way whichever thread does it.
template <class Format, class Scalar>
void multiply(Engine& engine, std::initializer_list<Product<Format, Scalar>> products) noexcept {
    const Product<Format, Scalar>* const all = products.begin();
    const std::size_t count = std::min(products.size(), most_products);
    const Index tokens = all->x.cols(), panels = padded(tokens) / panel;
    assert(products.size() >= 1 && products.size() <= most_products);
    for ([[maybe_unused]] const auto& [weight, x, y] : products)
        assert(x.rows() == weight.cols() && y.rows() == weight.rows() && x.cols() == tokens && y.cols() == tokens);

    std::array<std::byte*, most_products> rooms{engine.panels()};
    for (std::size_t i = 1; i < count; ++i)
        rooms[i] = rooms[i - 1] + static_cast<std::size_t>(panels) * panel_bytes(all[i - 1].x.rows());
    const auto prepare_one = [&](Index i, int) {
        const auto product = static_cast<std::size_t>(i / panels);
        prepare(engine, all[product], i % panels, rooms[product]);
    };
    if (tokens < fewest_packed_tokens)
        for (std::size_t i = 0; i < count; ++i) prepare_one(static_cast<Index>(i), 0);
    else
        engine.pool().parallel_for(static_cast<Index>(count) * panels, prepare_one);

    constexpr std::size_t little = 128 * 1024;  // what one thread does in the time it takes to wake another
    std::array<Index, most_products> rows{}, turns{};
    Index total = 0;
    std::size_t work = 0;
    for (std::size_t i = 0; i < count; ++i) {
        work += all[i].weight.bytes() * static_cast<std::size_t>(tokens);
        rows[i] = rows_a_turn(all[i].weight, tokens);
        turns[i] = (all[i].weight.rows() + rows[i] - 1) / rows[i];
        total += turns[i];
    }
    const auto one_turn = [&](Index turn, int worker) {
        std::size_t i = 0;
        for (; turn >= turns[i]; ++i) turn -= turns[i];
        const Index begin = turn * rows[i];
        multiply_rows(engine, all[i], begin, std::min(begin + rows[i], all[i].weight.rows()), rooms[i], worker);
    };
    if (work < little)
        for (Index turn = 0; turn < total; ++turn) one_turn(turn, 0);
    else
        engine.pool().parallel_for(total, one_turn);
}

}  // namespace rwkv::kernels
