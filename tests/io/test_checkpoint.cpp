#include <algorithm>
#include <atomic>
#include <cstddef>
#include <filesystem>
#include <fstream>
#include <map>
#include <span>
#include <string>
#include <vector>

#if !defined(_WIN32)
#include <sys/resource.h>
#include <sys/stat.h>
#endif

#include "../catch.hpp"
#include "../support.hpp"
#include "safetensors_bytes.hpp"

#include <rwkv/checkpoint/checkpoint.hpp>
#include <rwkv/io/file_pool.hpp>

using namespace rwkv::test;
using rwkv::checkpoint::Checkpoint;
using rwkv::checkpoint::CheckpointTensor;

namespace fs = std::filesystem;

namespace {

const std::string index_name = "model.safetensors.index.json";

/// A shard: each tensor is U8 and holds the bytes given.
std::string shard(const std::map<std::string, std::string>& tensors, const std::string& metadata = "{}") {
    std::string header = R"({"__metadata__":)" + metadata, data;
    for (const auto& [name, bytes] : tensors) {
        header += ",\"" + name + "\":" +
                  entry("U8", "[" + std::to_string(bytes.size()) + "]",
                        "[" + std::to_string(data.size()) + "," + std::to_string(data.size() + bytes.size()) + "]");
        data += bytes;
    }
    return file_of(header + "}", data);
}

std::string index(const std::map<std::string, std::string>& weight_map, const std::string& metadata = "{}") {
    std::string text = R"({"metadata":)" + metadata + R"(,"weight_map":{)";
    for (const auto& [name, file] : weight_map) {
        if (text.back() != '{') text += ",";
        text += "\"" + name + "\":\"" + file + "\"";
    }
    return text + "}}";
}

std::string read(const Checkpoint& checkpoint, const std::string& name, std::uint64_t offset, std::size_t size) {
    const CheckpointTensor* tensor = checkpoint.find(name);
    REQUIRE(tensor != nullptr);
    std::string text(size, '?');
    checkpoint.read(*tensor, offset, std::as_writable_bytes(std::span(text)));
    return text;
}

using Files = std::map<std::string, std::string>;

void fill(const TempDir& directory, const Files& files) {
    for (const auto& [name, bytes] : files) directory.write(name, bytes);
}

const Files two_shards{
    {"model-1.safetensors", shard({{"a", "aaa"}, {"c", "cc"}}, R"({"format":"pt","x":"1"})")},
    {"model-2.safetensors", shard({{"b", "bbbb"}}, R"({"y":"2","x":"3"})")},
    {index_name, index({{"a", "model-1.safetensors"}, {"b", "model-2.safetensors"}, {"c", "model-1.safetensors"}},
                       R"({"total_size":9})")},
};

Files changed(const std::string& name, const std::string& bytes) {
    Files files = two_shards;
    files[name] = bytes;
    return files;
}

}  // namespace

TEST_CASE("one safetensors file as a checkpoint", "[checkpoint]") {
    const TempDir directory;
    const auto path = directory.write("model.safetensors",
                                      shard({{"a", "0123456789"}, {"b", "xyz"}, {"", "e"}}, R"({"format":"pt"})"));
    for (const fs::path& given : {path, directory.path(), directory.path() / ""}) {
        Checkpoint opened = Checkpoint::open(given);
        const CheckpointTensor* const b = opened.find("b");
        const Checkpoint checkpoint = std::move(opened);
        CHECK(checkpoint.find("b") == b);
        REQUIRE(checkpoint.tensors().size() == 3);
        CHECK(checkpoint.file_count() == 1);
        CHECK(checkpoint.metadata() == std::map<std::string, std::string>{{"format", "pt"}});
        CHECK(checkpoint.warnings().empty());
        CHECK(checkpoint.find("b")->info.bytes == 3);
        CHECK(fs::equivalent(checkpoint.file_of(*checkpoint.find("b")), path));
        CHECK(checkpoint.find("c") == nullptr);
        CHECK(checkpoint.find("aa") == nullptr);
        CHECK(read(checkpoint, "a", 0, 10) == "0123456789");
        CHECK(read(checkpoint, "a", 4, 3) == "456");
        CHECK(read(checkpoint, "b", 0, 3) == "xyz");
        CHECK(read(checkpoint, "", 0, 1) == "e");
        CHECK(read(checkpoint, "b", 3, 0).empty());
        for (const auto& range :
             std::vector<std::pair<std::uint64_t, std::size_t>>{{0, 4}, {3, 1}, {4, 0}, {~0ULL, 1}, {~0ULL, 2}}) {
            const std::string found = outcome([&] { read(checkpoint, "b", range.first, range.second); });
            INFO(found);
            CHECK(as_expected(found, {"ArgumentError", "tensor \"b\": expected bytes within its 3, found "}));
        }
    }
}

