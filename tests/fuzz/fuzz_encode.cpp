// Any text through small tokenizers of each kind: ids of tokens, and the text again.
#include <algorithm>
#include <array>
#include <functional>
#include <string>
#include <utility>
#include <vector>

#include <nlohmann/json.hpp>

#include <rwkv/text/nfc.hpp>
#include <rwkv/text/tokenizer_json.hpp>
#include <rwkv/text/world_tokenizer.hpp>

#include "../text/world_bytes.hpp"
#include "fuzz.hpp"

namespace {

using namespace rwkv;

Tokenizer read(const std::string& name) {
    return text::read_tokenizer_json(nlohmann::json::parse(fuzz::read_file(name)), name);
}

struct Tokenizers {
    Tokenizer bytes = read("fixtures/text/tokenizer.json");  // no merges, no NFC, no added tokens
    Tokenizer small = read("text/tokenizers/small.json");
    Tokenizer odd = read("text/tokenizers/odd.json");
    Tokenizer world =
        text::read_world_vocabulary(test::world_bytes() +
                                        "257 'ab' 2\n258 'abcd' 4\n259 '  ' 2\n260 '\\u3042' 3\n261 b'\\x81\\x82' 2\n"
                                        "262 'bcdef' 5\n263 ' the' 4\n264 b'\\xff\\xff\\xff\\xff' 4\n",
                                    "world");
};

std::string joined(const Tokenizer& tokenizer, const std::vector<TokenId>& ids) {
    std::string bytes;
    for (const TokenId id : ids) {
        fuzz::require(tokenizer.contains(id), "ids of tokens");
        bytes += tokenizer.token_bytes(id);
    }
    fuzz::require(tokenizer.decode_bytes(ids) == bytes, "decoding joins");
    return bytes;
}

/// World's rule, word for word: at each place the longest token.
std::vector<TokenId> longest_tokens(const Tokenizer& world, std::string_view text) {
    static const auto longest_first = [&] {
        std::vector<std::pair<std::string, TokenId>> tokens;
        for (TokenId id = 257; id < static_cast<TokenId>(world.vocab_size()); ++id)
            tokens.emplace_back(world.token_bytes(id), id);
        std::ranges::sort(tokens, std::greater(), [](const auto& token) { return token.first.size(); });
        return tokens;
    }();
    std::vector<TokenId> ids;
    while (!text.empty()) {
        const auto token =
            std::ranges::find_if(longest_first, [&](const auto& t) { return text.starts_with(t.first); });
        const bool byte = token == longest_first.end();
        ids.push_back(byte ? 1 + static_cast<unsigned char>(text.front()) : token->second);
        text.remove_prefix(byte ? 1 : token->first.size());
    }
    return ids;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    static const Tokenizers with;
    const std::string_view text = fuzz::text_of(data, size);

    const std::vector<TokenId> ids = with.world.encode(text);
    fuzz::require(joined(with.world, ids) == text, "World gives any bytes back");
    fuzz::require(ids == longest_tokens(with.world, text), "World takes the longest");

    // One of them, since refusals are slow.
    const bool valid = text::find_invalid_utf8(text) == text.npos;
    const Tokenizer& strict = *std::array{&with.bytes, &with.small, &with.odd}[size % 3];
    fuzz::require(fuzz::accepts([&] { return strict.encode(text); }) == valid, "valid UTF-8 and nothing else");
    const std::string mended = text::lossy_utf8(text);
    fuzz::require(!valid || mended == text, "nothing to mend");
    fuzz::require(joined(with.bytes, with.bytes.encode(mended)) == mended, "without NFC, text comes back");
    joined(with.odd, with.odd.encode(mended));
    const auto normal = text::nfc(mended);
    fuzz::require(!normal || !text::nfc(*normal), "NFC once is enough");
    // A piece between added tokens is normalised by itself; and résumé, an added one, comes back as bytes E9.
    const std::string small = joined(with.small, with.small.encode(mended));
    if (!normal && mended.find("\xC3\xA9") == mended.npos) fuzz::require(small == mended, "NFC text comes back");
    return 0;
}
