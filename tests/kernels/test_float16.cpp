#include <bit>
#include <cstdint>

#include <Eigen/Core>

#include <rwkv/core/float16.hpp>

#include "support.hpp"

using rwkv::core::BFloat16;
using rwkv::core::Float16;

TEST_CASE("numbers of 16 bits become the floats that Eigen makes of them, and floats its numbers of 16 bits") {
    std::uint32_t different = 0;
    for (std::uint32_t i = 0; i < 65536; ++i) {
        const auto bits = static_cast<std::uint16_t>(i);
        const auto half = Eigen::numext::bit_cast<Eigen::half>(bits);
        const auto bfloat = Eigen::numext::bit_cast<Eigen::bfloat16>(bits);
        different += std::bit_cast<std::uint32_t>(rwkv::core::to_float(Float16{bits})) !=
                     std::bit_cast<std::uint32_t>(static_cast<float>(half));
        different += std::bit_cast<std::uint32_t>(rwkv::core::to_float(BFloat16{bits})) !=
                     std::bit_cast<std::uint32_t>(static_cast<float>(bfloat));
    }
    CHECK(different == 0);
    // A prime step: every exponent and sign with many fractions, ties among them, infinities and NaN.
    for (std::uint64_t i = 0; i < (std::uint64_t{1} << 32U); i += 997) {
        const auto number = std::bit_cast<float>(static_cast<std::uint32_t>(i));
        different += rwkv::core::round_to<Float16>(number).bits !=
                     Eigen::numext::bit_cast<std::uint16_t>(static_cast<Eigen::half>(number));
        different += rwkv::core::round_to<BFloat16>(number).bits !=
                     Eigen::numext::bit_cast<std::uint16_t>(static_cast<Eigen::bfloat16>(number));
    }
    for (std::uint64_t i = 0; i < (std::uint64_t{1} << 32U); i += 4096) {  // ties
        const auto number = std::bit_cast<float>(static_cast<std::uint32_t>(i));
        different += rwkv::core::round_to<Float16>(number).bits !=
                     Eigen::numext::bit_cast<std::uint16_t>(static_cast<Eigen::half>(number));
        different += rwkv::core::round_to<BFloat16>(number).bits !=
                     Eigen::numext::bit_cast<std::uint16_t>(static_cast<Eigen::bfloat16>(number));
    }
    CHECK(different == 0);
}
