#include <string>
#include <utility>
#include <vector>

#include "support.hpp"
#include "world_bytes.hpp"

#include <rwkv/text/streaming_decoder.hpp>
#include <rwkv/text/world_tokenizer.hpp>

using namespace rwkv::test;
using rwkv::StreamingDecoder;
using rwkv::TokenId;
using rwkv::Tokenizer;

namespace {

/// A tokenizer whose ids are bytes and one, and 0 is special.
Tokenizer bytes() {
    return rwkv::text::read_world_vocabulary(world_bytes(), "bytes");
}

}  // namespace

TEST_CASE("pieces are whole characters, as early as they are certain", "[streaming]") {
    StreamingDecoder decoder(bytes());
    const auto push = [&](unsigned byte) { return std::string(decoder.push(static_cast<TokenId>(byte + 1))); };
    CHECK(push('a') == "a");
    CHECK(push(0xC3) == "");
    CHECK(push(0xA9) == "\xC3\xA9");
    CHECK(push(0xF0) == "");
    CHECK(push(0x9F) == "");
    CHECK(push(0x91) == "");
    CHECK(push('b') ==
          "\xEF\xBF\xBD"
          "b");
    CHECK(decoder.finish() == "");
    CHECK(push(0xE2) == "");
    CHECK(decoder.finish() == "\xEF\xBF\xBD");
    CHECK(decoder.finish() == "");
    CHECK(push(0x82) == "\xEF\xBF\xBD");
    // A real U+FFFD is not held back.
    CHECK(push(0xEF) == "");
    CHECK(push(0xBF) == "");
    CHECK(push(0xBD) == "\xEF\xBF\xBD");
    CHECK(push('c') == "c");
}

TEST_CASE("special tokens are kept or skipped, and a wrong id changes nothing", "[streaming]") {
    rwkv::text::TokenTable table;
    table.set(0, "<end>", true);
    table.set(1, "\xE2\x82");
    table.set(2, "\xAC!");
    const Tokenizer tokenizer(rwkv::text::WorldTokenizer(std::move(table), {}));
    StreamingDecoder keep(tokenizer), skip(tokenizer, rwkv::SpecialTokens::skip);
    CHECK(keep.push(0) == "<end>");
    CHECK(skip.push(0) == "");
    CHECK(skip.push(1) == "");
    CHECK_THROWS_AS(skip.push(3), rwkv::ArgumentError);
    CHECK(skip.push(0) == "");
    CHECK(skip.push(2) == "\xE2\x82\xAC!");
    CHECK(keep.push(1) == "");
    CHECK(keep.push(0) == "\xEF\xBF\xBD<end>");
    CHECK(tokenizer.decode(std::vector<TokenId>{1, 0, 2}, rwkv::SpecialTokens::skip) == "\xE2\x82\xAC!");
}
