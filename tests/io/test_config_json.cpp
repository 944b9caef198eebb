#include <string>
#include <vector>

#include "../catch.hpp"
#include "../support.hpp"

#include <rwkv/io/config_json.hpp>

using namespace rwkv::test;
using rwkv::Config;
using rwkv::io::parse_config;

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

TEST_CASE("sizes no model can have, and values that are no sizes", "[config]") {
    struct Bad {
        std::string value;
        std::string error;
        std::string found;
    };
    const std::vector<Bad> bad{
        {"-1", "ModelError", "found the number -1"},
        {"-9223372036854775808", "ModelError", "found the number -9223372036854775808"},
        {"1000000000000000000", "ModelError", "found the number 1000000000000000000"},
        {"18446744073709551615", "ModelError", "found the number 18446744073709551615"},
        {"18446744073709551616", "FormatError", "found the number 1.8446744073709552e+19"},
        {"1e18", "FormatError", "found the number 1e+18"},
        {"12.0", "FormatError", "found the number 12.0"},
        {"12.5", "FormatError", "found the number 12.5"},
        {"\"12\"", "FormatError", "found the string \"12\""},
        {"true", "FormatError", "found true"},
        {"[12]", "FormatError", "found a list"},
        {"{}", "FormatError", "found an object"},
    };
    for (const std::string field :
         {"vocab_size", "context_length", "hidden_size", "num_hidden_layers", "attention_hidden_size",
          "intermediate_size", "rescale_every", "bos_token_id", "eos_token_id"}) {
        for (const Bad& item : bad) {
            const std::string text = "{\"" + field + "\":" + item.value + "}";
            const std::string found = outcome([&] { parse_config(text, "dir/config.json"); });
            INFO(text << ": " << found);
            CHECK(as_expected(found,
                              {item.error, "dir/config.json: " + field + ": expected an integer from", item.found}));
        }
    }
}