TEST_CASE("a checkpoint in shards", "[checkpoint]") {
    const TempDir directory;
    fill(directory, two_shards);
    for (const fs::path& given : {directory.path(), directory.path() / index_name}) {
        const Checkpoint checkpoint = Checkpoint::open(given);
        CHECK(checkpoint.tensors().size() == 3);
        CHECK(checkpoint.file_count() == 2);
        CHECK(checkpoint.warnings().empty());
        CHECK(checkpoint.metadata() == std::map<std::string, std::string>{{"format", "pt"}, {"x", "1"}, {"y", "2"}});
        CHECK(checkpoint.metadata_of(*checkpoint.find("c")).at("x") == "1");
        CHECK(checkpoint.metadata_of(*checkpoint.find("b")).at("x") == "3");
        CHECK(checkpoint.file_of(*checkpoint.find("b")).ends_with("model-2.safetensors"));
        CHECK(read(checkpoint, "a", 0, 3) == "aaa");
        CHECK(read(checkpoint, "b", 1, 3) == "bbb");
        CHECK(read(checkpoint, "c", 0, 2) == "cc");
    }
#if !defined(_WIN32)
    // Links out of the directory, as the download cache makes them.
    const TempDir cache;
    for (const auto& [name, bytes] : two_shards) fs::create_symlink(directory.path() / name, cache.path() / name);
    CHECK(read(Checkpoint::open(cache.path()), "b", 0, 4) == "bbbb");
#endif
}

