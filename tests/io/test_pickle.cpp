#include <cstdint>
#include <limits>
#include <span>
#include <string>
#include <vector>

#include "../catch.hpp"
#include "../support.hpp"

#include <rwkv/io/pickle.hpp>

using namespace rwkv::test;
using namespace std::string_literals;
using rwkv::io::Pickle;
using rwkv::io::PickleKind;
using rwkv::io::PickleValue;

namespace {

Pickle unpickled(const std::string& bytes) {
    return rwkv::io::parse_pickle(std::as_bytes(std::span(bytes)), "file");
}

std::string refusal(const std::string& bytes) {
    return outcome([&] { unpickled("\x80\2"s + bytes); });
}

}  // namespace

TEST_CASE("numbers of every length", "[pickle]") {
    const auto integer = [](const std::string& bytes) {
        const Pickle pickle = unpickled("\x80\2"s + bytes + ".");
        REQUIRE(pickle.root->kind == PickleKind::integer);
        return pickle.root->integer;
    };
    CHECK(integer("K\xFF") == 255);
    CHECK(integer("M\xFF\xFF") == 65535);
    CHECK(integer("J\xFF\xFF\xFF\x7F") == 2147483647);
    CHECK(integer("J\xFF\xFF\xFF\xFF") == -1);
    CHECK(integer("J\0\0\0\x80"s) == -2147483648LL);
    CHECK(integer("\x8A\0"s) == 0);
    CHECK(integer("\x8A\1\xFF"s) == -1);
    CHECK(integer("\x8A\1\x7F"s) == 127);
    CHECK(integer("\x8A\2\xFF\0"s) == 255);
    CHECK(integer("\x8A\5\0\0\0\0\1"s) == std::int64_t{1} << 32);
    CHECK(integer("\x8A\x08\0\0\0\0\0\0\0\x80"s) == std::numeric_limits<std::int64_t>::min());
    CHECK(integer("\x8A\x08\xFF\xFF\xFF\xFF\xFF\xFF\xFF\x7F"s) == std::numeric_limits<std::int64_t>::max());
}

TEST_CASE("values are a tree, and calls stay calls", "[pickle]") {
    const Pickle pickle = unpickled(
        "\x80\2ccollections\nOrderedDict\n)R(X\1\0\0\0a](NK\1e"
        "X\1\0\0\0bctorch._utils\n_rebuild_parameter\n(\x88\x89tRX\1\0\0\0cX\1\0\0\0xQu}b."s);
    const PickleValue& root = *pickle.root;
    REQUIRE(root.kind == PickleKind::dict);
    REQUIRE(root.items.size() == 6);
    CHECK(root.items[0]->text == "a");
    const PickleValue& list = *root.items[1];
    REQUIRE((list.kind == PickleKind::list && list.items.size() == 2));
    CHECK(list.items[0]->kind == PickleKind::none);
    CHECK(list.items[1]->integer == 1);
    const PickleValue& call = *root.items[3];
    REQUIRE(call.kind == PickleKind::call);
    CHECK(call.items[0]->kind == PickleKind::symbol);
    CHECK(call.items[0]->text == "torch._utils._rebuild_parameter");
    REQUIRE(call.items[1]->items.size() == 2);
    CHECK((call.items[1]->items[0]->kind == PickleKind::boolean && call.items[1]->items[0]->integer == 1));
    CHECK((call.items[1]->items[1]->kind == PickleKind::boolean && call.items[1]->items[1]->integer == 0));
    REQUIRE(root.items[5]->kind == PickleKind::reference);
    CHECK(root.items[5]->items[0]->text == "x");
}

TEST_CASE("what is remembered is the same value, also within itself", "[pickle]") {
    const Pickle pickle = unpickled("\x80\2]q\1h\1ah\1a."s);
    REQUIRE(pickle.root->items.size() == 2);
    CHECK(pickle.root->items[0] == pickle.root);
    CHECK(pickle.root->items[1] == pickle.root);
    // Remembered anew, a number means the later value.
    CHECK(unpickled("\x80\2K\1q\0K\2q\0\x86h\0\x86."s).root->items[1]->integer == 2);
    // Doubled so often that nobody could follow each way through it.
    std::string doubled = "N";
    for (int i = 0; i < 1000; ++i) doubled += "q\0h\0\x86"s;
    CHECK(unpickled("\x80\2"s + doubled + ".").values.size() == 1001);
}

TEST_CASE("a pickle has limits", "[pickle]") {
    const std::string million = "1000000";
    CHECK(as_expected(refusal(repeat("N", 1'000'001)),
                      {"(NONE) at byte 1000002", "at most " + million + " values, found"}));
    CHECK(unpickled("\x80\2("s + repeat("N", 999'999) + "t.").root->items.size() == 999'999);
    CHECK(as_expected(refusal("Nq\0"s + repeat("h\0"s, 1'000'000)), {"(BINGET)", "values on the stack, found more"}));
    CHECK(as_expected(refusal(repeat("(", 1'000'001)), {"(MARK) at byte 1000002", "at most " + million + " marks"}));
    std::string remembered = "N";
    for (std::uint32_t i = 0; i <= 1'000'000; ++i) {
        remembered.push_back('r');
        for (const unsigned shift : {0U, 8U, 16U, 24U}) remembered.push_back(static_cast<char>(i >> shift & 0xFFU));
    }
    CHECK(as_expected(refusal(remembered), {"(LONG_BINPUT)", "values remembered, found more"}));
    // A hundred thousand within each other, which no recursion would survive.
    CHECK(unpickled("\x80\2N"s + repeat("\x85", 900'000) + ".").root->items.size() == 1);
}

TEST_CASE("every opcode that is not on the list is refused, with its place", "[pickle]") {
    const std::string known = "\x80" + "cqrhj)t\x85\x86\x87(XKMJ\x8aQR\x89\x88}sub.N]aeG"s;
    for (int code = 0; code < 256; ++code) {
        const char opcode = static_cast<char>(code);
        const std::string found = refusal("}"s + opcode + std::string(16, '\0') + ".");
        CAPTURE(code, found);
        const bool listed = known.find(opcode, 1) != known.npos;
        CHECK((found.find(" at byte 3: expected an opcode of a plain state dict") != found.npos) == !listed);
    }
}
