#include <cstddef>
#include <string>
#include <vector>

#include "../catch.hpp"
#include "../support.hpp"

#include <rwkv/core/quote.hpp>
#include <rwkv/io/json.hpp>

using namespace rwkv::test;
using namespace std::string_literals;
using nlohmann::json;
using rwkv::io::parse_json;

namespace {

json root_of(const std::string& text) {
    return parse_json(text, "").root;
}

}  // namespace

TEST_CASE("strict JSON", "[json]") {
    const std::vector<std::string> accepted{"accepted"};
    const auto refused = [](const std::string& part) {
        return std::vector<std::string>{"FormatError", "x.json: part: expected", part};
    };
    const std::vector<Case> cases{
        {"object", "{}", accepted},
        {"list", "[1,2.5,-3,1e9,true,false,null,\"\"]", accepted},
        {"lone values", "3", accepted},
        {"white space", " \t\r\n[ 1 , 2 ] \n", accepted},
        {"escapes", R"("\"\\\/\b\f\n\r\t\u00e9\ud83d\ude00")", accepted},
        {"127 deep", repeat("[", 127) + repeat("]", 127), accepted},
        {"127 deep in objects", repeat("{\"a\":", 127) + "1" + repeat("}", 127), accepted},
        {"same key in two objects", R"([{"a":1},{"a":{"a":2}}])", accepted},
        {"nothing", "", refused("found nothing")},
        {"white space only", " \n", refused("found nothing")},
        {"NUL", "[1]\0"s, refused("a NUL byte at byte 4 of the JSON text")},
        {"NUL in a string", "\"a\0b\""s, refused("a NUL byte at byte 3")},
        {"byte order mark", "\xEF\xBB\xBF[]", refused("a byte order mark")},
        {"UTF-16", "\xFF\xFE[\0]\0"s, refused("found UTF-16: save it as UTF-8")},
        {"UTF-16, the other way round", "\xFE\xFF\0[\0]"s, refused("found UTF-16: save it as UTF-8")},
        {"position counts white space before", "  [1,]", refused("at byte 6 of the JSON text")},
        {"128 deep", repeat("[", 128) + repeat("]", 128), refused("nested at most 127 deep, found more")},
        {"128 deep, mixed", repeat("[{\"a\":", 64) + "1" + repeat("}]", 64), refused("nested at most 127 deep")},
        {"never closed", repeat("[", 1'000'000), refused("nested at most 127 deep")},
        {"duplicate", R"({"a":1,"a":1})", refused("every key once in its object, found the key \"a\" twice")},
        {"duplicate, escaped", R"({"a":1,"\u0061":1})", refused("\"a\" twice")},
        {"duplicate, empty key", R"({"":1,"":1})", refused("\"\" twice")},
        {"duplicate, deep", R"([[{"x":{"a":1,"b":2,"a":1}}]])", refused("\"a\" twice")},
        {"duplicate after a nested object", R"({"a":{"b":1},"a":2})", refused("\"a\" twice")},
        {"trailing comma", "[1,]", refused("at byte 4")},
        {"missing comma", "[1 2]", refused("at byte 4")},
        {"two values", "1 2", refused("at byte 3")},
        {"unclosed", "[1", refused("unexpected end of input")},
        {"unclosed string", "\"abc", refused("missing closing quote")},
        {"comment", "[] // x", refused("invalid literal")},
        {"infinity", "Infinity", refused("invalid literal")},
        {"hexadecimal", "0x10", refused("JSON")},
        {"leading zero", "01", refused("JSON")},
        {"plus", "+1", refused("JSON")},
        {"bare point", ".5", refused("JSON")},
        {"point without digits", "1.", refused("JSON")},
        {"exponent without digits", "1e", refused("JSON")},
        {"too large for double", "1e400", refused("number overflow")},
        {"control character", "\"\x01\"", refused("control character")},
        {"UTF-8 cut short", "\"\xC3\"", refused("ill-formed UTF-8")},
        {"surrogate in UTF-8", "\"\xED\xA0\x80\"", refused("ill-formed UTF-8")},
        {"bytes outside of strings", "[\xC3\xA9]", refused("JSON")},
        {"half a pair", R"("\ud83d")", refused("surrogate")},
    };
    for (const Case& item : cases) {
        const std::string found = outcome([&] { parse_json(item.input, "x.json", "part"); });
        INFO(item.name << ": " << found);
        CHECK(as_expected(found, item.expected));
    }
}