TEST_CASE("which files a directory is understood to mean", "[checkpoint]") {
    const std::string one = shard({{"a", "1"}}), other = shard({{"a", "2"}});
    struct Row {
        std::string name;
        Files files;
        std::vector<std::string> expected;
    };
    const std::vector<Row> rows{
        {"any single name", {{"weights.safetensors", one}}, {"accepted"}},
        {"the usual name first", {{"model.safetensors", one}, {"other.safetensors", other}}, {"accepted"}},
        {"beside PyTorch", {{"model.safetensors", one}, {"pytorch_model.bin", "PK\3\4"}}, {"accepted"}},
        {"two of no known name",
         {{"x.safetensors", one}, {"y.safetensors", other}},
         {"FileError",
          "expected model.safetensors, its index or a single safetensors file, found 2: "
          "\"x.safetensors\", \"y.safetensors\" (give the one that is meant)"}},
        {"any single .st", {{"RWKV-4.st", one}}, {"accepted"}},
        {"beside what a training goes on with",
         {{"x.safetensors", one}, {"optimizer.pt", "x"}, {"rng_state_0.pth", "x"}, {"training_args.bin", "x"}},
         {"accepted"}},
        {"beside an adapter", {{"x.safetensors", one}, {"adapter_model.safetensors", other}}, {"accepted"}},
        {"an adapter alone",
         {{"adapter_model.safetensors", one}, {"adapter_config.json", "{}"}},
         {"ModelError", "expected a model, found a LoRA adapter without its model, which adapter_config.json names"}},
        {"an adapter without its config",
         {{"adapter_model.bin", "PK\3\4"}},
         {"ModelError", "found a LoRA adapter without its model"}},
        {"an index whose shards are gone",
         {{index_name, index({{"a", "gone.safetensors"}})}, {"x.safetensors", one}},
         {"accepted"}},
        {"an index whose shards are gone, alone",
         {{index_name, index({{"a", "gone.safetensors"}})}},
         {"FileError", "gone.safetensors", "No such file"}},
        {"a pointer where the index should be",
         {{index_name, "version https://git-lfs.github.com/spec/v1"}},
         {"FormatError", index_name, "a Git LFS pointer"}},
        {"GGUF", {{"rwkv.Q4_0.gguf", "GGUF"}}, {"FileError", "found \"rwkv.Q4_0.gguf\", of a format that is not read"}},
        {"shards without their index",
         {{"model-00001-of-00002.safetensors", one}, {"model-00002-of-00002.safetensors", other}},
         {"FileError", "expected the index of its shards, *.index.json, beside \"model-00001-of-00002.safetensors\""}},
        {"a training's checkpoints",
         {{"checkpoint-100", ""}},
         {"FileError", "perhaps the model is \"checkpoint-100\""}},
        {"Flax", {{"flax_model.msgpack", "x"}}, {"FileError", "found \"flax_model.msgpack\", of a format"}},
        {"a file that may be anything, by its name",
         {{"epoch=3.ckpt", "x"}},
         {"FileError", "\"epoch=3.ckpt\", which may hold anything: give that file itself"}},
        {"nothing", {}, {"FileError", "expected a model.safetensors file, found none"}},
        {"nothing of use", {{"config.json", "{}"}, {"x.safetensorss", one}}, {"FileError", "found none"}},
        {"a download under way",
         {{"config.json", "{}"}, {"x.safetensors.part", one}},
         {"FileError", "\"x.safetensors.part\", a download that has not come to its end"}},
        {"an archive", {{"rwkv-4.7z", "7z"}}, {"FileError", "\"rwkv-4.7z\", an archive: unpack it first"}},
        {"the shards of a variant",
         {{"model.fp16-00001-of-00002.safetensors", one},
          {"model.fp16-00002-of-00002.safetensors", shard({{"b", "2"}})},
          {"model.safetensors.index.fp16.json",
           index({{"a", "model.fp16-00001-of-00002.safetensors"}, {"b", "model.fp16-00002-of-00002.safetensors"}})}},
         {"accepted"}},
        {"the shards of a variant beside another index",
         {{"model.fp16-00001-of-00002.safetensors", one},
          {"model.fp16-00002-of-00002.safetensors", other},
          {"model.safetensors.index.fp16.json", index({{"a", "model.bf16-00001-of-00002.safetensors"}})}},
         {"FileError", "expected the index of its shards"}},
        {"the shards of a variant beside two indices",
         {{"model.fp16-00001-of-00002.safetensors", one},
          {"model.fp16-00002-of-00002.safetensors", other},
          {"model.safetensors.index.fp16.json",
           index({{"a", "model.fp16-00001-of-00002.safetensors"}, {"b", "model.fp16-00002-of-00002.safetensors"}})},
          {"mine.safetensors.index.json",
           index({{"a", "model.fp16-00001-of-00002.safetensors"}, {"b", "model.fp16-00002-of-00002.safetensors"}})}},
         {"FileError", "expected the index of its shards"}},
        {"PyTorch only",
         {{"pytorch_model.bin", "PK\3\4"}, {"config.json", "{}"}},
         {"ModelError", "pytorch_model.bin: expected a safetensors file", "not read here"}},
        {"PyTorch shards only",
         {{"pytorch_model-00001-of-00002.bin", "PK\3\4"}, {"pytorch_model.bin.index.json", "{}"}},
         {"ModelError", "pytorch_model.bin.index.json: expected a safetensors file", "not read here"}},
        {"weights whose name is in capitals", {{"MODEL.SAFETENSORS", one}}, {"accepted"}},
        {"a .PTH only", {{"RWKV-4.PTH", "PK\3\4"}}, {"ModelError", "RWKV-4.PTH", "not read here"}},
        {"a .pth only", {{"RWKV-4-World-0.1B.pth", "PK\3\4"}}, {"ModelError", "World-0.1B.pth", "not read here"}},
        {"PyTorch under the wrong name", {{"model.safetensors", "PK\3\4\0\0\x08\x08"}}, {"FormatError", "ZIP"}},
    };
    for (const Row& row : rows) {
        const TempDir directory;
        fill(directory, row.files);
        std::string first;
        const std::string found = outcome([&] { first = read(Checkpoint::open(directory.path()), "a", 0, 1); });
        INFO(row.name << ": " << found);
        CHECK(as_expected(found, row.expected));
        if (found == "accepted") CHECK(first == "1");
    }
}

