#include <cstddef>
#include <map>
#include <span>
#include <string>
#include <vector>

#include "../catch.hpp"
#include "../support.hpp"
#include "safetensors_bytes.hpp"

#include <rwkv/io/safetensors_writer.hpp>

using namespace rwkv::test;
using rwkv::DType;
using rwkv::TensorInfo;
using rwkv::io::SafetensorsWriter;

namespace {

using Metadata = std::map<std::string, std::string>;

TensorInfo tensor(std::string name, DType dtype, rwkv::Shape shape) {
    TensorInfo info;
    info.name = std::move(name);
    info.dtype = dtype;
    info.shape = std::move(shape);
    return info;
}

void write(SafetensorsWriter& writer, const std::string& bytes) {
    writer.write(std::as_bytes(std::span(bytes)));
}

}  // namespace

TEST_CASE("what is written is read back", "[safetensors_writer]") {
    const std::vector<TensorInfo> tensors{
        tensor("wide", DType::f64, {2, 3}),   tensor("z.weight", DType::f32, {5}),
        tensor("none", DType::f32, {0, 7}),   tensor("scalar", DType::bf16, {}),
        tensor("a\"\\\n\0b", DType::u8, {1}), tensor("\xE6\x97\xA5\xE6\x9C\xAC", DType::f4, {2, 3}),
        tensor("", DType::boolean, {3, 1}),
    };
    const Metadata metadata{{"format", "pt"}, {"note", "\"\xC3\xA9\"\n"}};
    std::string data;
    for (int i = 0; i < 48 + 20 + 2 + 1 + 3 + 3; ++i) data.push_back(static_cast<char>(i * 7 + 1));

    for (const std::size_t piece : {1U, 7U, 48U, 1000U}) {
        const TempDir directory;
        const auto path = directory.path() / "out.safetensors";
        SafetensorsWriter writer(path, tensors, metadata);
        CHECK(writer.bytes_left() == data.size());
        for (std::size_t i = 0; i < data.size(); i += piece) {
            write(writer, data.substr(i, piece));
            write(writer, "");
        }
        CHECK(writer.bytes_left() == 0);
        CHECK_FALSE(std::filesystem::exists(path));
        writer.finish();
        CHECK(directory.count() == 1);

        const auto header = rwkv::io::read_safetensors_header(rwkv::io::InputFile(path));
        CHECK(header.data_begin % 8 == 0);
        CHECK(header.metadata == metadata);
        REQUIRE(header.tensors.size() == tensors.size());
        const std::string file = read_all(path);
        CHECK(file.substr(static_cast<std::size_t>(header.data_begin)) == data);
        for (const TensorInfo& expected : writer.tensors()) {
            bool found = false;
            for (const TensorInfo& info : header.tensors)
                found = found ||
                        (info.name == expected.name && info.dtype == expected.dtype && info.shape == expected.shape &&
                         info.offset == expected.offset && info.bytes == expected.bytes);
            CHECK(found);
        }
    }
}

TEST_CASE("files without tensors or metadata", "[safetensors_writer]") {
    const TempDir directory;
    const auto path = directory.path() / "out";
    SafetensorsWriter(path, {}).finish();
    CHECK(read_all(path) == file_of("{}" + std::string(54, ' ')));
    SafetensorsWriter(path, {}, {{"a", "b"}}).finish();
    CHECK(parse(read_all(path)).metadata == Metadata{{"a", "b"}});
    SafetensorsWriter(path, {tensor("t", DType::f32, {0})}).finish();
    CHECK(parse(read_all(path)).tensors.size() == 1);
    SafetensorsWriter writer(path, {tensor("t", DType::i32, {2, 2})});
    write(writer, z(16));
    writer.finish();
    const std::string header = header_of(entry("I32", "[2,2]", "[0,16]"));
    CHECK(read_all(path) == file_of(header + std::string(120 - header.size(), ' '), z(16)));
}

