#include <algorithm>
#include <bit>
#include <cmath>
#include <cstdint>

#include <rwkv/generation/fixed_point.hpp>
#include <rwkv/generation/random.hpp>

#include "../catch.hpp"

using namespace rwkv;
namespace fixed_point = rwkv::generation::fixed_point;

namespace {

constexpr std::uint64_t octave = std::uint64_t{1} << 32U;

}  // namespace

TEST_CASE("fixed-point weights are powers of two", "[sampler]") {
    Random random(1);
    for (int octaves = 0; octaves < 39; ++octaves) {
        double worst_whole = 0, worst_cut = 0;
        for (int i = 0; i < 20'000; ++i) {
            const std::uint64_t depth = static_cast<std::uint64_t>(octaves) * octave + (random.next() >> 32U);
            const auto exact = std::exp2(38.0L - static_cast<long double>(depth) * 0x1p-32L);
            const auto error = static_cast<long double>(fixed_point::weight(depth)) - exact;
            worst_whole = std::max(worst_whole, static_cast<double>(error / exact));
            worst_cut = std::max(worst_cut, static_cast<double>(-error - 1) / static_cast<double>(exact));
        }
        INFO(octaves);
        CHECK(worst_whole < 1e-9);  // never too large by more than that,
        CHECK(worst_cut < 1e-9);    // nor too small by more than that and rounding down to a whole number
    }
}

TEST_CASE("more depth has less weight, but for the error", "[sampler]") {
    const auto falls = [](std::uint64_t less, std::uint64_t more) {
        const std::uint64_t high = fixed_point::weight(less), low = fixed_point::weight(more);
        return low <= high + (high >> 31U);  // 5e-10 of it
    };
    bool all = true;
    for (std::uint64_t depth = octave >> 16U; depth <= 2 * octave; depth += octave >> 16U)
        for (std::uint64_t near = depth - 3; near < depth + 3; ++near) all &= falls(near, near + 1);
    CHECK(all);
    Random random(2);
    for (int i = 0; i < 200'000; ++i) {
        const std::uint64_t depth = random.below(fixed_point::zero_weight_depth);
        all &= falls(depth, depth + 1 + (random.next() >> random.below(64)) % (std::uint64_t{1} << 62U));
    }
    CHECK(all);
    bool halves = true;  // an octave more is half the weight exactly
    for (int i = 0; i < 1'000; ++i) {
        const std::uint64_t depth = random.below(38 * octave);
        halves &= fixed_point::weight(depth) >> 1U == fixed_point::weight(depth + octave);
    }
    CHECK(halves);
}

TEST_CASE("weights at the ends", "[sampler]") {
    static_assert(fixed_point::weight(0) == std::uint64_t{1} << fixed_point::weight_bits);
    static_assert(fixed_point::weight(octave) == std::uint64_t{1} << 37U);
    static_assert(fixed_point::weight(38 * octave) == 1);
    static_assert(fixed_point::weight(38 * octave + 1) == 0);
    static_assert(fixed_point::weight(fixed_point::zero_weight_depth - 1) == 0);
    static_assert(fixed_point::weight(fixed_point::zero_weight_depth) == 0);
    static_assert(fixed_point::weight(std::uint64_t{1} << 62U) == 0);
    static_assert(fixed_point::weight(~std::uint64_t{0}) == 0);
    CHECK(fixed_point::weight(10) < fixed_point::weight(0));
}

TEST_CASE("fixed-point logarithms are rounded down, by at most 7 units more", "[sampler]") {
    static_assert(fixed_point::log2(1) == 0);
    for (unsigned bit = 0; bit < 64; ++bit)
        CHECK(fixed_point::log2(std::uint64_t{1} << bit) == std::int64_t{bit} << 32U);
    Random random(3);
    long double lowest = 0, highest = -100;
    bool rises = true;
    for (int i = 0; i < 200'000; ++i) {
        const std::uint64_t value = (random.next() | std::uint64_t{1} << 63U) >> random.below(64);
        const auto exact = std::log2(static_cast<long double>(value)) * 0x1p32L;
        const auto error = static_cast<long double>(fixed_point::log2(value)) - exact;
        lowest = std::min(lowest, error);
        highest = std::max(highest, error);
        if (value > 1) rises &= fixed_point::log2(value - 1) <= fixed_point::log2(value);
    }
    CHECK(highest <= 0.001L);
    CHECK(lowest > -8);
    CHECK(rises);
    CHECK(fixed_point::log2(~std::uint64_t{0}) <= std::int64_t{64} << 32U);
    CHECK(fixed_point::log2(~std::uint64_t{0}) >= (std::int64_t{64} << 32U) - 8);
}