TEST_CASE("a single file wins over an index, as in transformers, and says so", "[checkpoint]") {
    const TempDir directory;
    fill(directory, changed("model.safetensors", shard({{"z", "z"}})));
    const Checkpoint checkpoint = Checkpoint::open(directory.path());
    CHECK(checkpoint.file_count() == 1);
    CHECK(read(checkpoint, "z", 0, 1) == "z");
    REQUIRE(checkpoint.warnings().size() == 1);
    CHECK(checkpoint.warnings()[0] ==
          (directory.path() / index_name).string() + ": ignored, because there is model.safetensors");
    // The index may still be asked for, and one that lists the file is no other model's.
    CHECK(Checkpoint::open(directory.path() / index_name).file_count() == 2);
    fill(directory, {{index_name, index({{"z", "model.safetensors"}, {"b", "model-2.safetensors"}})}});
    CHECK(Checkpoint::open(directory.path()).file_count() == 2);
    CHECK(Checkpoint::open(directory.path()).warnings().empty());
    fill(directory, {{index_name, "no index"}});
    CHECK(Checkpoint::open(directory.path()).warnings().size() == 1);
}

TEST_CASE("a directory says what of it was not read", "[checkpoint]") {
    const std::string one = shard({{"a", "1"}});
    const TempDir directory;
    fill(directory,
         {{index_name, index({{"a", "gone.safetensors"}})}, {"x.safetensors", one}, {"adapter_config.json", "{}"}});
    const std::vector<std::string> warnings = Checkpoint::open(directory.path()).warnings();
    REQUIRE(warnings.size() == 2);
    CHECK(warnings[0] == (directory.path() / index_name).string() + ": ignored, because its files are not there");
    CHECK(warnings[1] ==
          directory.path().string() + ": the LoRA adapter in adapter_model is merged only if it is asked for");
}

TEST_CASE("a file is what its bytes say", "[checkpoint]") {
    const TempDir directory;
    const std::string one = shard({{"a", "1"}});
    for (const char* name : {"x.safetensors", "x.st", "x.ckpt", "x"})
        CHECK(read(Checkpoint::open(directory.write(name, one)), "a", 0, 1) == "1");
    const auto fails = [&](const std::string& name, const std::string& bytes,
                           const std::vector<std::string>& expected) {
        const auto path = directory.write(name, bytes);
        const std::string found = outcome([&] { Checkpoint::open(path); });
        INFO(name << ": " << found);
        CHECK(as_expected(found, expected));
    };
    fails("x.gguf", std::string("GGUF\3\0\0\0", 8), {"FormatError", "x.gguf", "found a GGUF file, of llama.cpp"});
    fails("x.ggml", std::string("fmgg\x65\0\0\0", 8), {"FormatError", "x.ggml", "found a GGML file, of rwkv.cpp"});
    fails("page.st", "<!DOCTYPE html><html></html>", {"FormatError", "an HTML page"});
    fails("answer.st", "Entry not found", {"FormatError", "Entry not found"});
    fails("config.json", "{}", {"ModelError", "expected a model's directory or its weights, found a JSON file"});
}

TEST_CASE("the Hub's cache leads to the snapshot that is used", "[checkpoint]") {
    const TempDir hub;
    const fs::path repository = hub.path() / "models--RWKV--x", snapshots = repository / "snapshots";
    const std::string commit = "0123456789abcdef0123456789abcdef01234567", other = "ffff";
    fs::create_directories(repository / "refs");
    fs::create_directories(snapshots / commit);
    std::ofstream(snapshots / commit / "model.safetensors", std::ios::binary) << shard({{"a", "1"}});
    const auto opened = [&](const fs::path& path) {
        return outcome([&] { static_cast<void>(read(Checkpoint::open(path), "a", 0, 1)); });
    };
    for (const fs::path& path : {repository, repository / "", snapshots, snapshots / commit})
        CHECK(opened(path) == "accepted");  // the only one
    fs::create_directory(snapshots / other);
    CHECK(as_expected(opened(repository), {"FileError", "expected one directory, or refs/main", "found 2"}));
    const auto main = repository / "refs" / "main";
    std::ofstream(main) << commit << '\n';
    CHECK(opened(repository) == "accepted");
    CHECK(opened(snapshots) == "accepted");
    std::ofstream(main) << "abcdef";
    CHECK(as_expected(opened(repository), {"FileError", "the directory abcdef, which refs/main names"}));
    for (const char* text : {"", "..", "../snapshots", "main"}) {
        std::ofstream(main) << text;
        CHECK(as_expected(opened(repository), {"FormatError", "main: expected the number of a commit"}));
    }
    fs::rename(snapshots, repository / "away");
    CHECK(as_expected(opened(repository), {"FileError", "expected the directory snapshots in it, found none"}));
    // A folder of that name is none of the Hub's.
    const TempDir model;
    fs::create_directory(model.path() / "snapshots");
    model.write("model.safetensors", shard({{"a", "1"}}));
    CHECK(opened(model.path()) == "accepted");
}

