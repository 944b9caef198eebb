#include <algorithm>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <map>
#include <random>
#include <span>
#include <string>
#include <vector>

#include "../catch.hpp"
#include "../corpora/corpus.hpp"
#include "../support.hpp"
#include "memory_file.hpp"
#include "safetensors_bytes.hpp"

#include <rwkv/checkpoint/checkpoint.hpp>
#include <rwkv/io/pytorch.hpp>

using namespace rwkv::test;
using rwkv::DType;
using rwkv::Shape;
using rwkv::TensorInfo;
using rwkv::checkpoint::Checkpoint;
using rwkv::checkpoint::CheckpointTensor;

namespace fs = std::filesystem;

namespace {

const fs::path fixtures = fs::path(RWKV_FIXTURES_DIR) / "pytorch";
const rwkv::checkpoint::PytorchReader reader = rwkv::io::read_pytorch_tensors;

std::vector<std::byte> bytes_of(const Checkpoint& checkpoint, const CheckpointTensor& tensor) {
    std::vector<std::byte> bytes(tensor.info.bytes);
    checkpoint.read(tensor, 0, bytes);
    return bytes;
}

template <class T>
std::vector<T> elements(const Checkpoint& checkpoint, const std::string& name, DType dtype, const Shape& shape) {
    const CheckpointTensor* tensor = checkpoint.find(name);
    REQUIRE(tensor != nullptr);
    CHECK(tensor->info.dtype == dtype);
    CHECK(tensor->info.shape == shape);
    std::vector<T> values(tensor->info.bytes / sizeof(T));
    checkpoint.read(*tensor, 0, std::as_writable_bytes(std::span(values)));
    return values;
}

/// Every tensor that a file names, read whole: what any file must allow that is not refused.
void read_whole(const MemoryFile& file) {
    for (const TensorInfo& info : rwkv::io::read_pytorch_tensors(file)) {
        std::vector<std::byte> bytes(info.bytes);
        if (bytes.empty()) continue;
        info.strides.empty() ? file.read(info.offset, bytes) : rwkv::io::read_strided(file, info, 0, bytes);
    }
}

}  // namespace

TEST_CASE("the corpus of PyTorch files", "[pytorch]") {
    const auto cases = read_corpus(fs::path(RWKV_FIXTURES_DIR).parent_path() / "corpora" / "pytorch.json");
    std::size_t refused = 0;
    for (const CorpusCase& item : cases) {
        const std::string found = outcome([&] { read_whole(MemoryFile(item.bytes)); });
        CAPTURE(item.name, item.message, found);
        if (item.accept) {
            CHECK(found == "accepted");
        } else {
            CHECK(as_expected(found, {item.error + " file: ", item.message}));
            ++refused;
        }
    }
    CHECK(refused >= 200);

    // A tensor that lies in one piece is known as such, whatever the strides of its single rows: it can be mapped.
    const auto single = std::ranges::find(cases, "pickle: strides of single rows mean nothing", &CorpusCase::name);
    REQUIRE(single != cases.end());
    CHECK(rwkv::io::read_pytorch_tensors(MemoryFile(single->bytes)).at(0).strides.empty());
}

