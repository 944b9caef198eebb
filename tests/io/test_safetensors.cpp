// The numbers of the cases are those of the list the format's rules were collected in; "stricter" marks what
// the reference implementation accepts and this library does not.
#include <chrono>
#include <cstdint>
#include <string>
#include <vector>

#include "../catch.hpp"
#include "safetensors_bytes.hpp"
#include "../support.hpp"

using namespace rwkv::test;
using namespace std::string_literals;
using rwkv::io::SafetensorsHeader;

namespace {

const std::vector<std::string> accepted{"accepted"};

std::vector<std::string> refused(const std::string& part) {
    return {"FormatError file", part};
}

void check(const std::vector<Case>& cases) {
    for (const Case& item : cases) {
        const std::string found = outcome([&] { parse(item.input); });
        INFO(item.name << ": " << found);
        CHECK(as_expected(found, item.expected));
    }
}

const std::string tensor = header_of(entry("I32", "[2,2]", "[0,16]"));

/// A file of entries, each given as `"name":{…}`.
std::string file_of_entries(const std::vector<std::string>& entries, const std::string& data) {
    std::string header = "{";
    for (const std::string& item : entries) header += (header.size() > 1 ? "," : "") + item;
    return file_of(header + "}", data);
}

std::string u8(const std::string& name, int begin, int end) {
    return "\"" + name + "\":" +
           entry("U8", "[" + std::to_string(end - begin) + "]",
                 "[" + std::to_string(begin) + "," + std::to_string(end) + "]");
}

}  // namespace

