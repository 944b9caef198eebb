#include <fstream>
#include <string>
#include <vector>

#include "generated.hpp"
#include "support.hpp"

#include <rwkv/text/streaming_decoder.hpp>
#include <rwkv/text/tokenizer.hpp>
#include <rwkv/text/tokenizer_json.hpp>

using namespace rwkv::test;
using nlohmann::json;
using rwkv::SpecialTokens;
using rwkv::TokenId;
using rwkv::Tokenizer;
using rwkv::text::read_tokenizer_json;

namespace {

Tokenizer fixture(const std::string& name) {
    return read_tokenizer_json(read_json(tokenizer_file(name + ".json")), name + ".json");
}

Tokenizer small() {
    return fixture("small");
}

/// FNV-1a digests over ids and over texts, each with its length before it.
struct Digests {
    void add(const std::vector<TokenId>& more) {
        ids.add(static_cast<std::uint32_t>(more.size()));
        for (TokenId id : more) ids.add(static_cast<std::uint32_t>(id));
    }
    void add(const std::string& text) {
        texts.add(static_cast<std::uint32_t>(text.size()));
        texts.add(text);
    }
    void check(const json& expected) const {
        CHECK(ids.hex() == expected.at("ids").get<std::string>());
        CHECK(texts.hex() == expected.at("texts").get<std::string>());
    }