TEST_CASE("what a config.json may not say", "[config]") {
    const std::vector<Case> cases{
        {"vocab 0",
         R"({"vocab_size":0})",
         {"ModelError", "vocab_size: expected an integer from 1 to 16777216, found 0"}},
        {"context 0", R"({"context_length":0})", {"ModelError", "context_length"}},
        {"hidden 0", R"({"hidden_size":0})", {"ModelError", "hidden_size"}},
        {"layers 0", R"({"num_hidden_layers":0})", {"ModelError", "num_hidden_layers"}},
        {"attention 0", R"({"attention_hidden_size":0})", {"ModelError", "attention_hidden_size"}},
        {"intermediate 0", R"({"intermediate_size":0})", {"ModelError", "intermediate_size"}},
        {"largest hidden", R"({"hidden_size":16777216,"intermediate_size":1})", {"accepted"}},
        {"one more", R"({"hidden_size":16777217,"intermediate_size":1})", {"ModelError", "hidden_size"}},
        {"implied intermediate too large",
         R"({"hidden_size":16777216})",
         {"ModelError", "intermediate_size: expected an integer from 1 to 16777216, found 67108864"}},
        {"largest layers", R"({"num_hidden_layers":4096})", {"accepted"}},
        {"more layers", R"({"num_hidden_layers":4097})", {"ModelError", "num_hidden_layers"}},
        {"eos list", R"({"eos_token_id":[0]})", {"FormatError", "eos_token_id", "found a list"}},
        {"eos outside",
         R"({"vocab_size":10,"eos_token_id":10})",
         {"ModelError", "eos_token_id: expected an integer from 0 to 9"}},
        {"bos outside", R"({"vocab_size":10,"bos_token_id":10})", {"ModelError", "bos_token_id"}},
        {"last id", R"({"vocab_size":10,"bos_token_id":9,"eos_token_id":9})", {"accepted"}},
        {"epsilon 0", R"({"layer_norm_epsilon":0})", {"ModelError", "layer_norm_epsilon: expected a positive number"}},
        {"epsilon -1", R"({"layer_norm_epsilon":-1e-5})", {"ModelError", "layer_norm_epsilon"}},
        {"epsilon too small for float", R"({"layer_norm_epsilon":1e-50})", {"ModelError", "layer_norm_epsilon"}},
        {"epsilon too large for float", R"({"layer_norm_epsilon":1e50})", {"ModelError", "layer_norm_epsilon"}},
        {"epsilon infinite", R"({"layer_norm_epsilon":1e999})", {"FormatError", "number overflow"}},
        {"epsilon NaN", R"({"layer_norm_epsilon":NaN})", {"FormatError", "JSON"}},
        {"epsilon string", R"({"layer_norm_epsilon":"1e-5"})", {"FormatError", "layer_norm_epsilon", "the string"}},
        {"tie string",
         R"({"tie_word_embeddings":"true"})",
         {"FormatError", "tie_word_embeddings: expected true or false"}},
        {"tie number", R"({"tie_word_embeddings":1})", {"FormatError", "tie_word_embeddings"}},
        {"rwkv5", R"({"model_type":"rwkv5"})", {"ModelError", "model_type: expected \"rwkv\", found \"rwkv5\""}},
        {"rwkv6", R"({"model_type":"rwkv6"})", {"ModelError", "\"rwkv6\""}},
        {"llama", R"({"model_type":"llama"})", {"ModelError", "\"llama\""}},
        {"RWKV", R"({"model_type":"RWKV"})", {"ModelError", "\"RWKV\""}},
        {"model_type number", R"({"model_type":4})", {"FormatError", "model_type"}},
        {"duplicate", R"({"hidden_size":8,"hidden_size":16})", {"FormatError", "\"hidden_size\" twice"}},
        {"list", "[]", {"FormatError", "dir/config.json: expected a JSON object, found an empty list"}},
        {"empty", "", {"FormatError", "found nothing"}},
        {"cut short", R"({"hidden_size":)", {"FormatError", "end of input"}},
    };
    for (const Case& item : cases) {
        const std::string found = outcome([&] { parse_config(item.input, "dir/config.json"); });
        INFO(item.name << ": " << found);
        CHECK(as_expected(found, item.expected));
    }
}

TEST_CASE("a config.json on disk", "[config]") {
    const TempDir directory;
    const auto path = directory.write("config.json", R"({"hidden_size":8})");
    CHECK(rwkv::io::read_config(path).hidden_size == 8);
    CHECK(as_expected(outcome([&] { rwkv::io::read_config(directory.path() / "none.json"); }),
                      {"FileError", "none.json", "No such file"}));
    CHECK(as_expected(outcome([&] { rwkv::io::read_config(directory.path()); }), {"FileError", "a directory"}));
    std::filesystem::resize_file(path, 16'000'001);
    CHECK(as_expected(outcome([&] { rwkv::io::read_config(path); }),
                      {"FormatError", "at most 16000000 bytes, found 16000001"}));

    const std::string whole = R"({"model_type":"rwkv","hidden_size":8})";
    for (std::size_t size = 0; size < whole.size(); ++size)
        CHECK(outcome([&] { parse_config(whole.substr(0, size), "c"); }).starts_with("FormatError c: expected JSON"));
    for (std::size_t i = 0; i < whole.size(); ++i)
        for (unsigned bit = 0; bit < 8; ++bit) {
            std::string text = whole;
            text[i] = static_cast<char>(static_cast<unsigned char>(text[i]) ^ (1U << bit));
            CHECK_FALSE(outcome([&] { parse_config(text, "c"); }).empty());  // nothing but an rwkv::Error comes out
        }
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
        const std::string text = rwkv::io::config_text(each, "RwkvForCausalLM", "bfloat16");
        CHECK(parse_config(text, "c") == each);
        for (const char* part : {"\"model_type\": \"rwkv\"", "\"RwkvForCausalLM\"", "\"torch_dtype\": \"bfloat16\""})
            CHECK(text.find(part) != text.npos);
    }
}
