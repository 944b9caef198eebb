#include <string>
#include <vector>

#include "../catch.hpp"
#include "../support.hpp"

#include <rwkv/checkpoint/config_json.hpp>
#include <rwkv/io/file.hpp>

using namespace rwkv::test;
using rwkv::Config;
using rwkv::checkpoint::parse_config;

TEST_CASE("fields left out of a config.json have Hugging Face's defaults", "[config]") {
    const std::string nulls =
        R"({"vocab_size":null,"context_length":null,"hidden_size":null,"num_hidden_layers":null,)"
        R"("attention_hidden_size":null,"intermediate_size":null,"layer_norm_epsilon":null,"rescale_every":null,)"
        R"("tie_word_embeddings":null,"bos_token_id":null,"eos_token_id":null,"model_type":null})";
    for (const std::string& text : {std::string("{}"), nulls}) {
        const Config config = parse_config(text, "c");
        CHECK(config == Config{});
        CHECK(config.vocab_size == 50277);
        CHECK(config.context_length == 1024);
        CHECK(config.hidden_size == 4096);
        CHECK(config.num_hidden_layers == 32);
        CHECK(config.attention_hidden_size == 4096);
        CHECK(config.intermediate_size == 16384);
        CHECK(config.layer_norm_epsilon == 1e-5);
        CHECK(config.rescale_every == 6);
        CHECK_FALSE(config.tie_word_embeddings);
        CHECK(config.bos_token_id == 0);
        CHECK(config.eos_token_id == 0);
    }
    const Config implied = parse_config(R"({"hidden_size":37})", "c");
    CHECK(implied.attention_hidden_size == 37);
    CHECK(implied.intermediate_size == 148);
}

TEST_CASE("every field of a config.json is read", "[config]") {
    const Config config = parse_config(
        R"({"model_type":"rwkv","vocab_size":65536,"context_length":4096,"hidden_size":35,"num_hidden_layers":7,)"
        R"("attention_hidden_size":29,"intermediate_size":53,"layer_norm_epsilon":1e-4,"rescale_every":2,)"
        R"("tie_word_embeddings":true,"bos_token_id":1,"eos_token_id":65535,"architectures":["RwkvForCausalLM"],)"
        R"("use_cache":true,"transformers_version":"4.29.0","unknown":{"x":[1]}})",
        "c");
    CHECK(config == Config{.vocab_size = 65536,
                           .context_length = 4096,
                           .hidden_size = 35,
                           .num_hidden_layers = 7,
                           .attention_hidden_size = 29,
                           .intermediate_size = 53,
                           .layer_norm_epsilon = 1e-4,
                           .rescale_every = 2,
                           .tie_word_embeddings = true,
                           .bos_token_id = 1,
                           .eos_token_id = 65535});
    CHECK(parse_config(R"({"rescale_every":0})", "c").rescale_every == 0);
    CHECK(parse_config(R"({"layer_norm_epsilon":1})", "c").layer_norm_epsilon == 1.0);
}

TEST_CASE("what transformers allows in a config.json has its meaning", "[config]") {
    for (const char* text : {"-1", "0", "-6.0"})
        CHECK(parse_config("{\"rescale_every\":" + std::string(text) + "}", "c").rescale_every == 0);
    CHECK(parse_config(R"({"rescale_every":6.0,"hidden_size":12.0})", "c").rescale_every == 6);
    CHECK(parse_config(R"({"hidden_size":12.0})", "c").hidden_size == 12);
    for (const char* text : {"-1", "0", "-1000000000000"})
        CHECK(parse_config("{\"context_length\":" + std::string(text) + "}", "c").context_length == 0);
    CHECK(parse_config(R"({"context_length":1e12})", "c").context_length == 2147483647);
    CHECK(parse_config(R"({"x\\":[NaN,"NaN"],"y":-Infinity,"hidden_size":12})", "c").hidden_size == 12);
    const Config list = parse_config(R"({"eos_token_id":[5,0,7,-1,99999]})", "c");
    CHECK(list.eos_token_id == 5);
    CHECK(list.other_eos_token_ids == std::vector<rwkv::TokenId>{0, 7});
    for (const char* text : {"-1", "[]", "50277", "[-1]"}) {
        const Config none = parse_config("{\"eos_token_id\":" + std::string(text) + "}", "c");
        CHECK(none.eos_token_id == -1);
        CHECK(none.other_eos_token_ids.empty());
    }
    CHECK(parse_config(R"({"bos_token_id":-1})", "c").bos_token_id == -1);
    CHECK(parse_config(R"({"eos_token_id":[3]})", "c") == Config{.eos_token_id = 3});
}

TEST_CASE("a config.json on disk", "[config]") {
    const TempDir directory;
    const auto path = directory.write("config.json", R"({"hidden_size":8})");
    CHECK(rwkv::checkpoint::read_config(rwkv::io::InputFile(path)).hidden_size == 8);
    CHECK(as_expected(
        outcome([&] { rwkv::checkpoint::read_config(rwkv::io::InputFile(directory.path() / "none.json")); }),
        {"FileError", "none.json", "No such file"}));
    CHECK(as_expected(outcome([&] { rwkv::checkpoint::read_config(rwkv::io::InputFile(directory.path())); }),
                      {"FileError", "a directory"}));
    std::filesystem::resize_file(path, 16'000'001);
    CHECK(as_expected(outcome([&] { rwkv::checkpoint::read_config(rwkv::io::InputFile(path)); }),
                      {"FormatError", "at most 16000000 bytes, found 16000001"}));
}

TEST_CASE("a config.json written is read back", "[config]") {
    const Config config{.vocab_size = 67,
                        .context_length = 4096,
                        .hidden_size = 35,
                        .num_hidden_layers = 7,
                        .attention_hidden_size = 29,
                        .intermediate_size = 53,
                        .layer_norm_epsilon = 1.0 / 3e4,
                        .rescale_every = 0,
                        .tie_word_embeddings = true,
                        .bos_token_id = 3,
                        .eos_token_id = 66};
    for (const Config& each : {config, Config{}}) {
        const std::string text = rwkv::checkpoint::config_text(each, "RwkvForCausalLM", "bfloat16");
        CHECK(parse_config(text, "c") == each);
        for (const char* part : {"\"model_type\": \"rwkv\"", "\"RwkvForCausalLM\"", "\"torch_dtype\": \"bfloat16\""})
            CHECK(text.find(part) != text.npos);
    }
}
