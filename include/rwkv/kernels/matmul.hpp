#pragma once

#include <algorithm>
#include <array>
#include <cassert>
#include <cstddef>
#include <initializer_list>
#include <limits>
#include <type_traits>

#include <Eigen/Core>

#include <rwkv/kernels/ways.hpp>
#include <rwkv/version.hpp>

namespace rwkv::inline RWKV_ABI::kernels {

/// What one thread does in the time it takes to wake another: bytes of weights, times tokens.
inline constexpr std::size_t little_work = 128 * 1024;

/// Bytes of a group of rows, or of as many that lie one after the other; 1 at least.
template <class Own>
Index bytes_of_a_group(const WeightMatrix<Own>& weight) noexcept {
    const Index groups = (weight.rows() + group_rows - 1) / group_rows;
    return std::max<Index>(1, static_cast<Index>(weight.bytes()) / std::max<Index>(1, groups));
}

/// Rows that a thread takes at a time, whole groups: what is about a microsecond of reading.
template <class Own>
Index rows_worth_a_turn(const WeightMatrix<Own>& weight) noexcept {
    constexpr Index bytes_of_a_turn = 32 * 1024;
    return group_rows * std::max<Index>(1, bytes_of_a_turn / bytes_of_a_group(weight));
}

/// The first of the turns that are a thread's to begin with, or where the last thread's end.
constexpr Index first_turn(Index turns, Index thread, Index threads) noexcept {
    return turns * thread / threads;
}

/// What threads read first of the next products, should these be of a few tokens.
struct Beginnings {
    struct Matrix {
        const char* data;
        Index bytes, turns, turn_bytes;
    };
    struct Run {
        const char* begin;
        Index bytes;
    };
    std::array<Matrix, most_products> matrices;
    Index turns, threads;

    /// The beginning of a thread's share, of one matrix and not longer than is read while one waits.
    Run of(int thread) const noexcept {
        constexpr Index most = 256 * 1024;
        Index turn = first_turn(turns, thread, threads);
        const Index share = first_turn(turns, thread + 1, threads) - turn;
        if (share == 0) return {nullptr, 0};
        const Matrix* matrix = matrices.data();
        for (; turn >= matrix->turns; ++matrix) turn -= matrix->turns;
        const Index at = turn * matrix->turn_bytes;
        return {matrix->data + at, std::min({most, share * matrix->turn_bytes, matrix->bytes - at})};
    }