#if !defined(_WIN32)
TEST_CASE("paths that are no checkpoint", "[checkpoint]") {
    const TempDir directory;
    const auto fails = [&](const fs::path& path, const std::vector<std::string>& expected) {
        const std::string found = outcome([&] { Checkpoint::open(path); });
        INFO(found);
        CHECK(as_expected(found, expected));
    };
    fails(directory.path() / "none", {"FileError", "none: No such file"});
    fails(directory.path() / "none.safetensors", {"FileError", "No such file"});
    fails(directory.path() / "none.pth", {"FileError", "No such file"});
    fails(directory.write("x.pth", "PK\3\4"), {"ModelError", "x.pth: expected a safetensors file", "convert"});
    fails(directory.write("x.bin", "PK\3\4"), {"ModelError", "x.bin"});
    fails(directory.write("notes.txt", "hello, this is no model"), {"FormatError", "notes.txt"});
    const auto pipe = directory.path() / "model.safetensors";
    REQUIRE(::mkfifo(pipe.c_str(), 0600) == 0);
    fails(directory.path(), {"FileError", "model.safetensors: expected a regular file, found a named pipe"});
    fails(pipe, {"FileError", "found a named pipe"});
    fs::remove(pipe);
    fs::create_directory(pipe);
    fails(directory.path(), {"FileError", "model.safetensors"});
    fs::remove(pipe);
    fs::create_symlink(directory.path() / "gone", pipe);
    fails(directory.path(), {"FileError", "model.safetensors", "No such file"});
    fs::create_symlink(directory.path() / "gone", directory.path() / index_name);
    fails(directory.path(), {"FileError", "model.safetensors", "No such file"});
    fs::remove(pipe);
    fails(directory.path(), {"FileError", index_name, "No such file"});
}
#endif

TEST_CASE("an index and its shards that do not agree", "[checkpoint]") {
    struct Row {
        std::string name;
        Files files;
        std::vector<std::string> expected;
    };
    const std::string first = two_shards.at("model-1.safetensors"), second = two_shards.at("model-2.safetensors");
    const auto map = [](const std::map<std::string, std::string>& more) {
        std::map<std::string, std::string> all{
            {"a", "model-1.safetensors"}, {"b", "model-2.safetensors"}, {"c", "model-1.safetensors"}};
        for (const auto& [name, file] : more) all[name] = file;
        return changed(index_name, index(all));
    };
    const std::vector<Row> rows{
        {"missing shard", map({{"d", "model-3.safetensors"}}), {"FileError", "model-3.safetensors", "No such file"}},
        {"shard lacks a tensor",
         map({{"d", "model-2.safetensors"}}),
         {"FormatError", index_name + ": tensor \"d\": expected it in \"model-2.safetensors\", found no such tensor"}},
        {"tensor elsewhere",
         map({{"c", "model-2.safetensors"}}),
         {"FormatError",
          "model-1.safetensors: tensor \"c\": expected it in \"model-2.safetensors\", as the index says"}},
        {"tensor in two shards",
         changed("model-2.safetensors", shard({{"a", "aaa"}, {"b", "bbbb"}})),
         {"FormatError", "model-2.safetensors: tensor \"a\": expected each tensor in one shard only",
          "model-1.safetensors"}},
        {"shard twice", changed("model-2.safetensors", first), {"FormatError", "each tensor in one shard only"}},
        {"shard cut short",
         changed("model-2.safetensors", second.substr(0, second.size() - 1)),
         {"FormatError", "model-2.safetensors: tensor \"b\"", "a file cut short"}},
        {"shard empty", changed("model-2.safetensors", ""), {"FormatError", "model-2.safetensors", "at least 8 bytes"}},
        {"shard not downloaded",
         changed("model-2.safetensors", "version https://git-lfs.github.com/spec/v1\n"),
         {"FormatError", "model-2.safetensors", "Git LFS"}},
        {"outside of the directory", map({{"d", "../model-1.safetensors"}}), {"FormatError", "a plain file name"}},
        {"two spellings", map({{"d", "MODEL-1.safetensors"}}), {"FormatError", "one spelling"}},
        {"empty index", changed(index_name, ""), {"FormatError", index_name, "found nothing"}},
    };
    for (const Row& row : rows) {
        const TempDir directory;
        fill(directory, row.files);
        const std::string found = outcome([&] { Checkpoint::open(directory.path()); });
        INFO(row.name << ": " << found);
        CHECK(as_expected(found, row.expected));
    }

    const TempDir directory;
    fill(directory, two_shards);
    for (std::size_t size = 0; size < second.size(); ++size) {
        directory.write("model-2.safetensors", second.substr(0, size));
        CHECK(outcome([&] { Checkpoint::open(directory.path()); }).starts_with("FormatError"));
    }
    fs::remove(directory.path() / "model-2.safetensors");
    fs::create_directory(directory.path() / "model-2.safetensors");
    CHECK(as_expected(outcome([&] { Checkpoint::open(directory.path()); }), {"FileError", "a directory"}));
    fs::remove(directory.path() / "model-2.safetensors");
    fs::create_hard_link(directory.path() / "model-1.safetensors", directory.path() / "model-2.safetensors");
    CHECK(as_expected(outcome([&] { Checkpoint::open(directory.path()); }), {"each tensor in one shard only"}));
}