TEST_CASE("JSON values arrive as they were written", "[json]") {
    const json root = root_of(R"({"a":[1,-2,2.5,[],{"b":null}],"c":"d\u0000e","f":18446744073709551615,"g":true})");
    CHECK(root.size() == 4);
    CHECK(root.at("a").size() == 5);
    CHECK(root.at("a").at(0).get<int>() == 1);
    CHECK(root.at("a").at(1).get<int>() == -2);
    CHECK(root.at("a").at(2).get<double>() == 2.5);
    CHECK(root.at("a").at(3).is_array());
    CHECK(root.at("a").at(4).at("b").is_null());
    CHECK(root.at("c").get<std::string>() == "d\0e"s);
    CHECK(root.at("f").get<std::uint64_t>() == ~0ULL);
    CHECK(root.at("g").get<bool>());
    CHECK(root_of("7").get<int>() == 7);
}

TEST_CASE("members consumed one by one leave nothing behind", "[json]") {
    std::vector<std::string> seen;
    const auto consume = [&](const std::string& key, json& value) {
        seen.push_back(key + "=" + value.dump());
        return key != "keep" && key != "null";
    };
    const json rest =
        parse_json(R"({"z":{"a":[1,{"z":2}]},"keep":[3],"a":1,"null":null,"s":"t"})", "", "", consume).root;
    CHECK(seen == std::vector<std::string>{R"(z={"a":[1,{"z":2}]})", "keep=[3]", "a=1", "null=null", R"(s="t")"});
    CHECK(rest.dump() == R"({"keep":[3],"null":null})");

    // A key is remembered after its value is gone.
    CHECK(as_expected(outcome([&] { parse_json(R"({"a":1,"b":2,"a":3})", "f", "", consume); }), {"\"a\" twice"}));
    // Lists have no members, nor have objects inside them.
    seen.clear();
    parse_json(R"([{"a":1}])", "", "", consume);
    parse_json("1", "", "", consume);
    CHECK(seen.empty());
    // What the hook throws comes through.
    const auto refuse = [](const std::string& key, json&) -> bool { throw rwkv::ModelError("hook", key, "", ""); };
    CHECK(as_expected(outcome([&] { parse_json(R"({"a":1})", "f", "", refuse); }), {"ModelError hook: a"}));
}

TEST_CASE("values are counted, consumed ones no longer", "[json]") {
    const auto zeros = [](std::size_t count) { return "[0" + repeat(",0", count - 1) + "]"; };
    const auto three = [&](std::size_t last) {
        return "{\"a\":" + zeros(1'333'332) + ",\"b\":" + zeros(1'333'332) + ",\"c\":" + zeros(last) + "}";
    };
    CHECK(outcome([&] { parse_json(three(1'333'332), "f"); }) == "accepted");  // 4,000,000 with lists and object
    CHECK(as_expected(outcome([&] { parse_json(three(1'333'333), "f"); }),
                      {"FormatError", "at most 4000000 JSON values"}));
    const auto consume = [](const std::string&, json&) { return true; };
    CHECK(outcome([&] { parse_json(three(2'000'000), "f", "", consume); }) == "accepted");
}

TEST_CASE("JSON values in words", "[json]") {
    const auto words = [](const std::string& text) { return rwkv::io::describe(root_of(text)); };
    CHECK(words("\"a\\u0007\"") == "the string \"a\\x07\"");
    CHECK(words("-3") == "the number -3");
    CHECK(words("2.5") == "the number 2.5");
    CHECK(words("true") == "true");
    CHECK(words("null") == "null");
    CHECK(words("[]") == "an empty list");
    CHECK(words("[1]") == "a list");
    CHECK(words("{}") == "an object");
    CHECK(rwkv::core::quoted("a\"b\\c") == R"("a\"b\\c")");
    CHECK(rwkv::core::quoted(std::string(1000, 'x')).size() < 200);
}

TEST_CASE("a string becomes JSON that another parser reads") {
    for (const std::string text : {"plain", "", "\"\\\b\f\n\r\t", "\x01\x1F \x7F \xC3\xA9"})
        CHECK(json::parse(rwkv::io::json_text(std::string_view(text))) == text);
    CHECK(rwkv::io::json_text(std::string_view("\x1F")) == R"("\u001f")");
    CHECK(as_expected(outcome([] { return rwkv::io::json_text(std::string_view("ab\xFF")); }),
                      {"ArgumentError", "valid UTF-8", "another byte at 2"}));
}
