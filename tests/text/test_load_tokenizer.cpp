#include <filesystem>
#include <fstream>
#include <random>
#include <string>
#include <vector>

#include "support.hpp"
#include "world_bytes.hpp"

#include <rwkv/load_tokenizer.hpp>
#include <rwkv/text/prompt_format.hpp>

using namespace rwkv::test;
using Catch::Matchers::ContainsSubstring;

TEST_CASE("a tokenizer is loaded by what the directory holds", "[tokenizer]") {
    namespace fs = std::filesystem;
    const fs::path directory =
        fs::temp_directory_path() / ("rwkv-test-tokenizer-" + std::to_string(std::random_device()()));
    REQUIRE(fs::create_directory(directory));
    const auto load = [](const fs::path& path) { return outcome([&] { return rwkv::load_tokenizer(path); }); };

    CHECK_THAT(load(directory), ContainsSubstring("FileError") && ContainsSubstring("neither"));
    CHECK_THAT(load(directory / "absent"), ContainsSubstring("FileError"));
    std::ofstream(directory / "rwkv_vocab_v20230424.json") << "{}";
    CHECK_THAT(load(directory), ContainsSubstring("FileError") && ContainsSubstring(".json, which lacks tokens"));

    std::ofstream(directory / "rwkv_vocab_v20230424.txt", std::ios::binary) << world_bytes();
    CHECK(rwkv::load_tokenizer(directory).vocab_size() == 257);
    CHECK(rwkv::load_tokenizer(directory / "rwkv_vocab_v20230424.txt").vocab_size() == 257);

    fs::copy_file(tokenizer_file("small.json"), directory / "tokenizer.json");
    CHECK(rwkv::load_tokenizer(directory).vocab_size() > 257);
    CHECK(rwkv::load_tokenizer(directory / "tokenizer.json").token_bytes(0) == "<|endoftext|>");

    const std::string good = read_all(directory / "tokenizer.json");
    const auto with = [&](const std::string& text) {
        std::ofstream(directory / "tokenizer.json", std::ios::binary | std::ios::trunc) << text;
        return load(directory);
    };
    for (std::size_t length = 0; length < good.size() - 2; length += length < 2'000 ? 1 : 97)
        if (const std::string found = with(good.substr(0, length)); found.find("FormatError") != 0) FAIL(found);
    CHECK_THAT(with("{\"version\": \"1.0\", \"version\": \"1.0\"}"), ContainsSubstring("FormatError"));
    CHECK(with(good) == "accepted");
    fs::remove_all(directory);
}

TEST_CASE("a World vocabulary is told by its name or by its first byte", "[tokenizer]") {
    const std::string vocabulary = world_bytes();
    for (const char* name : {"rwkv_vocab_v20230424.txt", "row 7", ""}) {
        const auto tokenizer = rwkv::load_tokenizer(rwkv::MemorySource(name, vocabulary));
        CHECK(tokenizer.encode("a\xFF") == std::vector<rwkv::TokenId>{98, 256});
    }
    rwkv::MemoryFiles files("pack");
    files.add("rwkv_vocab_v20230424.txt", vocabulary);
    CHECK(rwkv::load_tokenizer(files).vocab_size() == 257);
    CHECK(rwkv::guess_prompt_format(files).name == "world");
    CHECK_THAT(outcome([&] { return rwkv::load_tokenizer(rwkv::MemorySource("tokenizer.json", vocabulary)); }),
               ContainsSubstring("FormatError tokenizer.json"));
}
