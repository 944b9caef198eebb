#include <filesystem>
#include <fstream>
#include <map>
#include <random>
#include <string>
#include <vector>

#include "support.hpp"
#include "world_bytes.hpp"

#include <rwkv/core/config.hpp>
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

    CHECK_THAT(load(directory), ContainsSubstring("FileError") && ContainsSubstring("none of them"));
    CHECK_THAT(load(directory / "absent"), ContainsSubstring("FileError"));
    std::ofstream(directory / "rwkv_vocab_v20230424.json") << "{}";
    CHECK_THAT(load(directory),
               ContainsSubstring("ModelError") && ContainsSubstring("rwkv_vocab_v20230424.txt has all"));

    fs::remove(directory / "rwkv_vocab_v20230424.json");
    std::ofstream(directory / "rwkv_vocab_v20230424.txt", std::ios::binary) << world_bytes();
    CHECK(rwkv::load_tokenizer(directory).vocab_size() == 257);
    CHECK(rwkv::load_tokenizer(directory / "rwkv_vocab_v20230424.txt").vocab_size() == 257);

    // Beside another tokenizer it is the one that fits the model.
    fs::copy_file(tokenizer_file("small.json"), directory / "20B_tokenizer.json");
    const std::size_t small = rwkv::load_tokenizer(directory / "20B_tokenizer.json").vocab_size();
    CHECK(small != 257);
    CHECK_THAT(load(directory),
               ContainsSubstring("ModelError") && ContainsSubstring("20B_tokenizer.json and rwkv_vocab"));
    const auto config = [](rwkv::Index outputs) { return rwkv::Config{.vocab_size = outputs}; };
    CHECK(rwkv::load_tokenizer(directory, config(50277)).vocab_size() == small);
    CHECK(rwkv::load_tokenizer(directory, config(65536)).vocab_size() == 257);
    for (const auto& [text, is_world] :
         std::map<std::string, bool>{{R"({"vocab_size": 65536})", true}, {"{}", false}}) {
        std::ofstream(directory / "config.json") << text;
        CHECK(rwkv::load_tokenizer(directory).vocab_size() == (is_world ? 257u : small));
        CHECK(rwkv::guess_prompt_format(directory).name == (is_world ? "world" : "raven"));
    }
    std::ofstream(directory / "config.json") << "no JSON";
    CHECK_THAT(load(directory), ContainsSubstring("ModelError") && ContainsSubstring("and rwkv_vocab"));
    fs::remove(directory / "config.json");
    fs::remove(directory / "rwkv_vocab_v20230424.txt");
    CHECK(rwkv::load_tokenizer(directory).vocab_size() == small);

    // A file of weights stands for its directory, by its name or its bytes.
    for (const char* name : {"RWKV-4.pth", "model.safetensors", "model.gguf", "model.safetensors.index.json"})
        CHECK(rwkv::load_tokenizer(directory / name).vocab_size() == small);
    std::ofstream(directory / "weights", std::ios::binary) << "PK\3\4";
    CHECK(rwkv::load_tokenizer(directory / "weights").vocab_size() == small);
    CHECK(rwkv::find_tokenizer(directory / "RWKV-4.pth") == directory / "20B_tokenizer.json");

    // The usual name before others, and of others only one.
    fs::rename(directory / "20B_tokenizer.json", directory / "my_tokenizer.json");
    CHECK(rwkv::load_tokenizer(directory).vocab_size() == small);
    fs::copy_file(directory / "my_tokenizer.json", directory / "your_tokenizer.json");
    CHECK_THAT(load(directory), ContainsSubstring("FileError"));
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
    for (const char* text : {"version https://git-lfs.github.com/spec/v1", "<!doctype html>", "Entry not found"})
        CHECK_THAT(with(text), ContainsSubstring("FormatError") && ContainsSubstring("download"));
    CHECK_THAT(with(R"({"!": 0, "1": 1})"), ContainsSubstring("found a vocab.json, which is not read here"));
    CHECK_THAT(with(R"({"1": 1, "x": "!"})"), ContainsSubstring("only fields this library knows, found"));
    for (const auto& [text, found] : std::map<std::string, std::string>{{"<!doctype html>", "an HTML page"},
                                                                        {"#version: 0.2\nh e\n", "merges.txt"},
                                                                        {"\xEF\xBB\xBF" + world_bytes(), "byte order"},
                                                                        {"\xFF\xFE" + world_bytes(), "UTF-16"}}) {
        std::ofstream(directory / "vocab.txt", std::ios::binary) << text;
        CHECK_THAT(load(directory / "vocab.txt"), ContainsSubstring("FormatError") && ContainsSubstring(found));
    }
    fs::remove_all(directory);
}

TEST_CASE("tokenizer_config.json may say that special tokens are split, and not that a space is put before a text",
          "[tokenizer]") {
    const std::string tokenizer = read_all(tokenizer_file("small.json"));
    const auto first_id = [&](const std::string& config) {
        rwkv::MemoryFiles files("pack");
        files.add("tokenizer.json", tokenizer);
        files.add("tokenizer_config.json", config);
        return rwkv::load_tokenizer(files).encode("<|endoftext|>").front();
    };
    for (const char* config : {"{}", "[]", R"({"split_special_tokens": null})", R"({"split_special_tokens": false})"})
        CHECK(first_id(config) == 0);
    CHECK(first_id(R"({"split_special_tokens": true, "model_max_length": 1000000000000000019884624838656})") != 0);
    CHECK_THAT(outcome([&] { return first_id(R"({"split_special_tokens": 1})"); }),
               ContainsSubstring("FormatError") && ContainsSubstring("tokenizer_config.json: split_special_tokens") &&
                   ContainsSubstring("expected true or false, found the number 1"));
    // What transformers' GPTNeoXTokenizer prefers to tokenizer.json, and its PreTrainedTokenizerFast does not read.
    CHECK(first_id(R"({"add_prefix_space": false, "tokenizer_class": "GPTNeoXTokenizer"})") == 0);
    CHECK(first_id(R"({"add_prefix_space": true, "tokenizer_class": "PreTrainedTokenizerFast"})") == 0);
    for (const char* config :
         {R"({"add_prefix_space": true})", R"({"add_prefix_space": true, "tokenizer_class": "GPTNeoXTokenizer"})"})
        CHECK_THAT(outcome([&] { return first_id(config); }),
                   ContainsSubstring("ModelError") &&
                       ContainsSubstring("tokenizer_config.json: add_prefix_space: expected false"));
    CHECK_THAT(outcome([&] { return first_id("{"); }),
               ContainsSubstring("FormatError") && ContainsSubstring("tokenizer_config.json"));
}

