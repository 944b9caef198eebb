// The corpora of tokenizers' files and of texts (make_corpora.py), through what reads them.
#include <stdexcept>
#include <string>

#include "../corpora/check.hpp"
#include "support.hpp"

#include <rwkv/io/json.hpp>
#include <rwkv/text/tokenizer_json.hpp>
#include <rwkv/text/world_tokenizer.hpp>

using namespace rwkv;
using namespace rwkv::test;

namespace {

void check_sound(const Tokenizer& tokenizer) {
    for (const TokenId id : tokenizer.encode("abc  d\xC3\xA9t <s>"))
        if (!tokenizer.contains(id)) throw std::runtime_error("an id of no token");
}

}  // namespace

TEST_CASE("tokenizer.json files that are taken and that are not, or damaged", "[corpora]") {
    const auto parse = [](const std::string& text) {
        check_sound(text::read_tokenizer_json(io::parse_json(text, "file").root, "file"));
    };
    const auto cases = corpus("tokenizer_json", 60);
    check_verdicts(cases, parse);
    check_damage(cases, parse);
}

TEST_CASE("World vocabularies that are taken and that are not, or damaged", "[corpora]") {
    const auto parse = [](const std::string& text) { check_sound(text::read_world_vocabulary(text, "file")); };
    const auto cases = corpus("world", 40);
    check_verdicts(cases, parse);
    check_damage(cases, parse, 1);
}

TEST_CASE("texts that are encoded and bytes that are not", "[corpora]") {
    const Tokenizer tokenizer = text::read_tokenizer_json(read_json(tokenizer_file("small.json")), "small.json");
    for (const CorpusCase& item : corpus("encode", 30)) {
        INFO(item.name);
        const std::string found = outcome([&] { return tokenizer.encode(item.bytes); });
        CHECK(found.starts_with(item.accept ? "accepted" : item.error));
        CHECK(found.find(item.message) != found.npos);
    }
}
