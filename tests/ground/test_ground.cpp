#include <rwkv/core/checked.hpp>
#include <rwkv/core/dtype.hpp>
#include <rwkv/core/error.hpp>
#include <rwkv/core/tensor.hpp>
#include <rwkv/version.hpp>

#include "../catch.hpp"

using namespace rwkv;

constexpr std::uint64_t largest = std::numeric_limits<std::uint64_t>::max();

TEST_CASE("checked arithmetic knows what fits") {
    CHECK(core::checked_multiply(0, largest) == 0U);
    CHECK(core::checked_multiply(largest, 1) == largest);
    CHECK(core::checked_multiply(std::uint64_t(1) << 32, std::uint64_t(1) << 31) == std::uint64_t(1) << 63);
    CHECK_FALSE(core::checked_multiply(std::uint64_t(1) << 32, std::uint64_t(1) << 32));
    CHECK_FALSE(core::checked_multiply(2, largest / 2 + 1));
    CHECK(core::checked_add(largest - 1, 1) == largest);
    CHECK_FALSE(core::checked_add(largest, 1));
}

TEST_CASE("a zero dimension hides no overflow") {
    CHECK(element_count({}) == 1U);
    CHECK(element_count({3, 5}) == 15U);
    CHECK(element_count({0, 5}) == 0U);
    CHECK_FALSE(element_count({0, largest, 2}));
    CHECK_FALSE(element_count({largest, 2, 0}));
    CHECK(to_string(Shape{1, 20, 3}) == "[1, 20, 3]");
}

TEST_CASE("types have the names and widths safetensors gives them") {
    for (const DTypeInfo& info : dtypes) {
        CHECK(dtype_of(info.name) == info.dtype);
        CHECK(name(info.dtype) == info.name);
        CHECK(bits(info.dtype) == info.bits);
    }
    CHECK_FALSE(dtype_of("f32"));
    CHECK_FALSE(dtype_of(""));
    CHECK(bits(DType::bf16) == 16);
}

TEST_CASE("an error says where, what, expected and found") {
    const FormatError error("a.safetensors", "shape", "[2]", "[3]");
    CHECK(std::string(error.what()) == "a.safetensors: shape: expected [2], found [3]");
    CHECK(std::string(Error("f", "", "a", "b").what()) == "f: expected a, found b");
    CHECK(error.where() == "a.safetensors");
    CHECK(error.subject() == "shape");
    CHECK(error.expected() == "[2]");
    CHECK(error.found() == "[3]");
}

TEST_CASE("the version is the project's") {
    const std::string text =
        std::to_string(version.major) + "." + std::to_string(version.minor) + "." + std::to_string(version.patch);
    CHECK(text == RWKV_PROJECT_VERSION);
}
