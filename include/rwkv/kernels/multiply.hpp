#pragma once

#include <algorithm>
#include <array>
#include <cassert>
#include <cstddef>
#include <initializer_list>
#include <limits>
#include <type_traits>

#include <rwkv/kernels/activations.hpp>
#include <rwkv/kernels/arch/amx.hpp>
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

/// Rows [begin, end) of one product, of its features [first, last).
template <class Format, class Scalar>
void multiply_rows(Engine& engine, const Product<Format, Scalar>& product, Index begin, Index end, Index first,
                   Index last, std::byte* panels, int worker) noexcept {
    with_way(engine, product, [&]<class Own>(const Way<Own>* way, const WeightMatrix<Own>& weight) {
        ActivationsView<Scalar> y = product.y;
        if constexpr (std::is_same_v<Scalar, float>)
            if (way)
                return way->rows(weight, begin, end,
                                 {product.x.data(), product.x.outerStride(), panels,
                                  static_cast<Index>(engine.panel_bytes(product.x.rows())), first, last},
                                 y.cols(), y.data(), y.outerStride(), engine.tile(worker));
        portable::multiply_rows<Own, Scalar>(weight, begin, end, product.x, y);
    });
}

/// Rows that a thread takes at a time: whole groups.
template <class Format, class Scalar>
Index rows_a_turn(const Engine& engine, const Product<Format, Scalar>& product) noexcept {
    return with_way(engine, product, []<class Own>(const Way<Own>* way, const WeightMatrix<Own>& weight) {
        constexpr std::size_t bytes_of_a_turn = 32 * 1024;  // about a microsecond of reading
        if (way && way->turn_rows > 0) return way->turn_rows;
        const std::size_t groups = static_cast<std::size_t>((weight.rows() + group_rows - 1) / group_rows);
        const std::size_t group = std::max<std::size_t>(1, weight.bytes() / std::max<std::size_t>(1, groups));
        return group_rows * std::max<Index>(1, static_cast<Index>(bytes_of_a_turn / group));
    });
}

/// Computes up to `most_products` products of the same number of tokens at once, shared out over the engine's threads
/// by rows and, where tokens are many, by parts of them. Each element of y is computed the same way whichever thread
/// does it.
template <class Format, class Scalar>
void multiply(Engine& engine, std::initializer_list<Product<Format, Scalar>> products) noexcept {
    const Product<Format, Scalar>* const all = products.begin();
    const std::size_t count = std::min(products.size(), most_products);
    const Index tokens = all->x.cols(), panels = padded(tokens) / panel;
    const Parts parts = parts_of(tokens, engine.pool().size());
    assert(products.size() >= 1 && products.size() <= most_products);
    for ([[maybe_unused]] const auto& [weight, x, y] : products)
        assert(x.rows() == weight.cols() && y.rows() == weight.rows() && x.cols() == tokens && y.cols() == tokens);

    Index features = 0, at_a_time = slab;
    std::array<std::byte*, most_products> rooms{engine.panels()};
    for (std::size_t i = 0; i < count; ++i) {
        const auto& x = all[i].x;
        const std::size_t bytes = engine.panel_bytes(x.rows());
        if (i + 1 < count) rooms[i + 1] = rooms[i] + static_cast<std::size_t>(panels) * bytes;
        features = std::max(features, x.rows());
        with_way(engine, all[i], [&]<class Own>(const Way<Own>* way, const WeightMatrix<Own>&) {
            if (!way || !way->in_slabs) at_a_time = std::numeric_limits<Index>::max();
            if constexpr (std::is_same_v<Scalar, float>)
                if (way && way->prepare)
                    engine.pool().parallel_for_parts(
                        parts.count, padded(parts.longest()) / panel, [&](Index part, Index p, int) {
                            p += parts.begin(part) / panel;
                            const Index begin = p * panel, end = std::min(begin + panel, parts.begin(part + 1));
                            if (begin < end)
                                way->prepare(x.data() + begin * x.outerStride(), x.outerStride(), end - begin, x.rows(),
                                             rooms[i] + static_cast<std::size_t>(p) * bytes);
                        });
        });
    }

    constexpr std::size_t little = 128 * 1024;  // what one thread does in the time it takes to wake another
    std::array<Index, most_products> rows{}, turns{};
    Index total = 0;
    std::size_t work = 0;
    for (std::size_t i = 0; i < count; ++i) {
        work += all[i].weight.bytes() * static_cast<std::size_t>(tokens);
        rows[i] = rows_a_turn(engine, all[i]);
        turns[i] = (all[i].weight.rows() + rows[i] - 1) / rows[i];
        total += turns[i];
    }
    for (Index first = 0; first < features; first += std::min(at_a_time, features)) {
        const auto one_turn = [&](Index part, Index turn, int worker) {
            std::size_t i = 0;
            for (; turn >= turns[i]; ++i) turn -= turns[i];
            ActivationsView<Scalar> y = all[i].y;
            const Index begin = turn * rows[i], end = std::min(begin + rows[i], all[i].weight.rows());
            const Index last = first + std::min(at_a_time, all[i].x.rows() - first);
            const Index from = parts.begin(part), size = parts.begin(part + 1) - from;
            if (first < last)
                multiply_rows<Format, Scalar>(
                    engine, {all[i].weight, all[i].x.middleCols(from, size), y.middleCols(from, size)}, begin, end,
                    first, last,
                    rooms[i] + static_cast<std::size_t>(from / panel) * engine.panel_bytes(all[i].x.rows()), worker);
        };
        if (work < little)
            for (Index i = 0; i < parts.count * total; ++i) one_turn(i / total, i % total, 0);
        else
            engine.pool().parallel_for_parts(parts.count, total, one_turn);
    }
}

#ifdef RWKV_COMPILED  // see compiled.hpp
extern template void multiply<Mixed, float>(Engine&, std::initializer_list<Product<Mixed, float>>) noexcept;
#endif

}  // namespace rwkv::kernels
