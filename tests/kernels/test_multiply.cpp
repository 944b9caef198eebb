#include <array>
#include <cmath>
#include <cstdlib>
#include <limits>
#include <random>

#include <rwkv/kernels/matmul.hpp>

#include "../catch.hpp"
#include "support.hpp"

using namespace rwkv;
using namespace rwkv::kernels;
using namespace rwkv::test;

namespace {

/// Weights are normal, activations from −1 to 1.
template <class Format>
void check_products(Layout layout = Layout::by_group) {
    for (const Isa isa : available_isas()) {
        std::mt19937 random(7);
        std::srand(1);  // Eigen's Random: the same numbers whatever other instruction sets this machine has
        for (const auto& [rows, cols] :
             {std::pair<Index, Index>{1, 1}, {3, 16}, {37, 35}, {49, 193}, {100, 401}, {5, 768}, {70, 1100}}) {
            const auto w = random_matrix<Format>(rows, cols, random, layout);
            Eigen::ArrayXd row(cols);
            for (const Index tokens : {1, 2, 3, 5, 7, 8, 11, 12, 16, 17, 33, 100, 200}) {
                const Activations<float> x = Activations<float>::Random(cols, tokens);
                Activations<double> exact = x.cast<double>(), expected(rows, tokens);
                if constexpr (QuantizedFormat<Format>)
                    if (const float largest = largest_code<Format>(isa, tokens); largest > 0)
                        exact = as_whole_numbers(x, Format::block_cols, largest);
                for (Index r = 0; r < rows; ++r) {
                    w.copy_row(r, 0, cols, row.data());
                    for (Index t = 0; t < tokens; ++t) expected(r, t) = (row * exact.col(t)).sum();
                }
                for (const int threads : {1, 3}) {
                    Engine engine(threads, 200, 1100, isa);
                    // Guards around y: a kernel that writes past its rows or tokens is seen.
                    Activations<float> y = Activations<float>::Constant(rows + 2, tokens + 2, 12345.0f);
                    multiply<Format, float>(engine, {{w, x, y.block(1, 1, rows, tokens)}});
                    CAPTURE(name(isa), rows, cols, tokens, threads);
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

TEST_CASE("products of every format equal those in double, on every instruction set") {
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
        check_products<F32>(Layout::by_row);
    }
    SECTION("f16, row after row") {
        check_products<F16>(Layout::by_row);
    }
    SECTION("bf16, row after row") {
        check_products<BF16>(Layout::by_row);
    }
    SECTION("q8") {
        check_products<Q8>();
    }
    SECTION("q4") {
        check_products<Q4>();
    }
}

TEST_CASE("products of one call do not mix, and mixed formats keep their own") {
    std::mt19937 random(3);
    const WeightMatrix<Mixed> a = random_matrix<F32>(50, 33, random), b = random_matrix<Q8>(20, 33, random),
                              c = random_matrix<Q4>(70, 21, random);
    for (const Isa isa : available_isas()) {
        for (const Index tokens : {1, 3, 40}) {
            const Activations<float> x = Activations<float>::Random(33, tokens),
                                     z = Activations<float>::Random(21, tokens);
            Engine engine(2, 64, 128, isa);
            Activations<float> together[3] = {Activations<float>(50, tokens), Activations<float>(20, tokens),
                                              Activations<float>(70, tokens)};
            Activations<float> alone[3] = {together[0], together[1], together[2]};
            multiply<Mixed, float>(engine, {{a, x, together[0]}, {b, x, together[1]}, {c, z, together[2]}});
            multiply<Mixed, float>(engine, {{a, x, alone[0]}});
            multiply<Mixed, float>(engine, {{b, x, alone[1]}});
            multiply<Mixed, float>(engine, {{c, z, alone[2]}});
            CAPTURE(name(isa), tokens);
            for (int i = 0; i < 3; ++i) CHECK((together[i] == alone[i]).all());
        }
    }
}

TEST_CASE("infinities and NaN stay where they arise") {
    std::vector<float> elements(40);
    elements[0] = std::numeric_limits<float>::infinity();
    elements[39] = std::numeric_limits<float>::quiet_NaN();
    const auto w = matrix_of<F32>(elements, 2, 20);
    for (const Isa isa : available_isas()) {
        for (const Index tokens : {1, 20, 70}) {
            const Activations<float> x = Activations<float>::Ones(20, tokens);
            Activations<float> y(2, tokens);
            Engine engine(1, 70, 20, isa);
            multiply<F32, float>(engine, {{w, x, y}});
            CAPTURE(name(isa), tokens);
            // In pieces an infinity is one and, for the rest of it, no number.
            const bool in_pieces = isa == Isa::amx && tokens == 70;
            CHECK((y.row(0).isNaN() == in_pieces && y.row(0).isInf() != in_pieces && !(y.row(0) < 0)).all());
            CHECK(y.row(1).isNaN().all());
        }
    }
}

TEST_CASE("activations that are no numbers do not become some under quantized weights") {
    std::mt19937 random(5);
    const auto w = random_matrix<Q8>(20, 100, random);
    for (const Isa isa : available_isas()) {
        for (const Index tokens : {3, 20}) {
            Activations<float> x = Activations<float>::Random(100, tokens), y(20, tokens);
            x(70, 1) = std::numeric_limits<float>::quiet_NaN();
            x(3, 2) = std::numeric_limits<float>::infinity();
            Engine engine(1, 20, 100, isa);
            multiply<Q8, float>(engine, {{w, x, y}});
            CAPTURE(name(isa), tokens);
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
    const Activations<float> x = Activations<float>::Random(64, 1);
    for (const Isa isa : available_isas()) {
        Engine engine(1, 1, 64, isa);
        Activations<float> y(16, 1), scaled(16, 1);
        multiply<Q4, float>(engine, {{w, x, y}});
        for (const float size : {0x1p-60f, 0x1p60f, 0.0f}) {
            const Activations<float> other = x * size;
            multiply<Q4, float>(engine, {{w, other, scaled}});
            CAPTURE(name(isa), size);
            CHECK((scaled - y * size).abs().maxCoeff() <= 1e-6f * size);
        }
    }
}