TEST_CASE("a safetensors file's container", "[safetensors]") {
    check({
        {"1 empty file", "", refused("at least 8 bytes, found 0")},
        {"2 one byte", "x", refused("at least 8 bytes, found 1")},
        {"2 seven bytes", z(7), refused("at least 8 bytes, found 7")},
        {"3 length 60, nothing after", little_endian(60), refused("a header of 60 bytes, as the file says, found")},
        {"4 length 0", z(8), refused("header: expected JSON, found nothing")},
        {"4 length 0 and data", z(24), refused("found nothing")},
        {"5 {", file_of("{"), refused("unexpected end of input")},
        {"6 FF", file_of("\xFF"), refused("expected JSON")},
        {"7 length 10^8, short file", file_with_length("{}", "", 100'000'000),
         refused("a header of 100000000 bytes, as the file says, found a file cut short: 2 bytes")},
        {"8 length 10^8 + 1", file_with_length("{}", "", 100'000'001),
         refused("a header of at most 100000000 bytes, found 100000001")},
        {"8 length 2^63", file_with_length("{}", "", 1ULL << 63U), refused("found 9223372036854775808")},
        {"8 length 2^64 - 1", file_with_length("{}", "", ~0ULL), refused("found 18446744073709551615")},
        {"8 length 2^64 - 8", file_with_length("{}", "", ~0ULL - 7), refused("found 18446744073709551608")},
        {"10 length one over the end", file_with_length("{}", "", 3), refused("a header of 3 bytes")},
        {"11 length swallows the data", file_with_length(tensor, z(16), tensor.size() + 16), refused("NUL byte")},
        {"12 length one too small", file_with_length(tensor, z(16), tensor.size() - 1), refused("end of input")},
        {"13 one tensor", file_of(tensor, z(16)), accepted},
        {"14 15 bytes", file_of(tensor, z(15)), refused("tensor \"t\": expected data up to byte 16")},
        {"14 17 bytes", file_of(tensor, z(17)), refused("to end with its last tensor, found 1 bytes more")},
        {"14 no bytes", file_of(tensor), refused("the section has 0 bytes")},
        {"14 14 bytes", file_of(tensor, z(14)), refused("a file cut short: the section has 14 bytes")},
        {"14 extra data", file_of(tensor, z(16) + "extra_bogus_data"), refused("found 16 bytes more")},
        {"15 {}", file_of("{}"), accepted},
        {"15 {} padded", file_of("{}      "), accepted},
        {"16 {} and a byte", file_of("{}", z(1)), refused("found 1 bytes more")},
        {"17 white space after", file_of("{}\r \t\n"), accepted},
        {"17 white space on both sides", file_of("\t\n{}\r "), accepted},
        {"18 byte order mark", file_of("\xEF\xBB\xBF{}"), refused("a byte order mark")},
        {"18 byte order mark after a space", file_of(" \xEF\xBB\xBF{}"), refused("a byte order mark")},
        {"19 NULs after", file_of("{}" + z(6)), refused("a NUL byte at byte 3")},
        {"19 form feed after", file_of("{}\f"), refused("invalid literal")},
        {"19 vertical tab after", file_of("{}\v"), refused("invalid literal")},
        {"20 {}x", file_of("{}x"), refused("at byte 3")},
        {"20 {}{}", file_of("{}{}"), refused("expected end of input")},
        {"20 []", file_of("[]"), refused("expected a JSON object, found an empty list")},
        {"20 null", file_of("null"), refused("found null")},
        {"20 1", file_of("1"), refused("found the number 1")},
        {"20 string", file_of("\"a\""), refused("found the string \"a\"")},
        {"21 trailing comma", file_of("{\"t\":" + entry("U8", "[1]", "[0,1]") + ",}", z(1)), refused("JSON")},
        {"21 comment", file_of("{}//x"), refused("JSON")},
        {"21 block comment", file_of("{/**/}"), refused("JSON")},
        {"21 single quotes", file_of("{'t':1}"), refused("JSON")},
        {"21 NaN", file_of(R"({"t":{"dtype":"U8","shape":[NaN],"data_offsets":[0,1]}})", z(1)), refused("JSON")},
        {"21 UTF-16", file_of("{\0}\0"s), refused("NUL byte")},
        {"22 Git LFS", "version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 1\n",
         refused("Git LFS pointer")},
        {"22 HTML", "\n<!DOCTYPE html>\n<html></html>", refused("an HTML page")},
        {"22 HTML without doctype", "<html lang=\"en\"></html>", refused("an HTML page")},
        {"22 GGUF", "GGUF\3\0\0\0\0\0\0\0"s, refused("a GGUF file")},
        {"22 ZIP", "PK\3\4\0\0\x08\x08\0\0\0\0"s, refused("a ZIP archive, perhaps a PyTorch checkpoint")},
        {"22 ZIP, small as a number", "PK\3\4"s + z(12), refused("a ZIP archive")},
        {"22 old PyTorch", "\x80\x02\x8a\x0a\x6c\xfc\x9c\x46\xf9\x20\x6a\xa8\x50\x19."s, refused("PyTorch")},
    });
}