    Digest ids, texts;
};

std::string streamed(const Tokenizer& tokenizer, const std::vector<TokenId>& ids, SpecialTokens special) {
    rwkv::StreamingDecoder decoder(tokenizer, special);
    std::string text;
    for (TokenId id : ids) text += decoder.push(id);
    return text += decoder.finish();
}

void check_generated(const Tokenizer& tokenizer, const json& expected) {
    SplitMix random(1);
    Digests found;
    for (int i = 0; i < 100'000; ++i) found.add(tokenizer.encode(generate_text(random)));
    std::vector<TokenId> known;
    for (TokenId id = 0; id < static_cast<TokenId>(tokenizer.vocab_size()); ++id)
        if (tokenizer.contains(id)) known.push_back(id);
    for (int i = 0; i < 20'000; ++i) {
        std::vector<TokenId> chosen(static_cast<std::size_t>(random.below(20)));
        for (TokenId& id : chosen) id = known[static_cast<std::size_t>(random.below(known.size()))];
        for (SpecialTokens special : {SpecialTokens::keep, SpecialTokens::skip}) {
            const std::string text = tokenizer.decode(chosen, special);
            found.add(text);
            if (streamed(tokenizer, chosen, special) != text) FAIL(text);
        }
    }
    found.check(expected);
}

void check_passages(const Tokenizer& tokenizer, const std::vector<std::string>& passages, const json& expected) {
    Digests found;
    for (const std::string& passage : passages) {
        const std::vector<TokenId> ids = tokenizer.encode(passage);
        found.add(ids);
        found.add(tokenizer.decode(ids));
    }
    found.check(expected);
}

}  // namespace

TEST_CASE("small tokenizers give the reference's ids and texts", "[tokenizer]") {
    const json expected = read_json(tokenizer_file("expected.json"));
    REQUIRE(expected.at("cases").size() > 400);
    for (const std::string name : {"small", "odd"}) {
        INFO(name);
        const Tokenizer tokenizer = fixture(name);
        for (const json& row : expected.at("cases")) {
            if (row.at("tokenizer") != name) continue;
            const std::string text = row.at("text");
            INFO(text);
            const auto ids = row.at("ids").get<std::vector<TokenId>>();
            CHECK(tokenizer.encode(text) == ids);
            CHECK(tokenizer.decode(ids) == row.at("decoded").get<std::string>());
            CHECK(tokenizer.decode(ids, SpecialTokens::skip) == row.at("plain").get<std::string>());
        }
        check_generated(tokenizer, expected.at("digests").at(name));
    }
}

TEST_CASE("the GPT-NeoX tokenizer gives the reference's ids and texts", "[tokenizer]") {
    const auto file = shared_data("20B_tokenizer.json");
    if (!file) return;
    const Tokenizer tokenizer = read_tokenizer_json(read_json(*file), file->string());
    const json expected = read_json(tokenizer_file("expected.json")).at("digests").at("20B");
    CHECK(tokenizer.vocab_size() == 50277);
    check_generated(tokenizer, expected);
    if (const auto tales = shared_data("fairy-tales.txt"))
        check_passages(tokenizer, {read_all(*tales)}, expected.at("tales"));
    if (const auto lambada = shared_data("lambada_test.jsonl")) {
        std::vector<std::string> passages;
        std::ifstream stream(*lambada);
        for (std::string line; std::getline(stream, line);) passages.push_back(json::parse(line).at("text"));
        CHECK(passages.size() == 5153);
        check_passages(tokenizer, passages, expected.at("lambada"));
    }
}

TEST_CASE("what a tokenizer says of its tokens", "[tokenizer]") {
    const Tokenizer tokenizer = small();
    CHECK(tokenizer.is_special(0));
    CHECK_FALSE(tokenizer.is_special(1));
    CHECK(tokenizer.token_bytes(0) == "<|endoftext|>");
    CHECK(tokenizer.contains(0));
    const auto size = static_cast<TokenId>(tokenizer.vocab_size());
    CHECK(tokenizer.contains(size - 1));
    for (TokenId id : {-1, size, 1 << 30}) {
        CHECK_FALSE(tokenizer.contains(id));
        CHECK_THROWS_AS(tokenizer.token_bytes(id), rwkv::ArgumentError);
        CHECK_THROWS_AS(tokenizer.is_special(id), rwkv::ArgumentError);
        CHECK_THROWS_AS(tokenizer.decode(std::vector{id}), rwkv::ArgumentError);
    }
    const std::vector<TokenId> ids = tokenizer.encode("<|endoftext|>caf\xC3\xA9");
    CHECK(tokenizer.decode(ids) == "<|endoftext|>caf\xC3\xA9");
    CHECK(tokenizer.decode(ids, SpecialTokens::skip) == "caf\xC3\xA9");
    CHECK(tokenizer.decode_bytes(tokenizer.encode("\xC3\xA9")) == "\xC3\xA9");
    CHECK(tokenizer.decode({}).empty());
}

TEST_CASE("text that is not UTF-8 is refused by its byte", "[tokenizer]") {
    const Tokenizer tokenizer = small();
    CHECK_THAT(outcome([&] { return tokenizer.encode("ab\xFFz"); }),
               Catch::Matchers::ContainsSubstring("ArgumentError") && Catch::Matchers::ContainsSubstring("byte 2"));
    CHECK_THROWS_AS(tokenizer.encode("123456789\xE2\x82"), rwkv::ArgumentError);
    CHECK_THROWS_AS(tokenizer.encode("\xED\xA0\x80"), rwkv::ArgumentError);
    CHECK(tokenizer.encode(rwkv::text::lossy_utf8("ab\xFFz")) == tokenizer.encode("ab\xEF\xBF\xBDz"));
}

TEST_CASE("merges may be strings or pairs", "[tokenizer]") {
    json file = read_json(tokenizer_file("small.json"));
    json pairs = json::array(), strings = json::array({"#version: 0.2"});
    for (const json& merge : file["model"]["merges"]) {
        const std::string left = merge.is_array()
                                     ? merge[0].get<std::string>()
                                     : merge.get<std::string>().substr(0, merge.get<std::string>().find(' '));
        const std::string right =
            merge.is_array() ? merge[1].get<std::string>() : merge.get<std::string>().substr(left.size() + 1);
        pairs.push_back({left, right});
        strings.push_back(left + " " + right);
    }
    REQUIRE(pairs.size() > 100);
    const std::vector<TokenId> ids = small().encode("the quick brown fox, in a remote valley");
    for (const json& merges : {pairs, strings}) {
        file["model"]["merges"] = merges;
        CHECK(read_tokenizer_json(file, "f").encode("the quick brown fox, in a remote valley") == ids);
    }
}

TEST_CASE("without a normaliser text stays as it is", "[tokenizer]") {
    json file = read_json(tokenizer_file("small.json"));
    file["normalizer"] = nullptr;
    const Tokenizer tokenizer = read_tokenizer_json(file, "f");
    const std::string text = "cafe\xCC\x81";
    CHECK(tokenizer.decode(tokenizer.encode(text)) == text);
    CHECK(small().decode(small().encode(text)) == "caf\xC3\xA9");
    // The added token is looked for in the form it has in the file.
    CHECK(tokenizer.encode("re\xCC\x81sume\xCC\x81").size() == 1);
    CHECK(tokenizer.encode("r\xC3\xA9sum\xC3\xA9").size() > 1);
    CHECK(small().encode("r\xC3\xA9sum\xC3\xA9").size() == 1);
}

TEST_CASE("a word that is a token is still made by the merges", "[tokenizer]") {
    json file = read_json(tokenizer_file("small.json"));
    json& model = file["model"];
    model["vocab"]["xyz"] = 5'000;
    model["vocab"]["xy"] = 5'001;
    model["vocab"]["yz"] = 5'002;
    model["merges"] = json::array({"y z", "x y", "xy z"});
    file["added_tokens"] = nullptr;
    const Tokenizer tokenizer = read_tokenizer_json(file, "f");
    const TokenId x = model["vocab"]["x"], y = model["vocab"]["y"], xy = model["vocab"]["xy"],
                  yz = model["vocab"]["yz"];
    // Earlier merges leave nothing for the last one to join.
    CHECK(tokenizer.encode("xyz") == std::vector{x, yz});
    CHECK(tokenizer.encode("xyxy") == std::vector{xy, xy});
    CHECK(tokenizer.encode("yyz") == std::vector{y, yz});
}

TEST_CASE("what no text says, a program may: it is refused as well", "[tokenizer]") {
    // Verdicts on files are in test_corpora.cpp.
    const json good = read_json(tokenizer_file("small.json"));
    const auto found = [&](const char* at, const json& value) {
        json file = good;
        file[json::json_pointer(at)] = value;
        return outcome([&] { return read_tokenizer_json(file, "some/file.json"); });
    };
    CHECK(as_expected(found("/model/vocab/a", -1), {"FormatError some/file.json: model.vocab", "found -1"}));
    CHECK(as_expected(found("/model/vocab/a", 1 << 20), {"FormatError", "model.vocab: expected an id from 0 to"}));
    CHECK(as_expected(found("/model/vocab/\xFF", 5'000), {"FormatError", "model.vocab: expected tokens in UTF-8"}));
    CHECK(as_expected(found("/model/merges/0", "a \xFF"), {"FormatError", "model.merges: expected a string"}));
    CHECK(as_expected(found("/added_tokens/1/content", "  \xFF"), {"FormatError", "added_tokens[1].content"}));
}

TEST_CASE("added tokens are numbered and told apart as in the reference", "[tokenizer]") {
    json file = read_json(tokenizer_file("small.json"));
    const auto add = [&file](const char* content, int id, bool normalized, bool special) {
        file["added_tokens"].push_back({{"id", id},
                                        {"content", content},
                                        {"single_word", false},
                                        {"lstrip", false},
                                        {"rstrip", false},
                                        {"normalized", normalized},
                                        {"special", special}});
    };
    const auto found = [&file] { return outcome([&] { return read_tokenizer_json(file, "f"); }); };
    const int next = static_cast<int>(small().vocab_size());
    const std::string parts = "ne\xCC\x81s", composed = "n\xC3\xA9s";

    // Special in the file, but decoded in a form that is no special token's.
    add(parts.c_str(), next, true, true);
    Tokenizer tokenizer = read_tokenizer_json(file, "f");
    CHECK(tokenizer.encode(parts + composed) == std::vector<TokenId>{next, next});
    CHECK_FALSE(tokenizer.is_special(next));
    CHECK(tokenizer.decode(std::vector<TokenId>{next}, SpecialTokens::skip) == "n\xEF\xBF\xBDs");  // byte E9
    // Two that are looked for as the same text cannot be told apart, ...
    add(composed.c_str(), next + 1, true, true);
    CHECK_THAT(found(), Catch::Matchers::ContainsSubstring("every added token once"));
    // ... but each may be found at its own time. Now there is a special token of that form.
    file["added_tokens"].back()["normalized"] = false;
    tokenizer = read_tokenizer_json(file, "f");
    CHECK(tokenizer.encode(parts + composed) == std::vector<TokenId>{next, next + 1});
    CHECK(tokenizer.is_special(next));
    CHECK(tokenizer.decode(std::vector<TokenId>{next, next + 1}, SpecialTokens::skip).empty());

    add("\xCC\x81", next + 1, true, false);
    CHECK_THAT(found(), Catch::Matchers::ContainsSubstring("expected " + std::to_string(next + 2)));
    file["added_tokens"].erase(file["added_tokens"].size() - 1);
    CHECK(found() == "accepted");
    // Tokens of the model do not count on, whatever their ids, and keep these to themselves.
    file["model"]["vocab"]["zq"] = next + 5;
    file["added_tokens"] = json::array();
    const int size = static_cast<int>(file["model"]["vocab"].size());
    add("zq", next + 5, false, false);
    add("qz", size, false, false);
    CHECK(found() == "accepted");
    file["model"]["vocab"].erase("zq");
    file["model"]["vocab"]["zqz"] = size;
    file["added_tokens"].erase(0);
    CHECK_THAT(found(), Catch::Matchers::ContainsSubstring("no other token's"));
}

TEST_CASE("threads share a tokenizer", "[tokenizer]") {
    const Tokenizer tokenizer = small();
    std::vector<std::string> texts;
    std::vector<std::vector<TokenId>> expected;
    SplitMix random(9);
    for (int i = 0; i < 300; ++i) {
        texts.push_back(generate_text(random));
        expected.push_back(tokenizer.encode(texts.back()));
    }
    std::vector<std::vector<std::vector<TokenId>>> found(4);
    in_threads(found.size(), [&](std::size_t i) {
        const Tokenizer copy = tokenizer;
        for (const std::string& text : texts) found[i].push_back(copy.encode(text));
    });
    for (const auto& own : found) CHECK((own == expected));
}
