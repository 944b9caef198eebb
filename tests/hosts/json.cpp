// Compiled twice: as first_parses and main, and, with JSON_DIAGNOSTICS, as second_parses.
#include "json.hpp"

#include <rwkv/checkpoint/config_json.hpp>
#include <rwkv/io/json.hpp>

std::string NAME(const std::string& text) {
    const rwkv::io::JsonDocument document = rwkv::io::parse_json(text, "text");
    const rwkv::Config config =
        rwkv::checkpoint::parse_config(R"({"hidden_size": 64, "num_hidden_layers": 3})", "config.json");
    return document.root.at("list").at(2).at("name").get<std::string>() + std::to_string(config.hidden_size);
}

#ifdef WITH_MAIN
#include <iostream>

int main() {
    const std::string text = R"({"list": [1, {"a": [[[]]]}, {"name": "x"}]})";
    for (int i = 0; i < 3; ++i)
        if (first_parses(text) != "x64" || second_parses(text) != "x64") return 1;
    std::cout << "right\n";
}
#endif