TEST_CASE("names and strings in a safetensors header", "[safetensors]") {
    const auto named = [](const std::string& name) {
        return file_of("{\"" + name + "\":" + entry("U8", "[1]", "[0,1]") + "}", z(1));
    };
    const std::string metadata_before = R"({"__metadata__":{"k":")";
    const auto with_metadata = [&](const std::string& text) { return file_of(metadata_before + text + "\"}}"); };
    check({
        {"23 overlong", named("\xC0\xAF"), refused("ill-formed UTF-8")},
        {"23 surrogate", named("\xED\xA0\x80"), refused("ill-formed UTF-8")},
        {"23 cut short", named("\xE2\x82"), refused("ill-formed UTF-8")},
        {"23 past U+10FFFF", named("\xF5\x80\x80\x80"), refused("ill-formed UTF-8")},
        {"23 in metadata", with_metadata("\xC0\xAF"), refused("ill-formed UTF-8")},
        {"24 lone high surrogate", named("\\ud800"), refused("surrogate")},
        {"24 lone low surrogate", named("\\udc00"), refused("surrogate")},
        {"24 pair", named("\\ud83d\\ude00"), accepted},
        {"25 escaped NUL", named("a\\u0000b"), accepted},
        {"25 raw NUL", named("a\0b"s), refused("NUL byte")},
        {"25 raw newline", named("a\nb"), refused("control character")},
        {"25 bad escape", named("\\x41"), refused("forbidden character after backslash")},
        {"26 empty name", named(""), accepted},
        {"27 escaped field", file_of(R"({"t":{"\u0064type":"U8","shape":[1],"data_offsets":[0,1]}})", z(1)), accepted},
        {"28 1 MB name", named(std::string(1'000'000, 'n')), accepted},
        {"29 a path as name", named("../../etc/passwd"), accepted},
    });

    const auto names_of = [](const std::string& file) { return parse(file).tensors.at(0).name; };
    CHECK(names_of(named("\\ud83d\\ude00")) == "\xF0\x9F\x98\x80");
    CHECK(names_of(named("a\\u0000b")) == "a\0b"s);
    CHECK(names_of(named("")).empty());
    CHECK(names_of(named(std::string(1'000'000, 'n'))).size() == 1'000'000);

    // A long or wild name does not fill the message, nor drive the terminal that shows it.
    const std::string wild = "{\"\\u001b[2J" + repeat("\xC3\xA9", 1000) + "\":" + entry("U8", "[2]", "[0,1]") + "}";
    const std::string message = outcome([&] { parse(file_of(wild, z(1))); });
    INFO(message);
    CHECK(message.size() < 400);
    CHECK(message.find("\\x1b[2J\xC3\xA9") != message.npos);
    CHECK(message.find("(2004 bytes)") != message.npos);
    CHECK(message.find("\xC3\xE2") == message.npos);
}

