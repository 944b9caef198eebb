#include <rwkv/core/checked.hpp>
#include <rwkv/core/dtype.hpp>
#include <rwkv/core/error.hpp>
#include <rwkv/core/message.hpp>
#include <rwkv/core/quote.hpp>
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
    CHECK(core::element_count({}) == 1U);
    CHECK(core::element_count({3, 5}) == 15U);
    CHECK(core::element_count({0, 5}) == 0U);
    CHECK_FALSE(core::element_count({0, largest, 2}));
    CHECK_FALSE(core::element_count({largest, 2, 0}));
    CHECK(core::to_string(Shape{1, 20, 3}) == "[1, 20, 3]");
}

TEST_CASE("types have the names and widths safetensors gives them") {
    for (const core::DTypeInfo& info : core::dtypes) {
        CHECK(core::dtype_of(info.name) == info.dtype);
        CHECK(core::name(info.dtype) == info.name);
        CHECK(core::bits(info.dtype) == info.bits);
    }
    CHECK_FALSE(core::dtype_of("f32"));
    CHECK_FALSE(core::dtype_of(""));
    CHECK(core::bits(DType::bf16) == 16);
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

TEST_CASE("an error may be a sentence, and one of the operating system keeps its code") {
    const FileError refused("a/b", "cannot open a/b", std::make_error_code(std::errc::permission_denied));
    CHECK(std::string(refused.what()) == "cannot open a/b: Permission denied");
    CHECK(refused.code() == std::errc::permission_denied);
    CHECK(refused.where() == "a/b");
    CHECK(refused.found() == "Permission denied");
    const FileError mismatch("a/b", "", "a regular file", "a directory");
    CHECK(std::string(mismatch.what()) == "a/b: expected a regular file, found a directory");
    CHECK_FALSE(mismatch.code());
    CHECK(std::string(Cancelled("loading").what()) == "loading was cancelled");
    CHECK(std::string(FileError("a", "a has changed").what()) == "a has changed");
}

TEST_CASE("the parts of a message are text, quoted text and numbers") {
    const std::string name = "a\x1b\"";
    const auto message = [&] {
        core::fail<ModelError>("f", {"tensor ", core::Quoted{name}},
                               {"at most ", largest, " and at least ", std::int8_t{-3}, ", ", 1e-5, " or ", 0.1F},
                               {std::string_view("none")});
    };
    CHECK_THROWS_AS(message(), ModelError);
    try {
        message();
    } catch (const Error& error) {
        CHECK(std::string(error.what()) ==
              "f: tensor \"a\\x1b\\\"\": expected at most 18446744073709551615 and at least -3, "
              "1e-05 or 0.1, found none");
        CHECK(error.where() == "f");
        CHECK(error.subject() == "tensor " + core::quoted(name));
        CHECK(error.found() == "none");
    }
}

TEST_CASE("the version is the project's") {
    const std::string text =
        std::to_string(version.major) + "." + std::to_string(version.minor) + "." + std::to_string(version.patch);
    CHECK(text == RWKV_PROJECT_VERSION);
}
