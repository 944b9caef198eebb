// Random schemas with instances that another validator has judged (make_samples.py), and random walks: texts of allowed
// tokens only. Where the environment's RWKV_WALKS names a file, there are many walks, and make_samples.py checks them.
#include <cstdint>
#include <cstdlib>
#include <fstream>
#include <random>
#include <string>
#include <vector>

#include <nlohmann/json.hpp>

#include <rwkv/constraint.hpp>
#include <rwkv/load_tokenizer.hpp>

#include "catch.hpp"

namespace {

nlohmann::ordered_json samples() {
    std::ifstream file(std::string(RWKV_FIXTURES_DIR) + "/constraint/schemas.json");
    return nlohmann::ordered_json::parse(file);
}

/// A text of random tokens that the mask allows; empty where it did not end in time.
std::string walk(const rwkv::Matcher& beginning, const rwkv::Tokenizer& tokenizer, std::mt19937& random) {
    rwkv::Matcher matcher = beginning;
    std::vector<std::uint64_t> mask(matcher.mask_words());
    std::vector<rwkv::TokenId> allowed, closing, ids;
    for (int steps = 0; steps < 200; ++steps) {
        matcher.mask(mask);
        const bool may_end = matcher.may_end();
        allowed.clear();
        closing.clear();
        for (std::size_t id = 1; id < mask.size() * 64; ++id) {
            if ((mask[id / 64] >> (id % 64) & 1U) == 0) continue;
            const auto token = static_cast<rwkv::TokenId>(id);
            allowed.push_back(token);
            const std::string bytes = tokenizer.decode(std::vector{token});
            if (bytes.size() == 1 && std::string_view("\"]}0").find(bytes) != std::string_view::npos)
                closing.push_back(token);
        }
        INFO("after " << tokenizer.decode(ids));
        REQUIRE(((mask[0] & 1U) != 0) == may_end);
        REQUIRE((may_end || !allowed.empty()));
        REQUIRE(matcher.may_continue() == !allowed.empty());
        if (may_end && (allowed.empty() || random() % 3 == 0)) return tokenizer.decode(ids);
        const auto& choice = !closing.empty() && (random() % 4 == 0 || steps > 40) ? closing : allowed;
        const rwkv::TokenId token = choice[random() % choice.size()];
        REQUIRE(matcher.accept(token));
        ids.push_back(token);
    }
    return {};
}

}  // namespace

TEST_CASE("instances of random schemas are judged as jsonschema judges them", "[json_schema]") {
    for (const auto& row : samples()) {
        const std::string schema = row.at("schema").dump();
        INFO(schema);
        const rwkv::Constraint constraint = rwkv::json_schema(schema);
        for (const std::string text : row.at("valid")) {
            INFO(text);
            CHECK(constraint.matches(text));
        }
        for (const std::string text : row.at("invalid")) {
            INFO(text);
            CHECK_FALSE(constraint.matches(text));
        }
    }
}

TEST_CASE("random walks of allowed tokens are JSON that the schema describes", "[walks]") {
    const std::string tokenizer_file = std::string(RWKV_FIXTURES_DIR) + "/../../examples/fairy-tales/tokenizer.json";
    const rwkv::Tokenizer tokenizer = rwkv::load_tokenizer(tokenizer_file);
    const rwkv::TokenVocabulary vocabulary(tokenizer);
    const char* const output = std::getenv("RWKV_WALKS");
    std::ofstream file;
    if (output) file.open(output);
    std::mt19937 random(1);
    int finished = 0, unfinished = 0;
    for (const auto& row : samples()) {
        const std::string schema = row.at("schema").dump();
        const rwkv::Constraint constraint = rwkv::json_schema(row.at("schema"));
        const rwkv::Matcher beginning(constraint, vocabulary);
        for (int i = 0; i < (output ? 400 : 10); ++i) {
            INFO(schema);
            const std::string text = walk(beginning, tokenizer, random);
            ++(text.empty() ? unfinished : finished);
            if (text.empty()) continue;
            INFO(text);
            REQUIRE(nlohmann::json::accept(text));
            REQUIRE(constraint.matches(text));
            if (output) file << nlohmann::ordered_json::array({row.at("schema"), text}).dump() << '\n';
        }
    }
    CHECK(finished > 10 * unfinished);
}
