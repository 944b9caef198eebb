#include <filesystem>
#include <string>
#include <vector>

#include "support.hpp"

#include <rwkv/load_tokenizer.hpp>

using namespace rwkv::test;

TEST_CASE("a tokenizer.json that transformers has written again gives its ids, or is refused by name", "[tokenizer]") {
    const nlohmann::json original = read_json(tokenizer_file("small.json"));
    for (const char* transformers : {"4.46", "5"}) {
        const auto path = std::filesystem::path(RWKV_FIXTURES_DIR) / "resaved" / transformers / "tokenizers.json";
        const nlohmann::json expected = read_json(path);
        const auto texts = expected.at("texts").get<std::vector<std::string>>();
        CHECK(expected.at("cases").size() >= 15);
        for (const auto& [name, saved] : expected.at("cases").items()) {
            nlohmann::json file = original;
            file.update(saved.at("file"));
            file["model"]["vocab"] = original["model"]["vocab"];
            nlohmann::json& merges = file["model"]["merges"] = nlohmann::json::array();
            for (const nlohmann::json& merge : original["model"]["merges"]) {
                // Both forms of a merge are the same, and each is written by some versions.
                const std::string both = merge.is_string()
                                             ? merge.get<std::string>()
                                             : merge[0].get<std::string>() + " " + merge[1].get<std::string>();
                const std::size_t space = both.find(' ');
                if (saved.at("pairs"))
                    merges.push_back({both.substr(0, space), both.substr(space + 1)});
                else
                    merges.push_back(both);
            }
            std::vector<std::vector<rwkv::TokenId>> ids;
            rwkv::MemoryFiles files("saved");
            const std::string tokenizer_json = file.dump(), config = saved.at("config").dump();
            files.add("tokenizer.json", tokenizer_json);
            files.add("tokenizer_config.json", config);
            const std::string found = outcome([&] {
                const rwkv::Tokenizer tokenizer = rwkv::load_tokenizer(files);
                for (const std::string& text : texts) ids.push_back(tokenizer.encode(text));
            });
            CAPTURE(transformers, name, found);
            if (saved.contains("refused")) {
                CHECK(as_expected(found, {"ModelError", saved.at("refused")}));
            } else {
                CHECK(found == "accepted");
                CHECK(ids == saved.at("ids").get<std::vector<std::vector<rwkv::TokenId>>>());
            }
        }
    }
}