TEST_CASE("every type and every view, from two versions of PyTorch", "[pytorch]") {
    for (const char* name : {"old.pth", "new.pth", "new_without_crc.pth"}) {
        CAPTURE(name);
        const Checkpoint file = Checkpoint::open(fixtures / name, reader);
        CHECK(file.tensors().size() == 16);
        std::vector<float> table(24), turned, slice{16, 18, 20, 22};
        for (std::size_t i = 0; i < 24; ++i) table[i] = static_cast<float>(i);
        for (std::size_t k = 0; k < 4; ++k)
            for (std::size_t ij = 0; ij < 6; ++ij) turned.push_back(table[4 * ij + k]);
        CHECK(elements<float>(file, "table", DType::f32, {2, 3, 4}) == table);
        CHECK(elements<float>(file, "turned", DType::f32, {4, 2, 3}) == turned);
        CHECK(elements<float>(file, "slice", DType::f32, {1, 2, 2}) == slice);
        CHECK(elements<float>(file, "row", DType::f32, {4}) == std::vector<float>{20, 21, 22, 23});
        CHECK(elements<float>(file, "diagonal", DType::f32, {3}) == std::vector<float>{0, 5, 10});
        CHECK(elements<float>(file, "scalar", DType::f32, {}) == std::vector<float>{15});
        CHECK(elements<float>(file, "empty", DType::f32, {0, 3}).empty());
        CHECK(elements<std::uint16_t>(file, "parameter", DType::bf16, {2}) ==
              std::vector<std::uint16_t>{0x3FC0, 0xC020});
        CHECK(elements<std::uint16_t>(file, "f16", DType::f16, {3}) == std::vector<std::uint16_t>{0, 0x3C00, 0x5640});
        CHECK(elements<double>(file, "f64", DType::f64, {3}) == std::vector<double>{0, 1, 100});
        CHECK(elements<std::int64_t>(file, "i64", DType::i64, {3}) == std::vector<std::int64_t>{0, 1, 100});
        CHECK(elements<std::int32_t>(file, "i32", DType::i32, {3}) == std::vector<std::int32_t>{0, 1, 100});
        CHECK(elements<std::int16_t>(file, "i16", DType::i16, {3}) == std::vector<std::int16_t>{0, 1, 100});
        CHECK(elements<std::int8_t>(file, "i8", DType::i8, {3}) == std::vector<std::int8_t>{0, 1, 100});
        CHECK(elements<std::uint8_t>(file, "u8", DType::u8, {3}) == std::vector<std::uint8_t>{0, 1, 100});
        CHECK(elements<std::uint8_t>(file, "bool", DType::boolean, {3}) == std::vector<std::uint8_t>{0, 1, 1});

        const CheckpointTensor& whole = *file.find("table");
        CHECK(std::memcmp(file.map(whole).get(), table.data(), 96) == 0);
        CHECK(as_expected(outcome([&] { file.map(*file.find("turned")); }),
                          {"ArgumentError", "tensor \"turned\": expected a tensor in one piece", "[1, 12, 4]"}));
    }
}

TEST_CASE("files that PyTorch wrote and that are no plain state dict", "[pytorch]") {
    const std::map<std::string, std::vector<std::string>> expected{
        {"chatrwkv.pth",
         {"ModelError", "found one converted for the package rwkv (of ChatRWKV): take what it was made"}},
        {"deflated.pth", {"FormatError", "data.pkl\": expected an entry stored without compression", "a deflated one"}},
        {"expanded.pth", {"FormatError", "tensor \"w\": expected no more elements than the 4 of its storage"}},
        {"legacy.pth", {"FormatError", "found a PyTorch checkpoint of before 2020"}},
        {"module.pth", {"FormatError", "torch.nn.modules.linear.Linear\", which is not on the list"}},
        {"nested.pth", {"FormatError", "tensor \"state_dict\": expected a tensor, found a dict: no plain state dict"}},
        {"protocol_4.pth", {"FormatError", "(PROTO) at byte 0: expected protocol 2, found 4"}},
        {"torchscript.pt", {"FormatError", "TorchScript"}},
        {"training.pth", {"FormatError", "tensor \"epoch\": expected a tensor, found an integer: no plain state dict"}},
    };
    std::size_t files = 0;
    for (const auto& entry : fs::directory_iterator(fixtures / "refused")) {
        const std::string name = entry.path().filename().string();
        const std::string found = outcome([&] { Checkpoint::open(entry.path(), reader); });
        CAPTURE(name, found);
        REQUIRE(expected.contains(name));
        CHECK(as_expected(found, expected.at(name)));
        ++files;
    }
    CHECK(files == expected.size());
}

