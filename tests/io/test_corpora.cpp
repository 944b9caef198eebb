// The corpora of files, good and malformed (make_corpora.py), through their parsers.
#include <algorithm>
#include <cmath>
#include <stdexcept>
#include <string>

#include "../corpora/check.hpp"
#include "safetensors_bytes.hpp"

#include <rwkv/checkpoint/config_json.hpp>
#include <rwkv/checkpoint/index_json.hpp>
#include <rwkv/io/json.hpp>
#include <rwkv/state_file.hpp>

using namespace rwkv;
using namespace rwkv::test;

TEST_CASE("JSON that is taken and that is not", "[corpora]") {
    check_verdicts(corpus("json", 100), [](const std::string& text) { io::parse_json(text, "file"); });
}

TEST_CASE("safetensors files that are taken and that are not", "[corpora]") {
    check_verdicts(corpus("safetensors", 170), [](const std::string& bytes) { parse(bytes); });
}

TEST_CASE("indexes that are taken and that are not, or damaged", "[corpora]") {
    const auto parse = [](const std::string& text) {
        for (const auto& [tensor, shard] : checkpoint::parse_index(text, "file").weight_map)
            if (!checkpoint::is_shard_name(shard)) throw std::runtime_error(shard);
    };
    const auto cases = corpus("index", 60);
    check_verdicts(cases, parse);
    check_damage(cases, parse);
}

TEST_CASE("config.json files that are taken and that are not, or damaged", "[corpora]") {
    const auto parse = [](const std::string& text) {
        const Config config = checkpoint::parse_config(text, "file");
        if (config.vocab_size < 1 || config.hidden_size < 1 || config.eos_token_id >= config.vocab_size)
            throw std::runtime_error("an unsound config");
    };
    const auto cases = corpus("config", 40);
    check_verdicts(cases, parse);
    check_damage(cases, parse);
}

TEST_CASE("conversations' files that are taken and that are not, or damaged", "[corpora]") {
    Config config;
    config.vocab_size = 4;
    config.hidden_size = 3;
    config.attention_hidden_size = 2;
    config.num_hidden_layers = 2;
    const TempDir directory;
    const auto load = [&](const std::string& bytes) {
        return load_conversation(directory.write("file.safetensors", bytes), config);
    };
    const auto cases = corpus("state", 20);
    check_verdicts(cases, load);

    const Conversation sound = load(cases[0].bytes);
    const auto copy = directory.path() / "copy.safetensors";
    save_conversation(sound, copy);
    const Conversation again = load_conversation(copy, config);
    CHECK((again.state == sound.state && again.tokens == sound.tokens && again.logits == sound.logits));
    const std::size_t data = 8 + static_cast<std::size_t>(static_cast<unsigned char>(cases[0].bytes[0])) +
                             256 * static_cast<std::size_t>(static_cast<unsigned char>(cases[0].bytes[1]));
    check_damage(cases, [&](const std::string& bytes) {
        const Conversation found = load(bytes);
        // A change of the header that goes unnoticed is of white space, and changes nothing.
        if (bytes.substr(0, data) != cases[0].bytes.substr(0, data) &&
            !(found.state == sound.state && found.tokens == sound.tokens && found.logits == sound.logits))
            throw std::runtime_error("another conversation");
        const auto numerator = found.state.numerator();
        const bool finite = std::all_of(numerator.data(), numerator.data() + numerator.size(),
                                        [](float number) { return std::isfinite(number); });
        if (!finite || found.tokens[0] < 0) throw std::runtime_error("an unsound one");
    });
}
