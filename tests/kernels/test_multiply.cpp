#include <array>
#include <cmath>
#include <cstdlib>
#include <limits>
#include <random>

#include <rwkv/kernels/matmul.hpp>
#include <rwkv/kernels/thread_pool.hpp>

#include "../catch.hpp"
#include "support.hpp"

using namespace rwkv;
using namespace rwkv::kernels;
using namespace rwkv::test;

namespace {

MatmulContext context_of(int threads, Index max_tokens, Index max_features, const Target& target) {
    return {std::make_shared<ThreadPool>(threads), max_tokens, max_features, target};
}

/// Weights are normal, activations from −1 to 1.
template <class Format>
void check_products(Layout layout = Layout::row_groups) {
    for (const Target* target : tested_targets()) {
        std::mt19937 random(7);
        std::srand(1);  // Eigen's Random: the same numbers whatever other instruction sets this machine has
        for (const auto& [rows, cols] :
             {std::pair<Index, Index>{1, 1}, {3, 16}, {37, 35}, {49, 193}, {100, 401}, {5, 768}, {70, 1100}}) {
            const auto w = random_matrix<Format>(rows, cols, random, layout);
            Eigen::ArrayXd row(cols);
            for (const Index tokens : {1, 2, 3, 5, 7, 8, 11, 12, 16, 17, 33, 100, 200}) {
                const Columns<float> x = Columns<float>::Random(cols, tokens);
                Columns<double> exact = x.cast<double>(), expected(rows, tokens);
                if constexpr (QuantizedFormat<Format>)
                    if (const float largest = max_quantized_activation<Format>(*target, tokens); largest > 0)
                        exact = quantized_activations(x, Format::block_cols, largest);
                for (Index r = 0; r < rows; ++r) {
                    w.copy_row(r, 0, cols, row.data());
                    for (Index t = 0; t < tokens; ++t) expected(r, t) = (row * exact.col(t)).sum();
                }
                for (const int threads : {1, 3}) {
                    MatmulContext context = context_of(threads, 200, 1100, *target);
                    // Guards around y: a kernel that writes past its rows or tokens is seen.
                    Columns<float> y = Columns<float>::Constant(rows + 2, tokens + 2, 12345.0f);
                    matmul(context, {{w, view(x), view_of_block(y, 1, 1, rows, tokens)}});
                    CAPTURE(target->name, rows, cols, tokens, threads);
                    const double error =
                        (y.block(1, 1, rows, tokens).template cast<double>() - expected).abs().maxCoeff();
                    CHECK(error < 5e-6 * std::sqrt(static_cast<double>(cols)));
                    y.block(1, 1, rows, tokens) = 12345.0f;
                    CHECK((y == 12345.0f).all());
                }
            }
        }
    }
}

}  // namespace

TEST_CASE("products of every format equal those in double, on every target") {
    SECTION("f32") {
        check_products<F32>();
    }
    SECTION("f16") {
        check_products<F16>();
    }
    SECTION("bf16") {
        check_products<BF16>();
    }
    SECTION("f32, row after row") {
        check_products<F32>(Layout::row_major);
    }
    SECTION("f16, row after row") {
        check_products<F16>(Layout::row_major);
    }
    SECTION("bf16, row after row") {
        check_products<BF16>(Layout::row_major);
    }
    SECTION("q8") {
        check_products<Q8>();
    }
    SECTION("q4") {
        check_products<Q4>();
    }
}

namespace {

/// y = W x by the formula that every target which multiplies bytes follows to the last bit: whole numbers within a
/// scale block, then for one block after the other y ← fma(sum, scale of the row · scale of the token, y).
template <class Format>
Columns<float> byte_products(const WeightMatrix& matrix, const Columns<float>& x) {
    const WeightView<Format> weights(matrix);
    const Index cols = matrix.cols();
    Columns<float> y = Columns<float>::Zero(matrix.rows(), x.cols());
    const auto weight = [&](Index row, Index col) -> int {
        const Index step = col / step_cols, place = row % group_rows * step_cols + col % step_cols;
        const std::uint8_t* const values = weights.quantized(row / group_rows);
        if constexpr (Format::bits == 8) {
            return values[step * 64 + place] - 128;
        } else {
            const int pair = values[step / 2 * 64 + place];
            return Format::codebook[static_cast<std::size_t>(step % 2 == 0 ? pair & 15 : pair >> 4)];
        }
    };
    for (Index t = 0; t < x.cols(); ++t) {
        for (Index block = 0; block < weights.blocks(); ++block) {
            const Index begin = block * Format::block_cols, end = std::min(begin + Format::block_cols, cols);
            const float largest = x.col(t).segment(begin, end - begin).abs().maxCoeff(), factor = 127 / largest;
            for (Index r = 0; r < matrix.rows(); ++r) {
                int sum = 0;
                for (Index c = begin; c < end; ++c)
                    sum += weight(r, c) * static_cast<int>(std::nearbyint(x(c, t) * factor));
                const float scale = core::to_float(weights.scales(r / group_rows, block)[r % group_rows]);
                y(r, t) = std::fma(static_cast<float>(sum), scale * (largest / 127), y(r, t));
            }
        }
    }
    return y;
}

}  // namespace

