#include <cmath>
#include <limits>
#include <random>

#include <rwkv/kernels/simd/portable.hpp>

#include "../catch.hpp"
#include "support.hpp"

using namespace rwkv;
using namespace rwkv::kernels;
using namespace rwkv::test;

namespace {

std::vector<float> back(const WeightMatrix& w) {
    std::vector<float> elements(static_cast<std::size_t>(w.rows() * w.cols()));
    for (Index r = 0; r < w.rows(); ++r) w.copy_row(r, 0, w.cols(), elements.data() + r * w.cols());
    return elements;
}

/// Σ (a − b)² / Σ b²
double relative_error(const std::vector<float>& a, const std::vector<float>& b) {
    double error = 0, size = 0;
    for (std::size_t i = 0; i < a.size(); ++i) {
        error += (static_cast<double>(a[i]) - b[i]) * (static_cast<double>(a[i]) - b[i]);
        size += static_cast<double>(b[i]) * b[i];
    }
    return error / size;
}

template <class Format>
double bits_per_weight(Index rows, Index cols) {
    return 8.0 * static_cast<double>(weight_bytes(Format::format, Layout::row_groups, rows, cols)) /
           static_cast<double>(rows * cols);
}

}  // namespace

TEST_CASE("quantized formats are as small as promised") {
    CHECK(bits_per_weight<Q8>(768, 768) <= 8.3);
    CHECK(bits_per_weight<Q4>(768, 768) <= 4.55);
    for (const Index size : {1024, 2048, 2560, 4096, 5120}) {
        CHECK(bits_per_weight<Q8>(size, size) <= 8.6);
        CHECK(bits_per_weight<Q4>(size, size) <= 4.75);
    }
}

TEST_CASE("each weight of 8 bits is within half a step of its own") {
    std::mt19937 random(1);
    for (const auto& [rows, cols] : {std::pair<Index, Index>{1, 1}, {17, 63}, {16, 64}, {33, 129}}) {
        const auto elements = normal_numbers(rows * cols, random);
        const auto found = back(matrix_of<Q8>(elements, rows, cols));
        for (Index r = 0; r < rows; ++r) {
            for (Index c = 0; c < cols; ++c) {
                float largest = 0;
                for (Index i = c / 64 * 64; i < std::min(cols, c / 64 * 64 + 64); ++i)
                    largest = std::max(largest, std::abs(elements[static_cast<std::size_t>(r * cols + i)]));
                const auto at = static_cast<std::size_t>(r * cols + c);
                // Half a step of the scale, which itself is rounded to 8 bits: the largest weight may lose as much.
                CHECK(std::abs(found[at] - elements[at]) <= largest * (0.5f / 127 + 1.0f / 256));
            }
        }
    }
}

TEST_CASE("4 bits keep the error that was measured when the codebook was chosen") {
    std::mt19937 random(2);
    const auto elements = normal_numbers(64 * 768, random);
    CHECK(relative_error(back(matrix_of<Q4>(elements, 64, 768)), elements) < 0.0056);
    CHECK(relative_error(back(matrix_of<Q8>(elements, 64, 768)), elements) < 0.00005);
}

TEST_CASE("the search for a scale computes the same sums on every target") {
    std::mt19937 random(3);
    const auto weights = normal_numbers(Q4::block_cols, random);
    for (const float factor : {20.0f, -45.0f, 0.0f}) {
        float product = 0, square = 0;
        for (const float weight : weights) {
            const float code = static_cast<float>(Q4::codebook[portable::nearest_q4(weight * factor)]);
            product += weight * factor * code;
            square += code * code;
        }
        for (const Target* target : available_targets()) {
            CAPTURE(target->name, factor);
            const Q4ErrorTerms terms = target->q4_error_terms(weights.data(), factor);
            CHECK(std::abs(terms.product - product) <= 1e-5f * std::abs(product));
            CHECK(terms.square == square);
            std::vector<std::uint8_t> codes(static_cast<std::size_t>(Q4::block_cols));
            target->encode_q4(weights.data(), factor, codes.data());
            for (std::size_t i = 0; i < codes.size(); ++i) CHECK(codes[i] == portable::nearest_q4(weights[i] * factor));
        }
    }
}

TEST_CASE("rows of zeros stay zeros, and outliers spoil their own block only") {
    std::mt19937 random(4);
    const Index rows = 20, cols = 200;
    auto elements = normal_numbers(rows * cols, random);
    std::fill_n(elements.begin() + 3 * cols, cols, 0.0f);
    elements[5 * cols + 70] = 1e6f;
    elements[6 * cols] = -1e30f;
    elements[7 * cols] = std::numeric_limits<float>::max();
    std::fill_n(elements.begin() + 8 * cols, cols, 1e-38f);
    const auto check = [&](const std::vector<float>& found, Index block, double allowed) {
        for (Index c = 0; c < cols; ++c) CHECK(found[static_cast<std::size_t>(3 * cols + c)] == 0.0f);
        const auto at = [&](Index r, Index c) { return static_cast<std::size_t>(r * cols + c); };
        CHECK(std::abs(found[at(5, 70)] / 1e6f - 1) < 0.01f);
        CHECK(std::abs(found[at(6, 0)] / -1e30f - 1) < 0.01f);
        for (Index c = 0; c < cols; ++c) {
            CHECK(std::isfinite(found[at(7, c)]));
            if (c / block != 70 / block) CHECK(std::abs(found[at(5, c)] - elements[at(5, c)]) < allowed);
        }
    };
    check(back(matrix_of<Q8>(elements, rows, cols)), Q8::block_cols, 0.03);
    check(back(matrix_of<Q4>(elements, rows, cols)), Q4::block_cols, 0.5);
}