TEST_CASE("odd but harmless shards", "[checkpoint]") {
    const TempDir directory;
    const auto warnings = [&](const Files& files) {
        fill(directory, files);
        return Checkpoint::open(directory.path()).warnings();
    };
    const std::map<std::string, std::string> map{
        {"a", "model-1.safetensors"}, {"b", "model-2.safetensors"}, {"c", "model-1.safetensors"}};
    const std::string where = (directory.path() / index_name).string();
    CHECK(warnings(changed(index_name, index(map))).empty());
    CHECK(warnings(changed(index_name, index(map, R"({"total_size":9})"))).empty());
    CHECK(warnings(changed(index_name, index(map, R"({"total_size":10})"))) ==
          std::vector<std::string>{where + ": total_size is wrong: expected 9, found 10"});
    CHECK(warnings(changed(index_name, index(map, R"({"total_size":-9})"))).size() == 1);

    fill(directory, two_shards);
    std::map<std::string, std::string> many{{"b", "bbbb"}};
    for (int i = 0; i < 30; ++i) many["x" + std::to_string(i)] = "x";
    directory.write("model-2.safetensors", shard(many));
    directory.write(index_name, index(map));
    const Checkpoint checkpoint = Checkpoint::open(directory.path());
    CHECK(read(checkpoint, "x7", 0, 1) == "x");
    REQUIRE(checkpoint.warnings().size() == 21);
    CHECK(
        checkpoint.warnings()[0].ends_with("model-2.safetensors: holds tensor \"x0\", which the index does not list"));
    CHECK(checkpoint.warnings()[20] == where + ": does not list 10 more tensors");
    for (int i = 20; i < 30; ++i) many.erase("x" + std::to_string(i));
    directory.write("model-2.safetensors", shard(many));
    CHECK(Checkpoint::open(directory.path()).warnings().size() == 20);
}

TEST_CASE("a checkpoint whose files change after it is opened", "[checkpoint]") {
    const TempDir directory;
    const std::string bytes = shard({{"a", "0123456789"}});
    const auto path = directory.write("model.safetensors", bytes);
    const Checkpoint checkpoint = Checkpoint::open(directory.path());
    fs::remove(path);  // still open
    CHECK(read(checkpoint, "a", 0, 10) == "0123456789");

    // So many shards that this one was closed. (Elsewhere, since Windows keeps the name of a file that is open.)
    const TempDir shards;
    std::map<std::string, std::string> map;
    for (int i = 0; i < 40; ++i) {
        const std::string name = std::to_string(1000 + i);
        shards.write(name + ".safetensors", shard({{name, name}}));
        map[name] = name + ".safetensors";
    }
    shards.write(index_name, index(map));
    const Checkpoint many = Checkpoint::open(shards.path());
    CHECK(read(many, "1000", 0, 4) == "1000");
    shards.write("1001.safetensors", shard({{"1001", "10010"}}));
    CHECK(as_expected(outcome([&] { read(many, "1001", 0, 4); }),
                      {"FileError", "1001.safetensors", "has changed since"}));
    fs::remove(shards.path() / "1002.safetensors");
    CHECK(as_expected(outcome([&] { read(many, "1002", 0, 4); }), {"FileError", "1002.safetensors", "No such file"}));
    const auto third = shards.path() / "1003.safetensors";
    fs::last_write_time(third, fs::last_write_time(third) - std::chrono::hours(1));
    CHECK(as_expected(outcome([&] { read(many, "1003", 0, 4); }), {"FileError", "has changed since"}));
    CHECK(read(many, "1039", 0, 4) == "1039");
}