TEST_CASE("entries of a safetensors header", "[safetensors]") {
    const auto entry_only = [](const std::string& value, std::size_t size = 1) {
        return file_of(header_of(value), z(size));
    };
    const auto extra = [&](const std::string& value) {
        return entry_only(R"({"dtype":"U8","shape":[1],"data_offsets":[0,1],"extra":)" + value + "}");
    };
    const auto nested = [](std::size_t depth) { return repeat("[", depth) + repeat("]", depth); };
    const auto shape = [](const std::string& text) { return file_of_entry("U8", text, "[0,1]", 1); };
    const auto offsets = [](const std::string& text) { return file_of_entry("U8", "[1]", text, 1); };
    const auto dtype = [&](const std::string& text) {
        return entry_only(R"({"dtype":)" + text + R"(,"shape":[1],"data_offsets":[0,1]})");
    };
    check({
        {"30 no dtype", entry_only(R"({"shape":[1],"data_offsets":[0,1]})"), refused("\"dtype\", found none")},
        {"30 no shape", entry_only(R"({"dtype":"U8","data_offsets":[0,1]})"), refused("\"shape\", found none")},
        {"30 no offsets", entry_only(R"({"dtype":"U8","shape":[1]})"), refused("\"data_offsets\", found none")},
        {"31 unknown field", extra("{\"a\":[1,null,\"x\",-1.5]}"), accepted},
        {"31 unknown field holds 1e999", extra("1e999"), refused("number overflow")},
        {"31 unknown field, 100 deep", extra(nested(100)), accepted},
        {"31 unknown field, 127 deep in all", extra(nested(125)), accepted},
        {"31 unknown field, 128 deep in all", extra(nested(126)), refused("nested at most 127 deep")},
        {"32 entry as a list (stricter)", entry_only(R"(["U8",[1],[0,1]])"), refused("found a list")},
        {"32 dtype as an object (stricter)", dtype(R"({"U8":null})"), refused("a known dtype, found an object")},
        {"33 entry null", entry_only("null"), refused("tensor \"t\": expected an object")},
        {"33 entry string", entry_only("\"U8\""), refused("found the string \"U8\"")},
        {"33 entry number", entry_only("3"), refused("found the number 3")},
        {"34 F31", dtype("\"F31\""), refused("a known dtype, found the string \"F31\"")},
        {"34 f32", dtype("\"f32\""), refused("\"f32\"")},
        {"34 3", dtype("3"), refused("a known dtype, found the number 3")},
        {"34 null", dtype("null"), refused("a known dtype, found null")},
        {"34 F8_E4M3FN", dtype("\"F8_E4M3FN\""), refused("\"F8_E4M3FN\"")},
        {"34 U8 and a NUL", dtype("\"U8\\u0000\""), refused("\"U8\\x00\"")},
        {"35 -1", shape("[-1]"), refused("integers from 0 to 2^64 - 1 in shape, found the number -1")},
        {"35 1.0", shape("[1.0]"), refused("found the number 1.0")},
        {"35 1e0", shape("[1e0]"), refused("in shape, found the number")},
        {"35 \"1\"", shape("[\"1\"]"), refused("in shape, found the string \"1\"")},
        {"35 null", shape("[null]"), refused("in shape, found null")},
        {"35 nested", shape("[[1]]"), refused("in shape, found a list")},
        {"35 01", shape("[01]"), refused("JSON")},
        {"35 +1", shape("[+1]"), refused("JSON")},
        {"35 -0", shape("[-0]"), refused("in shape, found the number 0")},
        {"35 2^64", shape("[18446744073709551616]"), refused("in shape, found the number 1.8446744073709552e+19")},
        {"35 true", shape("[true]"), refused("in shape, found true")},
        {"35 object", shape("{}"), refused("a list of integers in shape, found an object")},
        {"35 number", shape("1"), refused("a list of integers in shape, found the number 1")},
        {"36 rank 0", file_of_entry("I32", "[]", "[0,4]", 4), accepted},
        {"36 rank 0 without bytes", file_of_entry("I32", "[]", "[0,0]", 0), refused("4 bytes for I32 []")},
        {"37 no elements", file_of_entry("I32", "[2,0]", "[0,0]", 0), accepted},
        {"37 no elements but bytes", file_of_entry("I32", "[2,0]", "[0,4]", 4), refused("0 bytes for I32 [2, 0]")},
        {"38 rank 8", shape("[1,1,1,1,1,1,1,1]"), accepted},
        {"38 rank 9 (stricter)", shape("[1,1,1,1,1,1,1,1,1]"), refused("at most 8 dimensions, found 9")},
        {"38 rank 1000 (stricter)", shape("[1" + repeat(",1", 999) + "]"), refused("at most 8 dimensions, found 1000")},
        {"41 no offsets", offsets("[]"), refused("two numbers in data_offsets, found 0")},
        {"41 one offset", offsets("[0]"), refused("two numbers in data_offsets, found 1")},
        {"41 three offsets", offsets("[0,1,1]"), refused("two numbers in data_offsets, found 3")},
        {"41 -1", offsets("[-1,1]"), refused("in data_offsets, found the number -1")},
        {"41 0.0", offsets("[0.0,1]"), refused("in data_offsets, found the number 0.0")},
        {"41 object", offsets("{}"), refused("a list of integers in data_offsets, found an object")},
        {"41 2^64", offsets("[0,18446744073709551616]"), refused("in data_offsets")},
        {"42 [1,0]", offsets("[1,0]"), refused("end is not before their begin, found [1, 0]")},
        {"42 [1,2]", file_of_entry("U8", "[1]", "[1,2]", 2), refused("at 0, found a hole: begin 1")},
        {"42 [max,max]", file_of_entry("U8", "[0]", "[18446744073709551615,18446744073709551615]", 0),
         refused("found a hole: begin 18446744073709551615")},
        {"42 [0,max]", offsets("[0,18446744073709551615]"), refused("found 18446744073709551615 bytes")},
        {"43 [0,4]", file_of_entry("I32", "[2,2]", "[0,4]", 4), refused("16 bytes for I32 [2, 2], found 4 bytes")},
        {"43 [0,20]", file_of_entry("I32", "[2,2]", "[0,20]", 20), refused("16 bytes for I32 [2, 2], found 20 bytes")},
        {"44 4 MB tensor, 4 bytes", file_of_entry("F32", "[1000,1000]", "[0,4000000]", 4),
         refused("tensor \"t\": expected data up to byte 4000000 of the data section, found a file cut short")},
        {"45 2^61 - 1 bytes", file_of_entry("U8", "[2305843009213693951]", "[0,2305843009213693951]", 4),
         refused("found a file cut short: the section has 4 bytes")},
        {"65 100 open lists", file_of(repeat("[", 100)), refused("JSON")},
        {"65 100,000 open lists", file_of(R"({"t":)" + repeat("[", 100'000)), refused("nested at most 127 deep")},
        {"65 100,000 open objects", file_of(repeat("{\"t\":", 100'000)), refused("nested at most 127 deep")},
    });
}

TEST_CASE("sizes in a safetensors header that overflow", "[safetensors]") {
    const std::string big = "a size that fits in 64 bits";
    check({
        {"39 product", file_of_entry("F32", "[2,18446744073709551614]", "[0,4]", 4), refused(big)},
        {"39 bytes", file_of_entry("F32", "[2,9223372036854775807]", "[0,4]", 4), refused(big)},
        {"39 product wraps to 0", file_of_entry("U8", "[4294967296,4294967296]", "[0,0]", 0), refused(big)},
        {"39 bytes wrap to 16", file_of_entry("F32", "[4611686018427387908]", "[0,16]", 16), refused(big)},
        {"39 bits", file_of_entry("U8", "[2305843009213693952]", "[0,0]", 0), refused(big)},
        {"40 zero last", file_of_entry("U8", "[18446744073709551615,2,0]", "[0,0]", 0), refused(big)},
        {"40 zero first (stricter)", file_of_entry("U8", "[0,18446744073709551615,2]", "[0,0]", 0), refused(big)},
    });
}

TEST_CASE("where tensors lie in a safetensors file", "[safetensors]") {
    const std::string a = u8("a", 0, 4), b = u8("b", 4, 8);
    check({
        {"46 in order", file_of_entries({a, b}, z(8)), accepted},
        {"46 out of order", file_of_entries({b, a}, z(8)), accepted},
        {"47 hole", file_of_entries({a, u8("b", 5, 9)}, z(9)), refused("tensor \"b\": expected data to begin")},
        {"47 overlap", file_of_entries({a, u8("b", 3, 7)}, z(7)),
         refused("tensor \"b\": expected data to begin where "
                 "the previous tensor's ends, at 4, found an "
                 "overlap: begin 3")},
        {"47 the same", file_of_entries({a, u8("b", 0, 4)}, z(4)), refused("found an overlap: begin 0")},
        {"47 inside", file_of_entries({a, u8("b", 1, 3)}, z(4)), refused("found an overlap: begin 1")},
        {"48 empty between", file_of_entries({u8("e", 4, 4), a, b}, z(8)), accepted},
        {"48 empty between, last in the header", file_of_entries({b, a, u8("e", 4, 4)}, z(8)), accepted},
        {"48 several empty at the start", file_of_entries({u8("e", 0, 0), a, u8("f", 0, 0)}, z(4)), accepted},
        {"48 empty at the end", file_of_entries({u8("e", 4, 4), a}, z(4)), accepted},
        {"49 empty inside", file_of_entries({a, u8("e", 2, 2)}, z(4)), refused("tensor \"e\"")},
        {"49 empty past the end", file_of_entries({a, u8("e", 9, 9)}, z(4)), refused("a hole: begin 9")},
    });

    const SafetensorsHeader header = parse(file_of_entries({b, u8("e", 4, 4), a}, z(8)));
    REQUIRE(header.tensors.size() == 3);
    CHECK(header.tensors[0].name == "a");
    CHECK(header.tensors[1].name == "e");
    CHECK(header.tensors[2].name == "b");
    CHECK(header.tensors[0].offset == header.data_begin);
    CHECK(header.tensors[2].offset == header.data_begin + 4);
    CHECK(header.tensors[2].bytes == 4);
}

TEST_CASE("keys given twice in a safetensors header", "[safetensors]") {
    const std::string w = u8("w", 0, 4);
    check({
        {"52 the same entry (stricter)", file_of_entries({w, w}, z(4)), refused("found the key \"w\" twice")},
        {"53 another dtype (stricter)", file_of_entries({w, "\"w\":" + entry("F32", "[1]", "[0,4]")}, z(4)),
         refused("found the key \"w\" twice")},
        {"54 another place", file_of_entries({w, u8("w", 4, 8)}, z(8)), refused("twice")},
        {"55 another spelling (stricter)", file_of_entries({w, u8("\\u0077", 0, 4)}, z(4)), refused("twice")},
        {"56 dtype twice", file_of(header_of(R"({"dtype":"U8","dtype":"U8","shape":[1],"data_offsets":[0,1]})"), z(1)),
         refused("found the key \"dtype\" twice")},
        {"56 shape twice", file_of(header_of(R"({"dtype":"U8","shape":[1],"shape":[1],"data_offsets":[0,1]})"), z(1)),
         refused("found the key \"shape\" twice")},
        {"57 metadata twice", file_of(R"({"__metadata__":{},"__metadata__":{}})"), refused("\"__metadata__\" twice")},
        {"57 metadata twice, null first", file_of(R"({"__metadata__":null,"__metadata__":{}})"), refused("twice")},
        {"58 key twice in metadata (stricter)", file_of(R"({"__metadata__":{"a":"1","a":"2"}})"),
         refused("found the key \"a\" twice")},
        {"in an unknown field (stricter)",
         file_of(header_of(R"({"dtype":"U8","shape":[1],"data_offsets":[0,1],"x":[{"y":1,"y":1}]})"), z(1)),
         refused("found the key \"y\" twice")},
    });
}

TEST_CASE("a safetensors file's metadata", "[safetensors]") {
    const auto metadata = [](const std::string& value) { return file_of(R"({"__metadata__":)" + value + "}"); };
    check({
        {"59 format", metadata(R"({"format":"pt"})"), accepted},
        {"59 empty", metadata("{}"), accepted},
        {"59 null", metadata("null"), accepted},
        {"59 last", file_of_entries({u8("a", 0, 1), R"("__metadata__":{"format":"pt"})"}, z(1)), accepted},
        {"60 number", metadata("1"), refused("__metadata__: expected an object, found the number 1")},
        {"60 string", metadata("\"x\""), refused("__metadata__: expected an object, found the string \"x\"")},
        {"60 list", metadata("[]"), refused("__metadata__: expected an object, found an empty list")},
        {"60 nested", metadata(R"({"a":{"b":"c"}})"),
         refused("__metadata__: \"a\": expected a string, found an object")},
        {"60 number value", metadata(R"({"a":1})"),
         refused("__metadata__: \"a\": expected a string, found the number 1")},
        {"60 null value", metadata(R"({"a":null})"), refused("__metadata__: \"a\": expected a string, found null")},
        {"60 list value", metadata(R"({"a":["b"]})"), refused("expected a string, found a list")},
        {"60 a tensor entry", metadata(entry("U8", "[0]", "[0,0]")), refused("__metadata__")},
    });
    CHECK(parse(metadata(R"({"format":"pt","a":"\u00e9"})")).metadata ==
          std::map<std::string, std::string>{{"format", "pt"}, {"a", "\xC3\xA9"}});
    CHECK(parse(metadata("null")).metadata.empty());
}

TEST_CASE("element types in a safetensors file", "[safetensors]") {
    for (const rwkv::DTypeInfo& type : rwkv::dtypes) {
        INFO(type.name);
        const std::size_t count = type.bits == 4 ? 2 : type.bits == 6 ? 4 : 3;  // the least that fills bytes
        const std::size_t size = count * type.bits / 8;
        const auto header = parse(file_of_entry(std::string(type.name), "[" + std::to_string(count) + "]",
                                                "[0," + std::to_string(size) + "]", size));
        REQUIRE(header.tensors.size() == 1);
        CHECK(header.tensors[0].dtype == type.dtype);
        CHECK(header.tensors[0].bytes == size);
        CHECK(header.tensors[0].shape == rwkv::Shape{count});
    }
    const std::string odd = file_of_entries({u8("a", 0, 1), "\"b\":" + entry("F32", "[1]", "[1,5]")}, z(5));
    const std::string small = header_of(entry("F32", "[1]", "[0,4]"));
    check({
        {"61 F4 [1,2]", file_of_entry("F4", "[1,2]", "[0,1]", 1), accepted},
        {"62 F4 [1,3]", file_of_entry("F4", "[1,3]", "[0,2]", 2), refused("a whole number of bytes, found F4 [1, 3]")},
        {"62 F6 [3]", file_of_entry("F6_E2M3", "[3]", "[0,3]", 3), refused("a whole number of bytes")},
        {"63 F32 at 1", odd, accepted},
        {"63 odd header", file_of(small + repeat(" ", 1 - small.size() % 2), z(4)), accepted},
        {"64 a type no model uses", file_of_entry("F8_E4M3", "[2]", "[0,2]", 2), accepted},
    });
}

TEST_CASE("a safetensors header of exactly 10^8 bytes is accepted, one more is not", "[safetensors]") {
    std::string file = little_endian(100'000'000) + "{}";
    file.resize(8 + 100'000'000, ' ');
    CHECK(parse(file).data_begin == 100'000'008);
    file += ' ';
    file.replace(0, 8, little_endian(100'000'001));
    CHECK(as_expected(outcome([&] { parse(file); }), refused("a header of at most 100000000 bytes")));
    // Space within the object.
    file = little_endian(20'000'002) + "{" + std::string(20'000'000, ' ') + "}";
    CHECK(outcome([&] { parse(file); }) == "accepted");
}

TEST_CASE("a header of other than the length announced is not taken", "[safetensors]") {
    CHECK(as_expected(outcome([] { rwkv::io::parse_safetensors_header("{}      ", 9, "file"); }),
                      refused("header: expected a file of at least 16 bytes, found 9")));
}

TEST_CASE("many tensors", "[safetensors]") {
    const std::size_t count = 100'000;
    std::vector<std::string> same, apart;
    for (std::size_t i = 0; i < count; ++i) {
        same.push_back("\"t" + std::to_string(i) + "\":" + entry("I32", "[2,2]", "[0,16]"));
        apart.push_back(u8("t" + std::to_string(i), static_cast<int>(i), static_cast<int>(i) + 1));
    }
    const std::vector<std::string> few(same.begin(), same.begin() + 10);
    CHECK(as_expected(outcome([&] { parse(file_of_entries(few, z(16))); }), refused("an overlap: begin 0")));

    const std::string attack = file_of_entries(same, z(16));
    const auto start = std::chrono::steady_clock::now();
    CHECK(as_expected(outcome([&] { parse(attack); }), refused("an overlap: begin 0")));
    const std::chrono::duration<double> seconds = std::chrono::steady_clock::now() - start;
    CHECK(seconds.count() < 5.0);  // a tenth of it without sanitizers; what matters is that it is not 100,000² steps

    const auto header = parse(file_of_entries(apart, z(count)));
    REQUIRE(header.tensors.size() == count);
    CHECK(header.tensors[12'345].name == "t12345");
    CHECK(header.tensors[12'345].offset == header.data_begin + 12'345);
}

namespace {

const std::string small_header = R"({"__metadata__":{"f":"pt"},"a":{"dtype":"F16","shape":[1,2],"data_offsets":[0,4]},)"
                                 R"("b":{"dtype":"U8","shape":[],"data_offsets":[4,5]}})";
const std::string small_file = file_of(small_header, "\1\2\3\4\5");

/// Whether the reference implementation accepts the small file with one byte of its header replaced: found by
/// asking it about all of them. A name's letters may become anything that is no quote or backslash (nor the
/// other tensor's name); "pt" may become "\t"; F16 may become I16 or U16, U8 may become I8; every other byte
/// must stay.
bool reference_accepts(std::size_t position, unsigned char byte) {
    const auto at = [&](std::string_view text, std::size_t offset) {
        return position == 8 + small_header.find(text) + offset;
    };
    const bool plain = byte >= 0x20 && byte <= 0x7F && byte != '"' && byte != '\\';
    if (byte == static_cast<unsigned char>(small_file[position])) return true;
    if (at("\"f\"", 1) || at("pt", 1)) return plain;
    if (at("pt", 0)) return plain || byte == '\\';
    if (at("\"a\":", 1)) return plain && byte != 'b';
    if (at("\"b\":", 1)) return plain && byte != 'a';
    if (at("F16", 0)) return byte == 'I' || byte == 'U';
    if (at("U8", 0)) return byte == 'I';
    return false;
}

}  // namespace

TEST_CASE("67 every byte of a header replaced by every other", "[safetensors]") {
    std::size_t taken = 0;
    std::string file = small_file;
    for (std::size_t i = 0; i < 8 + small_header.size(); ++i) {
        for (unsigned value = 0; value < 256; ++value) {
            file[i] = static_cast<char>(value);
            const bool verdict = outcome([&] { parse(file); }) == "accepted";
            taken += verdict;
            if (verdict != reference_accepts(i, static_cast<unsigned char>(value)))
                FAIL_CHECK("byte " << i << " = " << value << (verdict ? " accepted" : " refused"));
        }
        file[i] = small_file[i];
    }
    CHECK(taken == 608);  // as many as the reference takes
}

TEST_CASE("a safetensors file cut short, lengthened or with a bit flipped", "[safetensors]") {
    for (std::size_t size = 0; size < small_file.size(); ++size) {
        const std::string found = outcome([&] { parse(small_file.substr(0, size)); });
        INFO("66 cut to " << size << ": " << found);
        CHECK(as_expected(found, refused(size < 8 ? "at least 8 bytes" : "a file cut short")));
    }
    for (std::size_t extra = 1; extra <= 64; ++extra) {
        std::string bytes;
        for (std::size_t i = 0; i < extra; ++i) bytes.push_back(static_cast<char>(i * 37 + extra));
        const std::string found = outcome([&] { parse(small_file + bytes); });
        INFO("68 " << found);
        CHECK(as_expected(found, refused("found " + std::to_string(extra) + " bytes more")));
    }
    for (std::size_t i = 0; i < small_file.size(); ++i)
        for (unsigned bit = 0; bit < 8; ++bit) {
            std::string file = small_file;
            file[i] = static_cast<char>(static_cast<unsigned char>(file[i]) ^ (1U << bit));
            const std::string found = outcome([&] { parse(file); });
            INFO("byte " << i << " bit " << bit << ": " << found);
            const bool in_data = i >= 8 + small_header.size();
            const bool expected = in_data || reference_accepts(i, static_cast<unsigned char>(file[i]));
            CHECK((found == "accepted") == expected);
        }
}

TEST_CASE("a safetensors file on disk reads as in memory", "[safetensors]") {
    const TempDir directory;
    const auto read = [](const std::filesystem::path& path) {
        return rwkv::io::read_safetensors_header(rwkv::io::InputFile(path));
    };
    const auto header = read(directory.write("good.safetensors", small_file));
    REQUIRE(header.tensors.size() == 2);
    CHECK(header.tensors[1].name == "b");
    CHECK(header.tensors[1].offset == small_file.size() - 1);
    CHECK(header.metadata.at("f") == "pt");

    const auto empty = directory.write("empty.safetensors", "");
    const std::string found = outcome([&] { read(empty); });
    INFO(found);
    CHECK(as_expected(found, {"FormatError " + empty.string(), "at least 8 bytes, found 0"}));
    for (std::size_t size = 0; size < small_file.size(); ++size)
        CHECK(outcome([&] { read(directory.write("cut", small_file.substr(0, size))); }).starts_with("FormatError"));
    const auto pointer = directory.write("lfs", "version https://git-lfs.github.com/spec/v1\n");
    CHECK(as_expected(outcome([&] { read(pointer); }), {"FormatError", "Git LFS pointer"}));
}