TEST_CASE("the data begins with a cache line, however long the header is", "[safetensors_writer]") {
    const TempDir directory;
    for (std::size_t length = 0; length < 130; ++length) {
        SafetensorsWriter writer(directory.path() / "out", {tensor(std::string(length, 'n'), DType::u8, {1})});
        CHECK(writer.tensors()[0].offset % 64 == 0);
        CHECK(writer.tensors()[0].offset < 64 + 8 + 60 + length);
    }
}

TEST_CASE("too few or too many bytes", "[safetensors_writer]") {
    const TempDir directory;
    const auto path = directory.write("out", "old");
    {
        SafetensorsWriter writer(path, {tensor("a", DType::u8, {4}), tensor("b", DType::u8, {4})});
        write(writer, "12345");
        CHECK(as_expected(outcome([&] { writer.finish(); }),
                          {"ArgumentError " + path.string(), "tensor \"b\": expected 4 bytes written, found 1"}));
        CHECK(as_expected(outcome([&] { write(writer, "6789"); }),
                          {"ArgumentError", "expected at most 3 more bytes, found 4"}));
        CHECK(writer.bytes_left() == 3);
        CHECK(read_all(path) == "old");
        write(writer, "67");
        CHECK(as_expected(outcome([&] { writer.finish(); }), {"ArgumentError", "expected 4 bytes written, found 3"}));
        write(writer, "8");
        writer.finish();  // no mistake spoilt it
    }
    CHECK(parse(read_all(path)).tensors.size() == 2);
    { const SafetensorsWriter given_up(path, {tensor("a", DType::u8, {4})}); }
    CHECK(parse(read_all(path)).tensors.size() == 2);
    CHECK(directory.count() == 1);
}

TEST_CASE("what cannot be written is refused before a file is made", "[safetensors_writer]") {
    const TempDir directory;
    struct Bad {
        std::vector<TensorInfo> tensors;
        Metadata metadata;
        std::string part;
    };
    const std::vector<Bad> bad{
        {{tensor("a", DType::u8, {1}), tensor("a", DType::u8, {1})}, {}, "tensor \"a\": expected a name of its own"},
        {{tensor("__metadata__", DType::u8, {1})}, {}, "tensor \"__metadata__\""},
        {{tensor("a", DType::f4, {3})}, {}, "a whole number of bytes, found F4 [3]"},
        {{tensor("a", DType::f32, {~0ULL, 2})}, {}, "found F32 [18446744073709551615, 2]"},
        {{tensor("a", DType::u8, {1ULL << 61U})}, {}, "found U8 [2305843009213693952]"},
        {{tensor("a", DType::u8, {1, 1, 1, 1, 1, 1, 1, 1, 1})}, {}, "at most 8 dimensions"},
        {{tensor("\xFF", DType::u8, {1})}, {}, "names and metadata in UTF-8"},
        {{}, {{"k", "\xFF"}}, "names and metadata in UTF-8"},
        {{}, {{"k", std::string(100'000'000, 'x')}}, "header: expected at most 100000000 bytes"},
    };
    for (const Bad& item : bad) {
        const std::string found =
            outcome([&] { SafetensorsWriter(directory.path() / "out", item.tensors, item.metadata); });
        INFO(found);
        CHECK(as_expected(found, {"ArgumentError", item.part}));
    }
    std::vector<TensorInfo> huge;
    for (int i = 0; i < 9; ++i) huge.push_back(tensor(std::to_string(i), DType::u8, {(1ULL << 61U) - 1}));
    CHECK(as_expected(outcome([&] { SafetensorsWriter(directory.path() / "out", huge); }),
                      {"ArgumentError", "a file of less than 2^64 bytes"}));
    CHECK(directory.count() == 0);
    CHECK(outcome([&] { SafetensorsWriter(directory.path() / "none" / "out", {}); }).starts_with("FileError"));
}
