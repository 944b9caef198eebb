#include <cmath>
#include <cstring>
#include <limits>
#include <random>
#include <vector>

#include <rwkv/kernels/matmul.hpp>
#include <rwkv/kernels/thread_pool.hpp>

#include "../catch.hpp"
#include "support.hpp"

using namespace rwkv;
using namespace rwkv::kernels;
using namespace rwkv::test;

namespace {

Columns<float> product_of(const Target& target, int threads, const WeightMatrix& weights, const Columns<float>& x) {
    MatmulContext context(std::make_shared<ThreadPool>(threads), 200, 1100, target);
    Columns<float> y = Columns<float>::Constant(weights.rows() + 2, x.cols() + 1, 12345.0f);
    matmul(context, {{weights, view(x), view_of_block(y, 1, 0, weights.rows(), x.cols())}});
    const Columns<float> result = y.block(1, 0, weights.rows(), x.cols());
    y.block(1, 0, weights.rows(), x.cols()) = 12345.0f;
    CHECK((y == 12345.0f).all());
    return result;
}

/// Squares of numbers, of which a share is zero, as channel mixing's keys are.
Columns<float> keys(Index features, Index tokens, double zeros, std::mt19937& random) {
    Columns<float> x = Columns<float>::Random(features, tokens).square();
    std::uniform_real_distribution<double> uniform(0, 1);
    for (Index t = 0; t < tokens; ++t)
        for (Index i = 0; i < features; ++i)
            if (uniform(random) < zeros) x(i, t) = 0;
    return x;
}

template <class Format>
void check_columns_hold() {
    std::mt19937 random(1);
    for (const auto& [rows, cols] : {std::pair<Index, Index>{128, 1}, {128, 64}, {240, 35}, {384, 193}, {1008, 96}}) {
        const WeightMatrix groups = random_matrix<Format>(rows, cols, random), columns = column_major(groups);
        CAPTURE(rows, cols);
        CHECK(fits_column_major(rows));
        CHECK(columns.bytes() <= groups.bytes() * 11 / 10);
        std::vector<float> a(static_cast<std::size_t>(cols)), b = a;
        for (Index r = 0; r < rows; ++r) {
            groups.copy_row(r, 0, cols, a.data());
            columns.copy_row(r, 0, cols, b.data());
            CHECK(a == b);
            columns.copy_row(r, cols / 2, cols, b.data());
            CHECK(std::equal(a.begin() + cols / 2, a.end(), b.begin()));
        }
        std::vector<std::byte> back(groups.bytes(), std::byte(7)), pieces(columns.bytes());
        copy_to_row_groups(columns, back.data());
        CHECK(std::memcmp(back.data(), groups.data(), back.size()) == 0);
        // A few groups at a time.
        const std::size_t group_bytes = groups.bytes() / static_cast<std::size_t>(rows / group_rows);
        for (Index r = 0; r < rows; r += 32)
            copy_to_columns(Format::format, groups.data() + static_cast<std::size_t>(r / group_rows) * group_bytes, r,
                            std::min<Index>(32, rows - r), rows, cols, pieces.data());
        std::vector<std::byte> whole(pieces.size());
        copy_to_columns(Format::format, groups.data(), 0, rows, rows, cols, whole.data());
        CHECK(pieces == whole);
    }
}

template <class Format>
void check_column_products() {
    for (const Target* target : tested_targets()) {
        std::mt19937 random(7);
        std::srand(1);
        for (const auto& [rows, cols] :
             {std::pair<Index, Index>{128, 1}, {128, 35}, {240, 193}, {384, 401}, {128, 768}, {1008, 1100}}) {
            const WeightMatrix groups = random_matrix<Format>(rows, cols, random), columns = column_major(groups);
            Eigen::ArrayXd row(cols);
            for (const Index tokens : {1, 2, 3, 4, 7, 8, 11, 12, 17, 33, 100, 200}) {
                for (const double zeros : {0.0, 0.3, 0.8, 0.99, 1.0}) {
                    if (tokens > 3 && zeros != 0.8) continue;
                    const Columns<float> x = keys(cols, tokens, zeros, random);
                    CAPTURE(target->name, rows, cols, tokens, zeros);
                    const Columns<float> y = product_of(*target, 1, columns, x);
                    for (const int threads : {2, 3}) CHECK((product_of(*target, threads, columns, x) == y).all());
                    if (QuantizedFormat<Format>) {
                        CHECK((product_of(*target, 2, groups, x) == y).all());
                        continue;
                    }
                    Columns<double> expected(rows, tokens);
                    const Columns<double> exact = x.cast<double>();
                    for (Index r = 0; r < rows; ++r) {
                        groups.copy_row(r, 0, cols, row.data());
                        for (Index t = 0; t < tokens; ++t) expected(r, t) = (row * exact.col(t)).sum();
                    }
                    CHECK((y.cast<double>() - expected).abs().maxCoeff() < 5e-6 * std::sqrt(static_cast<double>(cols)));
                }
            }
        }
    }
}

}  // namespace

TEST_CASE("column-major matrices hold the numbers of row groups, and no more bytes") {
    SECTION("f32") {
        check_columns_hold<F32>();
    }
    SECTION("f16") {
        check_columns_hold<F16>();
    }
    SECTION("bf16") {
        check_columns_hold<BF16>();
    }
    SECTION("q8") {
        check_columns_hold<Q8>();
    }
    SECTION("q4") {
        check_columns_hold<Q4>();
    }
}

TEST_CASE("products of floats that skip columns equal those of row groups by rounding") {
    SECTION("f32") {
        check_column_products<F32>();
    }
    SECTION("f16") {
        check_column_products<F16>();
    }
    SECTION("bf16") {
        check_column_products<BF16>();
    }
}

TEST_CASE("products of quantized weights that skip columns have the bits of row groups") {
    SECTION("q8") {
        check_column_products<Q8>();
    }
    SECTION("q4") {
        check_column_products<Q4>();
    }
}

TEST_CASE("features that are no numbers are not taken for zeros") {
    std::mt19937 random(5);
    const auto check = [&]<class Format>(Format) {
        const WeightMatrix columns = column_major(random_matrix<Format>(128, 200, random));
        for (const Target* target : tested_targets()) {
            Columns<float> x = Columns<float>::Zero(200, 2);
            x(130, 1) = std::numeric_limits<float>::quiet_NaN();
            CAPTURE(target->name, name(Format::format));
            const Columns<float> y = product_of(*target, 1, columns, x);
            CHECK((y.col(0) == 0).all());
            CHECK(y.col(1).isNaN().all());
        }
    };
    check(F32{});
    check(BF16{});
    check(Q8{});
    check(Q4{});
}