    /// Asks memory for it until ended() says that it is about to be read.
    template <class Ended>
    void operator()(int thread, const Ended& ended) const noexcept {
        constexpr Index line = 64, at_a_time = 8 * line;
        const Run run = of(thread);
        for (Index at = 0; at < run.bytes && !ended(); at += at_a_time)
            for (Index i = at; i < std::min(at + at_a_time, run.bytes); i += line)
                __builtin_prefetch(run.begin + i, 0, 2);
    }
};

/// Those of up to `most_products` matrices, multiplied together.
template <class Format>
Beginnings beginnings(int threads, std::initializer_list<const WeightMatrix<Format>*> weights) noexcept {
    Beginnings all{{}, 0, threads};
    for (std::size_t i = 0; i < std::min(weights.size(), most_products); ++i)
        with_format(*weights.begin()[i], [&]<class Own>(const WeightMatrix<Own>& weight) {
            const Index rows = rows_worth_a_turn(weight), turns = (weight.rows() + rows - 1) / rows;
            all.matrices[i] = {static_cast<const char*>(weight.data()), static_cast<Index>(weight.bytes()), turns,
                               bytes_of_a_group(weight) * (rows / group_rows)};
            all.turns += turns;
        });
    return all;
}

/// Says what the next multiply call will read: threads that wait for it ask memory for the beginnings of their shares
/// meanwhile. Computes nothing.
template <class Format>
void expect(Engine& engine, std::initializer_list<const WeightMatrix<Format>*> weights) noexcept {
    if (engine.pool().size() == 1) return;
    std::size_t bytes = 0;
    for (const auto* weight : weights) bytes += weight->bytes();
    if (bytes >= little_work) engine.pool().meanwhile(beginnings(engine.pool().size(), weights));
}

/// What a thread takes of a product at a time.
struct Turn {
    Index begin_row, end_row, first_feature, last_feature, first_token, last_token;
};

/// That much of one product; `y` is its y's.
template <class Format, class Scalar>
void multiply_turn(Engine& engine, const Product<Format, Scalar>& product, Scalar* y, const Turn& turn,
                   std::byte* panels, int worker) noexcept {
    with_way(engine, product, [&]<class Own>(const Way<Own>* way, const WeightMatrix<Own>& weight) {
        const Index features = product.x.rows(), tokens = turn.last_token - turn.first_token;
        const Index x_stride = product.x.outerStride(), y_stride = product.y.outerStride();
        y += turn.first_token * y_stride;
        if constexpr (std::is_same_v<Scalar, float>)
            if (way) {
                const auto panel_bytes = static_cast<Index>(engine.panel_bytes(features));
                return way->rows(weight, turn.begin_row, turn.end_row,
                                 {product.x.data() + turn.first_token * x_stride, x_stride,
                                  panels + turn.first_token / panel * panel_bytes, panel_bytes, turn.first_feature,
                                  turn.last_feature},
                                 tokens, y, y_stride, engine.tile(worker));
            }
        using Stride = Eigen::OuterStride<>;
        Eigen::Map<Activations<Scalar>, 0, Stride> out(y, weight.rows(), tokens, Stride(y_stride));
        portable::multiply_rows<Own, Scalar>(weight, turn.begin_row, turn.end_row,
                                             product.x.middleCols(turn.first_token, tokens), out);
    });
}

/// Computes up to `most_products` products of the same number of tokens at once, shared out over the engine's threads
/// by rows and, where tokens are many, by parts of them. Each element of y is computed the same way whichever thread
/// does it.
template <class Format, class Scalar>
void multiply(Engine& engine, std::initializer_list<Product<Format, Scalar>> products) noexcept {
    const Product<Format, Scalar>* const all = products.begin();
    const std::size_t count = std::min(products.size(), most_products);
    const Index tokens = all->x.cols();
    const Parts parts = parts_of(tokens, engine.pool().size());
    assert(products.size() >= 1 && products.size() <= most_products);
    for ([[maybe_unused]] const auto& [weight, x, y] : products)
        assert(x.rows() == weight.cols() && y.rows() == weight.rows() && x.cols() == tokens && y.cols() == tokens);

    struct Plan {
        Scalar* y;
        std::byte* panels;
        Index rows, turns;  // rows of a turn
    };
    std::array<Plan, most_products> plans{};
    Index features = 0, at_a_time = slab, turns = 0;
    std::byte* panels = engine.panels();
    std::size_t work = 0;
    for (std::size_t i = 0; i < count; ++i) {
        ActivationsView<Scalar> y = all[i].y;
        const auto& x = all[i].x;
        const std::size_t panel_bytes = engine.panel_bytes(x.rows());
        with_way(engine, all[i], [&]<class Own>(const Way<Own>* way, const WeightMatrix<Own>& weight) {
            const Index rows = way && way->turn_rows > 0 ? way->turn_rows : rows_worth_a_turn(weight);
            plans[i] = {y.data(), panels, rows, (weight.rows() + rows - 1) / rows};
            work += weight.bytes() * static_cast<std::size_t>(tokens);
            if (!way || !way->in_slabs) at_a_time = std::numeric_limits<Index>::max();
            if constexpr (std::is_same_v<Scalar, float>)
                if (way && way->prepare)
                    engine.pool().parallel_for_parts(
                        parts.count, padded(parts.longest()) / panel, [&](Index part, Index p, int) {
                            p += parts.begin(part) / panel;
                            const Index begin = p * panel, end = std::min(begin + panel, parts.begin(part + 1));
                            if (begin < end)
                                way->prepare(x.data() + begin * x.outerStride(), x.outerStride(), end - begin, x.rows(),
                                             panels + static_cast<std::size_t>(p) * panel_bytes);
                        });
        });
        panels += static_cast<std::size_t>(padded(tokens) / panel) * panel_bytes;
        features = std::max(features, x.rows());
        turns += plans[i].turns;
    }

    // A thread begins with tokens of its own or, where they are few, with rows.
    const bool by_rows = parts.count == 1;
    const Index shares = by_rows ? engine.pool().size() : parts.count;
    const Index most_turns = by_rows ? (turns + shares - 1) / shares : turns;
    for (Index first = 0; first < features; first += std::min(at_a_time, features)) {
        const auto one_turn = [&](Index share, Index of_share, int worker) {
            Index turn = of_share + (by_rows ? first_turn(turns, share, shares) : 0);
            if (turn >= (by_rows ? first_turn(turns, share + 1, shares) : turns)) return;
            std::size_t i = 0;
            for (; turn >= plans[i].turns; ++i) turn -= plans[i].turns;
            const auto& [y, its_panels, rows, its_turns] = plans[i];
            const Index begin = turn * rows, end = std::min(begin + rows, all[i].weight.rows());
            const Index last = first + std::min(at_a_time, all[i].x.rows() - first), part = by_rows ? 0 : share;
            if (first < last)
                multiply_turn<Format, Scalar>(engine, all[i], y,
                                              {begin, end, first, last, parts.begin(part), parts.begin(part + 1)},
                                              its_panels, worker);
        };
        if (work < little_work)
            for (Index i = 0; i < shares * most_turns; ++i) one_turn(i / most_turns, i % most_turns, 0);
        else
            engine.pool().parallel_for_parts(shares, most_turns, one_turn);
    }
}

#ifdef RWKV_COMPILED  // see compiled.hpp
extern template void multiply<Mixed, float>(Engine&, std::initializer_list<Product<Mixed, float>>) noexcept;
#endif

}  // namespace rwkv::inline RWKV_ABI::kernels