TEST_CASE("a World vocabulary is recognized by its name or by its first byte", "[tokenizer]") {
    const std::string vocabulary = world_bytes();
    for (const char* name : {"rwkv_vocab_v20230424.txt", "row 7", ""}) {
        const auto tokenizer = rwkv::load_tokenizer(rwkv::MemorySource(name, vocabulary));
        CHECK(tokenizer.encode("a\xFF") == std::vector<rwkv::TokenId>{98, 256});
    }
    rwkv::MemoryFiles files("pack");
    files.add("rwkv_vocab_v20230424.txt", vocabulary);
    CHECK(rwkv::load_tokenizer(files).vocab_size() == 257);
    CHECK(rwkv::load_tokenizer(files, rwkv::Config{.vocab_size = 65536}).vocab_size() == 257);
    CHECK(rwkv::guess_prompt_format(files).name == "world");
    CHECK_THAT(outcome([&] { return rwkv::load_tokenizer(rwkv::MemorySource("tokenizer.json", vocabulary)); }),
               ContainsSubstring("FormatError tokenizer.json"));
}

TEST_CASE("a World vocabulary in JSON is the one in text", "[tokenizer]") {
    std::string json = "{";
    for (int byte = 0; byte < 256; ++byte)
        json += "\"" + std::to_string(byte + 1) + "\":[" + std::to_string(byte) + "],";
    json += R"("257":"ab","258":"abcd","259":"é","260":[226,130]})";
    const auto read = [&](const std::string& text, const char* name = "any.json") {
        return rwkv::load_tokenizer(rwkv::MemorySource(name, text));
    };
    for (const char* name : {"rwkv_vocab_v20230424.json", "any.json", ""}) {
        const rwkv::Tokenizer tokenizer = read(json, name);
        CHECK(tokenizer.encode("xabcabcdé\xE2\x82\xFF") ==
              std::vector<rwkv::TokenId>{121, 257, 100, 258, 259, 260, 256});
        CHECK(tokenizer.is_special(0));
        CHECK(rwkv::guess_prompt_format(tokenizer).name == "world");
    }
    const auto with = [&](const std::string& from, const std::string& to) {
        std::string changed = json;
        changed.replace(changed.find(from), from.size(), to);
        return outcome([&] { return read(changed, "rwkv_vocab.json"); });
    };
    CHECK_THAT(with("\"65\":[64],", ""), ContainsSubstring("ModelError") && ContainsSubstring("none for byte 64"));
    CHECK_THAT(with("\"ab\"", "7"),
               ContainsSubstring("FormatError rwkv_vocab.json: id 257: expected a string or a list"));
    CHECK_THAT(with("[226,130]", "[226,256]"), ContainsSubstring("id 260: expected numbers from 0 to 255"));
    CHECK_THAT(with("[226,130]", "[226,-1]"), ContainsSubstring("id 260: expected numbers from 0 to 255"));
    CHECK_THAT(with("[226,130]", "[]"), ContainsSubstring("id 260: expected a token of at least one byte"));
    CHECK_THAT(with("\"abcd\"", "\"ab\""), ContainsSubstring("id 258: expected every token once"));
    for (const char* id : {"70000", "-1", "x", "01", ""})
        CHECK_THAT(with("\"258\"", "\"" + std::string(id) + "\""), ContainsSubstring("expected an id from 0 to 65535"));
    CHECK_THAT(outcome([&] { return read("[]", "rwkv_vocab.json"); }), ContainsSubstring("FormatError"));

    rwkv::MemoryFiles files("pack");
    files.add("rwkv_vocab_v20230424.json", json);
    CHECK(rwkv::load_tokenizer(files).vocab_size() == 261);
    CHECK(rwkv::guess_prompt_format(files).name == "world");
    const std::string vocabulary = world_bytes();
    files.add("rwkv_vocab_v20230424.txt", vocabulary);
    CHECK(rwkv::load_tokenizer(files).vocab_size() == 257);
}

TEST_CASE("a tokenizer that is another model's is recognized by its size", "[tokenizer]") {
    const rwkv::Tokenizer small = rwkv::load_tokenizer(tokenizer_file("small.json"));
    const auto tokens = static_cast<rwkv::Index>(small.vocab_size());
    const auto told = [&](rwkv::Index outputs) { return rwkv::describe_mismatch(small, {.vocab_size = outputs}); };
    CHECK(told(tokens).empty());
    CHECK(told(tokens + tokens / 8).empty());  // padded
    CHECK_THAT(told(tokens - 1), ContainsSubstring("are refused"));
    CHECK_THAT(told(2 * tokens), ContainsSubstring("tokens and the model") && ContainsSubstring("another model's"));
    CHECK_THAT(told(65536), ContainsSubstring("World models have rwkv_vocab_v20230424.txt"));
    CHECK(rwkv::guess_prompt_format(small).name == "raven");
}
