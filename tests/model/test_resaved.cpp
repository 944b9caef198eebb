#include <filesystem>
#include <span>
#include <string>
#include <vector>

#include <nlohmann/json.hpp>

#include "../catch.hpp"
#include "support.hpp"

using namespace rwkv;
using namespace rwkv::test;

namespace {

nlohmann::json read_json(const std::filesystem::path& path) {
    return nlohmann::json::parse(read_all(path));
}

/// What transformers says of a config; what it has not, None, is the default here.
Config config_of(const nlohmann::json& fields) {
    Config config;
    const auto set = [&](const char* name, auto& value) {
        if (!fields.at(name).is_null()) fields.at(name).get_to(value);
    };
    set("vocab_size", config.vocab_size);
    set("context_length", config.context_length);
    set("hidden_size", config.hidden_size);
    set("num_hidden_layers", config.num_hidden_layers);
    set("attention_hidden_size", config.attention_hidden_size);
    set("intermediate_size", config.intermediate_size);
    set("layer_norm_epsilon", config.layer_norm_epsilon);
    set("tie_word_embeddings", config.tie_word_embeddings);
    set("bos_token_id", config.bos_token_id);
    set("rescale_every", config.rescale_every);
    if (config.rescale_every < 0) config.rescale_every = 0;
    const nlohmann::json& end = fields.at("eos_token_id");
    if (!end.is_array()) {
        end.get_to(config.eos_token_id);
    } else {
        end.at(0).get_to(config.eos_token_id);
        for (std::size_t i = 1; i < end.size(); ++i) config.other_eos_token_ids.push_back(end[i]);
    }
    return config;
}

}  // namespace

TEST_CASE("what transformers saves is read as transformers reads it, or named for what it is") {
    for (const char* transformers : {"4.46", "5"}) {
        const std::filesystem::path folder = fixture("resaved") / transformers;
        const nlohmann::json expected = read_json(folder / "models.json");
        const auto tokens = expected.at("tokens").get<std::vector<TokenId>>();
        CHECK(expected.at("cases").size() >= 20);
        for (const auto& [name, answer] : expected.at("cases").items()) {
            CAPTURE(transformers, name);
            if (answer.contains("refused")) {
                const std::string found = outcome([&, directory = folder / name] { return load_model(directory); });
                CHECK(as_expected(found, {"ModelError", answer.at("refused")}));
                continue;
            }
            const Model model = load_model(folder / name);
            CHECK(model.config() == config_of(answer.at("config")));
            CHECK(load_config(folder / name) == model.config());
            CHECK(model.has_head() == !answer.at("logits").is_null());
            if (!model.has_head()) continue;
            State state(model.config());
            Workspace workspace(model.config());
            const auto logits = answer.at("logits").get<std::vector<float>>();
            CHECK(error_of(model.forward(tokens, state, workspace), std::span(logits)) < tolerance);
        }
    }
}

TEST_CASE("what was passed over in a directory saved twice is said") {
    const std::filesystem::path folder = fixture("resaved");
    for (const char* name : {"4.46/whole", "4.46/bin", "4.46/shards", "5/whole", "5/compiled", "5/tied"})
        CHECK(load_model(folder / name).warnings().empty());
    for (const char* name : {"4.46/shards_then_whole", "5/whole_then_shards", "5/adapter_beside"})
        CHECK(load_model(folder / name).warnings().size() == 1);
}