TEST_CASE("products of quantized weights have the same bits on every target that multiplies bytes") {
    std::mt19937 random(11);
    const auto check = [&]<class Format>(Format) {
        for (const auto& [rows, cols] : {std::pair<Index, Index>{37, 35}, {100, 401}, {70, 1100}}) {
            const WeightMatrix w = random_matrix<Format>(rows, cols, random);
            for (const Index tokens : {1, 3, 5, 6, 12, 16, 33, 100}) {
                const Columns<float> x = Columns<float>::Random(cols, tokens);
                const Columns<float> expected = byte_products<Format>(w, x);
                for (const Target* target : tested_targets()) {
                    if (!multiplies_bytes(*target)) continue;
                    MatmulContext context = context_of(2, 200, 1100, *target);
                    Columns<float> y(rows, tokens);
                    matmul(context, {{w, view(x), view(y)}});
                    CAPTURE(target->name, rows, cols, tokens);
                    CHECK((y == expected).all());
                }
            }
        }
    };
    check(Q8{});
    check(Q4{});
}

TEST_CASE("products of one call do not mix, and mixed formats keep their own") {
    std::mt19937 random(3);
    const WeightMatrix a = random_matrix<F32>(50, 33, random), b = random_matrix<Q8>(20, 33, random),
                       c = random_matrix<Q4>(70, 21, random);
    for (const Target* target : tested_targets()) {
        for (const Index tokens : {1, 3, 40}) {
            const Columns<float> x = Columns<float>::Random(33, tokens), z = Columns<float>::Random(21, tokens);
            MatmulContext context = context_of(2, 64, 128, *target);
            Columns<float> together[3] = {Columns<float>(50, tokens), Columns<float>(20, tokens),
                                          Columns<float>(70, tokens)};
            Columns<float> alone[3] = {together[0], together[1], together[2]};
            matmul(context,
                   {{a, view(x), view(together[0])}, {b, view(x), view(together[1])}, {c, view(z), view(together[2])}});
            matmul(context, {{a, view(x), view(alone[0])}});
            matmul(context, {{b, view(x), view(alone[1])}});
            matmul(context, {{c, view(z), view(alone[2])}});
            CAPTURE(target->name, tokens);
            for (int i = 0; i < 3; ++i) CHECK((together[i] == alone[i]).all());
        }
    }
}

TEST_CASE("infinities and NaN stay where they arise") {
    std::vector<float> elements(40);
    elements[0] = std::numeric_limits<float>::infinity();
    elements[39] = std::numeric_limits<float>::quiet_NaN();
    const auto w = matrix_of<F32>(elements, 2, 20);
    for (const Target* target : tested_targets()) {
        for (const Index tokens : {1, 20, 70}) {
            const Columns<float> x = Columns<float>::Ones(20, tokens);
            Columns<float> y(2, tokens);
            MatmulContext context = context_of(1, 70, 20, *target);
            matmul(context, {{w, view(x), view(y)}});
            CAPTURE(target->name, tokens);
            // Split into pieces, an infinity is one plus NaN.
            const bool in_pieces = target->name == "amx" && tokens == 70;
            CHECK((y.row(0).isNaN() == in_pieces && y.row(0).isInf() != in_pieces && !(y.row(0) < 0)).all());
            CHECK(y.row(1).isNaN().all());
        }
    }
}

TEST_CASE("activations that are no numbers do not become some under quantized weights") {
    std::mt19937 random(5);
    const auto w = random_matrix<Q8>(20, 100, random);
    for (const Target* target : tested_targets()) {
        for (const Index tokens : {3, 20}) {
            Columns<float> x = Columns<float>::Random(100, tokens), y(20, tokens);
            x(70, 1) = std::numeric_limits<float>::quiet_NaN();
            x(3, 2) = std::numeric_limits<float>::infinity();
            MatmulContext context = context_of(1, 20, 100, *target);
            matmul(context, {{w, view(x), view(y)}});
            CAPTURE(target->name, tokens);
            CHECK(y.col(0).isFinite().all());
            CHECK(y.col(1).isNaN().all());
            for (Index r = 0; r < w.rows(); ++r) {
                std::array<float, 100> row;
                w.copy_row(r, 0, 100, row.data());
                CHECK((std::isnan(y(r, 2)) || y(r, 2) == row[3] * x(3, 2)));
            }
        }
    }
}

TEST_CASE("activations of any size keep their precision under quantized weights") {
    std::mt19937 random(5);
    const auto w = random_matrix<Q4>(16, 64, random);
    const Columns<float> x = Columns<float>::Random(64, 1);
    for (const Target* target : tested_targets()) {
        MatmulContext context = context_of(1, 1, 64, *target);
        Columns<float> y(16, 1), scaled(16, 1);
        matmul(context, {{w, view(x), view(y)}});
        for (const float size : {0x1p-60f, 0x1p60f, 0.0f}) {
            const Columns<float> other = x * size;
            matmul(context, {{w, view(other), view(scaled)}});
            CAPTURE(target->name, size);
            CHECK((scaled - y * size).abs().maxCoeff() <= 1e-6f * size);
        }
    }
}