#if !defined(_WIN32)
TEST_CASE("10,000 shards need few open files", "[checkpoint]") {
    const TempDir directory;
    std::map<std::string, std::string> map;
    for (int i = 0; i < 10'000; ++i) {
        const std::string name = std::to_string(100'000 + i);
        directory.write(name + ".safetensors", shard({{name, name}}));
        map[name] = name + ".safetensors";
    }
    directory.write(index_name, index(map));
    rlimit before{};
    REQUIRE(::getrlimit(RLIMIT_NOFILE, &before) == 0);
    rlimit few = before;
    few.rlim_cur = 64;
    REQUIRE(::setrlimit(RLIMIT_NOFILE, &few) == 0);
    std::atomic<int> wrong{0};
    const std::string found = outcome([&] {
        const Checkpoint checkpoint = Checkpoint::open(directory.path());
        if (checkpoint.tensors().size() != 10'000) ++wrong;
        // Several threads, each opening and closing the others' files.
        in_threads(4, [&](std::size_t thread) {
            for (std::size_t i = 0; i < 1000; ++i) {
                const CheckpointTensor& tensor = checkpoint.tensors()[(i * 6151 + thread * 31) % 10'000];
                std::string text(6, '?');
                checkpoint.read(tensor, 0, std::as_writable_bytes(std::span(text)));
                if (text != tensor.info.name) ++wrong;
            }
        });
    });
    REQUIRE(::setrlimit(RLIMIT_NOFILE, &before) == 0);
    CHECK(found == "accepted");
    CHECK(wrong == 0);
}
#endif

TEST_CASE("a pool keeps the files used last", "[checkpoint]") {
    const TempDir directory;
    std::vector<fs::path> paths;
    for (int i = 0; i < 4; ++i) paths.push_back(directory.write(std::to_string(i), std::string(1, char('0' + i))));
    rwkv::io::FilePool pool(2);
    for (std::size_t i = 0; i < 4; ++i) CHECK(pool.add(paths[i]) == i);
    const auto first = pool.open(0);
    pool.open(1);
    CHECK(pool.open(0) == first);
    pool.open(2);  // closes 1, not 0
    CHECK(pool.open(0) == first);
    fs::remove(paths[1]);
    CHECK(as_expected(outcome([&] { pool.open(1); }), {"FileError", "No such file"}));
    CHECK(pool.open(0) == first);
    pool.open(2);
    pool.open(3);  // closes 0, which we hold all the same
    fs::remove(paths[0]);
    CHECK(first->size() == 1);
#if !defined(_WIN32)  // where a file stays as long as somebody holds it
    CHECK(as_expected(outcome([&] { pool.open(0); }), {"FileError", "No such file"}));
#endif
}

TEST_CASE("the fixtures open", "[checkpoint]") {
    const fs::path fixtures = RWKV_FIXTURES_DIR;
    const Checkpoint sharded = Checkpoint::open(fixtures / "sharded");
    const Checkpoint plain = Checkpoint::open(fixtures / "plain" / "model.safetensors");
    CHECK(sharded.file_count() == 3);
    CHECK(sharded.warnings().empty());
    REQUIRE(sharded.tensors().size() == plain.tensors().size());
    for (const CheckpointTensor& tensor : plain.tensors()) {
        const CheckpointTensor* same = sharded.find(tensor.info.name);
        REQUIRE(same != nullptr);
        CHECK(same->info.shape == tensor.info.shape);
        const auto size = static_cast<std::size_t>(tensor.info.bytes);
        CHECK(read(sharded, tensor.info.name, 0, size) == read(plain, tensor.info.name, 0, size));
    }
}