TEST_CASE("a PyTorch file cut anywhere, and with any bit flipped", "[pytorch]") {
    const std::string whole = read_all(fixtures / "new.pth");
    for (std::size_t length = 0; length < whole.size(); ++length)
        CHECK(outcome([&] { read_whole(MemoryFile(whole.substr(0, length))); }).starts_with("FormatError"));
    std::size_t refused = 0;
    for (std::size_t bit = 0; bit < 8 * whole.size(); ++bit) {
        std::string flipped = whole;
        flipped[bit / 8] = static_cast<char>(static_cast<unsigned char>(flipped[bit / 8]) ^ (1U << bit % 8));
        const std::string found = outcome([&] { read_whole(MemoryFile(flipped)); });
        if (found == "accepted") continue;
        ++refused;
        if (!found.starts_with("FormatError")) FAIL_CHECK("bit " << bit << ": " << found);
    }
    CHECK(refused > whole.size());
}

TEST_CASE("views of any strides are gathered as if element by element", "[pytorch]") {
    std::mt19937 random(1);
    const auto below = [&](std::size_t n) { return std::uniform_int_distribution<std::size_t>(0, n - 1)(random); };
    constexpr std::array types{DType::u8, DType::bf16, DType::f32, DType::f64};
    for (int round = 0; round < 2000; ++round) {
        TensorInfo info{.name = "t", .dtype = types[below(types.size())], .shape = {}};
        const std::size_t element = rwkv::core::bits(info.dtype) / 8, rank = below(5);
        // A box within a larger one, with steps, its dimensions in any order; now and then strides of no order at all.
        std::vector<std::pair<std::uint64_t, std::uint64_t>> dimensions;
        std::uint64_t stride = 1, last = 0, count = 1;
        for (std::size_t i = 0; i < rank; ++i) {
            const std::uint64_t size = 1 + below(7), step = 1 + below(3);
            dimensions.push_back({size, below(10) == 0 ? below(20) : stride * step});
            stride = stride * size * step + below(3) + (below(8) == 0 ? 2000 : 0);
            last += (size - 1) * dimensions.back().second;
            count *= size;
        }
        if (last > 100'000) continue;
        std::ranges::shuffle(dimensions, random);
        for (const auto& [size, step] : dimensions) info.shape.push_back(size), info.strides.push_back(step);
        info.offset = below(100);
        info.bytes = count * element;
        std::string bytes(info.offset + (last + 1) * element, '\0');
        for (char& byte : bytes) byte = static_cast<char>(random() & 0xFFU);

        std::string expected;
        for (std::uint64_t i = 0; i < count; ++i) {
            std::uint64_t from = 0, rest = i;
            for (std::size_t d = rank; d-- > 0; rest /= info.shape[d]) from += rest % info.shape[d] * info.strides[d];
            expected += bytes.substr(info.offset + from * element, element);
        }
        const MemoryFile file(bytes);
        for (int part = 0; part < 3; ++part) {
            const std::size_t begin = part == 0 ? 0 : below(expected.size());
            const std::size_t size = part == 0 ? expected.size() : 1 + below(expected.size() - begin);
            std::string found(size, '?');
            rwkv::io::read_strided(file, info, begin, std::as_writable_bytes(std::span(found)));
            CAPTURE(round, rwkv::core::to_string(info.shape), rwkv::core::to_string(info.strides), begin, size);
            if (found != expected.substr(begin, size)) FAIL_CHECK("other bytes");
        }
    }
}

TEST_CASE("a large transposed matrix is gathered in few reads", "[pytorch]") {
    constexpr std::uint64_t rows = 768, cols = 3072;
    std::string bytes(rows * cols * 4, '\0');
    for (std::uint32_t i = 0; i < rows * cols; ++i) std::memcpy(bytes.data() + 4 * i, &i, 4);
    const TensorInfo info{
        .name = "t", .dtype = DType::f32, .shape = {rows, cols}, .bytes = bytes.size(), .strides = {1, rows}};
    const MemoryFile file(std::move(bytes));
    std::vector<std::uint32_t> found(rows * cols);
    constexpr std::size_t piece = 256 * 1024;  // as a model is loaded
    const auto out = std::as_writable_bytes(std::span(found));
    for (std::size_t at = 0; at < out.size(); at += piece)
        rwkv::io::read_strided(file, info, at, out.subspan(at, std::min(piece, out.size() - at)));
    std::size_t wrong = 0;
    for (std::size_t i = 0; i < rows; ++i)
        for (std::size_t j = 0; j < cols; ++j) wrong += found[i * cols + j] != i + rows * j;
    CHECK(wrong == 0);
    CHECK(file.reads <= 36 * 3 * 37);  // of each piece, its whole rows and the ends of two: 37 windows each at most
}

TEST_CASE("which of a directory's files are read, PyTorch's included", "[pytorch]") {
    const std::string pth = read_all(fixtures / "new.pth");
    const std::string tensor = file_of_entry("U8", "[1]", "[0,1]", 1);  // "t"
    struct Row {
        std::string name;
        std::map<std::string, std::string> files;
        std::vector<std::string> expected;  ///< "accepted" with the tensor "table" means PyTorch's
        bool pytorch;
    };
    const std::string index = R"({"weight_map":{"table":"a.bin"}})";
    const std::vector<Row> rows{
        {"the usual name", {{"pytorch_model.bin", pth}, {"a.bin", "x"}, {"b.pth", "x"}}, {"accepted"}, true},
        {"the whole file first",
         {{"pytorch_model.bin.index.json", index}, {"a.bin", "x"}, {"pytorch_model.bin", pth}},
         {"accepted"},
         true},
        {"an index of safetensors that are gone",
         {{"model.safetensors.index.json", R"({"weight_map":{"table":"a.safetensors"}})"}, {"pytorch_model.bin", pth}},
         {"accepted"},
         true},
        {"PyTorch's under the name of safetensors", {{"model.safetensors", pth}}, {"accepted"}, true},
        {"any single .bin", {{"a.bin", pth}}, {"accepted"}, true},
        {"any single .pth", {{"a.pth", pth}}, {"accepted"}, true},
        {"any single .pt", {{"a.pt", pth}}, {"accepted"}, true},
        {"safetensors first", {{"a.safetensors", tensor}, {"pytorch_model.bin", "x"}}, {"accepted"}, false},
        {"two of no known name",
         {{"a.bin", pth}, {"b.pth", pth}},
         {"FileError", "pytorch_model.bin, its index or a single PyTorch file, found 2: \"a.bin\", \"b.pth\""},
         true},
        {"a shard of another kind",
         {{"pytorch_model.bin.index.json", R"({"weight_map":{"table":"a.safetensors"}})"}},
         {"FormatError", "a plain file name of this directory ending in .bin"},
         true},
        {"a shard elsewhere",
         {{"pytorch_model.bin.index.json", R"({"weight_map":{"table":"../a.bin"}})"}},
         {"FormatError", "a plain file name of this directory ending in .bin"},
         true},
        {"a shard that is missing", {{"pytorch_model.bin.index.json", index}}, {"FileError", "a.bin", "No such"}, true},
        {"a shard that lacks a tensor",
         {{"pytorch_model.bin.index.json", R"({"weight_map":{"other":"a.bin"}})"}, {"a.bin", pth}},
         {"FormatError", "tensor \"other\": expected it in \"a.bin\""},
         true},
        {"safetensors under PyTorch's name", {{"pytorch_model.bin", tensor}}, {"accepted"}, false},
        {"neither", {{"pytorch_model.bin", "x"}}, {"FormatError", "expected a PyTorch file (a ZIP archive)"}, true},
    };
    for (const Row& row : rows) {
        const TempDir directory;
        for (const auto& [name, bytes] : row.files) directory.write(name, bytes);
        bool table = false;
        const std::string found =
            outcome([&] { table = Checkpoint::open(directory.path(), reader).find("table") != nullptr; });
        CAPTURE(row.name, found);
        CHECK(as_expected(found, row.expected));
        if (found == "accepted") CHECK(table == row.pytorch);
        if (row.pytorch && row.files.size() == 1 && !row.files.contains("model.safetensors"))
            CHECK(as_expected(outcome([&] { Checkpoint::open(directory.path()); }), {"ModelError", "not read here"}));
    }
    const TempDir directory;
    directory.write("a.bin", pth);
    directory.write("pytorch_model.bin", pth);
    const auto path = directory.write("pytorch_model.bin.index.json", index);
    CHECK(Checkpoint::open(path, reader).file_count() == 1);
    CHECK(Checkpoint::open(directory.path(), reader).warnings() ==
          std::vector{path.string() + ": ignored, because there is pytorch_model.bin"});
}

TEST_CASE("PyTorch files hold the same weights as their safetensors twins", "[pytorch]") {
    for (const auto& [name, twin] : std::map<std::string, std::string>{
             {"f16", "f16"}, {"mixed", "mixed"}, {"views", "mixed"}, {"sharded", "bf16"}, {"blinkdl", "blinkdl"}}) {
        const Checkpoint found = Checkpoint::open(fixtures / name, reader);
        const Checkpoint expected = Checkpoint::open(fixtures.parent_path() / twin);
        CAPTURE(name);
        CHECK(found.warnings().empty());
        CHECK(found.tensors().size() == expected.tensors().size());
        std::size_t strided = 0;
        for (const CheckpointTensor& tensor : expected.tensors()) {
            const CheckpointTensor* same = found.find(tensor.info.name);
            REQUIRE(same != nullptr);
            CHECK(same->info.dtype == tensor.info.dtype);
            CHECK(same->info.shape == tensor.info.shape);
            CHECK(bytes_of(found, *same) == bytes_of(expected, tensor));
            strided += !same->info.strides.empty();
        }
        CHECK((strided > 10) == (name == "views"));
    }
}

TEST_CASE("a file of more than 4 GiB that PyTorch wrote", "[pytorch][large]") {
    const char* python = std::getenv("RWKV_LARGE_PYTORCH");
    if (!python) {
        WARN("skipped: set RWKV_LARGE_PYTORCH to a Python with torch; needs 5 GB of memory and of disk");
        return;
    }
    const TempDir directory;
    const auto path = directory.path() / "large.pth";
    const auto script = fs::path(RWKV_FIXTURES_DIR) / "make_large_pytorch_file.py";
    REQUIRE(std::system(("'" + std::string(python) + "' '" + script.string() + "' '" + path.string() + "'").c_str()) ==
            0);
    const Checkpoint file = Checkpoint::open(path, reader);
    REQUIRE(fs::file_size(path) > (std::uint64_t{1} << 32U));
    const CheckpointTensor& large = *file.find("large");
    REQUIRE(large.info.bytes == (std::uint64_t{1} << 32U) + 1024);
    for (const std::uint64_t at : {std::uint64_t{0}, std::uint64_t{1} << 31U, std::uint64_t{1} << 32U}) {
        std::vector<std::uint8_t> found(4);
        file.read(large, at, std::as_writable_bytes(std::span(found)));
        CHECK(found == std::vector<std::uint8_t>{std::uint8_t((at >> 30U) + 1), 0, 0, 0});
    }
    CHECK(elements<float>(file, "after", DType::f32, {2, 3}) == std::vector<float>{0, 2, 4, 1, 3, 5});
    CHECK(file.find("after")->info.offset > (std::uint64_t{1} << 32U));
}
