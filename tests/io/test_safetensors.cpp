// What a table of verdicts does not say (for those see test_corpora.cpp). Numbers are those of the list in which the
// format's rules were collected.
#include <cstdint>
#include <string>
#include <vector>

#include "../catch.hpp"
#include "../support.hpp"
#include "safetensors_bytes.hpp"

using namespace rwkv::test;
using namespace std::string_literals;
using rwkv::io::SafetensorsHeader;

namespace {

std::vector<std::string> refused(const std::string& part) {
    return {"FormatError file", part};
}

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

TEST_CASE("names in a safetensors header", "[safetensors]") {
    const auto named = [](const std::string& name) {
        return file_of("{\"" + name + "\":" + entry("U8", "[1]", "[0,1]") + "}", z(1));
    };
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

TEST_CASE("deep nesting in a safetensors header", "[safetensors]") {
    for (const std::string open : {"[", "{\"t\":"})
        CHECK(as_expected(outcome([&] { parse(file_of(R"({"t":)" + repeat(open, 100'000))); }),
                          refused("nested at most 127 deep")));
}

TEST_CASE("where tensors lie in a safetensors file", "[safetensors]") {
    const std::string a = u8("a", 0, 4), b = u8("b", 4, 8);
    const SafetensorsHeader header = parse(file_of_entries({b, u8("e", 4, 4), a}, z(8)));
    REQUIRE(header.tensors.size() == 3);
    CHECK(header.tensors[0].name == "a");
    CHECK(header.tensors[1].name == "e");
    CHECK(header.tensors[2].name == "b");
    CHECK(header.tensors[0].offset == header.data_begin);
    CHECK(header.tensors[2].offset == header.data_begin + 4);
    CHECK(header.tensors[2].bytes == 4);
}

TEST_CASE("a safetensors file's metadata", "[safetensors]") {
    const auto metadata = [](const std::string& value) { return file_of(R"({"__metadata__":)" + value + "}"); };
    CHECK(parse(metadata(R"({"format":"pt","a":"\u00e9"})")).metadata ==
          std::map<std::string, std::string>{{"format", "pt"}, {"a", "\xC3\xA9"}});
    CHECK(parse(metadata("null")).metadata.empty());
}

TEST_CASE("element types in a safetensors file", "[safetensors]") {
    for (const rwkv::core::DTypeInfo& type : rwkv::core::dtypes) {
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
    CHECK(as_expected(outcome([] { return rwkv::io::parse_safetensors_header("{}      ", 9, "file"); }),
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

    // Were every tensor compared with every other, this would not end within ctest's limit of time.
    CHECK(as_expected(outcome([&] { parse(file_of_entries(same, z(16))); }), refused("an overlap: begin 0")));

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
