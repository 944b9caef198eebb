#include <random>

#include <rwkv/kernels/multiply.hpp>

#include "../catch.hpp"

using namespace rwkv;
using namespace rwkv::kernels;

namespace {

template <class Format>
WeightMatrix<Format> random_matrix(Index rows, Index cols, std::mt19937& random) {
    using T = typename Format::Storage;
    std::normal_distribution<float> normal;
    std::shared_ptr<T[]> elements(new T[static_cast<std::size_t>(rows * cols)]);
    for (Index i = 0; i < rows * cols; ++i) elements[i] = T(normal(random));
    return {rows, cols, std::move(elements)};
}

template <class Format>
void check_products() {
    std::mt19937 random(7);
    for (int isa = 0; isa <= static_cast<int>(best_isa()); ++isa) {
        for (const auto& [rows, cols] :
             {std::pair<Index, Index>{1, 1}, {3, 16}, {37, 35}, {49, 193}, {100, 401}, {5, 768}}) {
            const auto w = random_matrix<Format>(rows, cols, random);
            for (const Index tokens : {1, 2, 3, 4, 5, 7, 8, 9, 15, 16, 17, 32, 33, 47, 48, 49, 64, 100}) {
                const Activations<double> wide = Activations<double>::Random(cols, tokens);
                const Activations<float> x = wide.cast<float>();
                Activations<double> expected(rows, tokens);
                for (Index r = 0; r < rows; ++r)
                    for (Index t = 0; t < tokens; ++t)
                        expected(r, t) = (w.template row_as<double>(r) * x.col(t).template cast<double>()).sum();
                for (const int threads : {1, 3}) {
                    Engine engine(threads, 100, 401 + 768, static_cast<Isa>(isa));
                    // Guards around y: a kernel that writes past its rows or tokens is seen.
                    Activations<float> y = Activations<float>::Constant(rows + 2, tokens + 2, 12345.0f);
                    multiply<Format, float>(engine, {{w, x, y.block(1, 1, rows, tokens)}});
                    CAPTURE(name(static_cast<Isa>(isa)), rows, cols, tokens, threads);
                    const double error =
                        (y.block(1, 1, rows, tokens).template cast<double>() - expected).abs().maxCoeff();
                    CHECK(error < 2e-6 * static_cast<double>(cols));
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
}

TEST_CASE("products of one call do not mix, and mixed formats keep their own") {
    std::mt19937 random(3);
    const WeightMatrix<Mixed> a = random_matrix<F32>(50, 33, random), b = random_matrix<F16>(20, 33, random),
                              c = random_matrix<BF16>(70, 21, random);
    for (const Index tokens : {1, 3, 40}) {
        const Activations<float> x = Activations<float>::Random(33, tokens), z = Activations<float>::Random(21, tokens);
        Engine engine(2, 64, 128);
        Activations<float> together[3] = {Activations<float>(50, tokens), Activations<float>(20, tokens),
                                          Activations<float>(70, tokens)};
        Activations<float> alone[3] = {together[0], together[1], together[2]};
        multiply<Mixed, float>(engine, {{a, x, together[0]}, {b, x, together[1]}, {c, z, together[2]}});
        multiply<Mixed, float>(engine, {{a, x, alone[0]}});
        multiply<Mixed, float>(engine, {{b, x, alone[1]}});
        multiply<Mixed, float>(engine, {{c, z, alone[2]}});
        for (int i = 0; i < 3; ++i) CHECK((together[i] == alone[i]).all());
    }
}

TEST_CASE("infinities and NaN stay where they arise") {
    std::shared_ptr<float[]> elements(new float[40]());
    elements[0] = std::numeric_limits<float>::infinity();
    elements[39] = std::numeric_limits<float>::quiet_NaN();
    const WeightMatrix<F32> w(2, 20, elements);
    for (const Index tokens : {1, 20}) {
        const Activations<float> x = Activations<float>::Ones(20, tokens);
        Activations<float> y(2, tokens);
        Engine engine(1, 20, 20);
        multiply<F32, float>(engine, {{w, x, y}});
        CHECK((y.row(0) == std::numeric_limits<float>::infinity()).all());
        CHECK(y.row(1).isNaN().all());
    }
}
