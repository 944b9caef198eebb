// Any ids, and any bytes in any pieces: what comes piece by piece adds up to what comes at once.
#include <string>
#include <vector>

#include <nlohmann/json.hpp>

#include <rwkv/text/streaming_decoder.hpp>
#include <rwkv/text/tokenizer_json.hpp>
#include <rwkv/text/utf8.hpp>
#include <rwkv/text/world_tokenizer.hpp>

#include "../text/world_bytes.hpp"
#include "fuzz.hpp"

namespace {

using namespace rwkv;

/// Whether it ends before a character that is not complete.
bool is_whole(std::string_view piece) {
    return text::find_invalid_utf8(piece) == piece.npos;
}

void decode(const Tokenizer& tokenizer, const std::vector<TokenId>& ids, SpecialTokens special) {
    StreamingDecoder decoder(tokenizer, special);
    std::string pieces;
    std::vector<TokenId> known;
    for (const TokenId id : ids) {
        const bool taken = fuzz::accepts([&] {
            const std::string_view piece = decoder.push(id);
            fuzz::require(is_whole(piece), "pieces are whole characters");
            pieces += piece;
        });
        fuzz::require(taken == tokenizer.contains(id), "tokens and nothing else");
        if (taken) known.push_back(id);
    }
    pieces += decoder.finish();
    fuzz::require(decoder.finish().empty(), "as new after the end");
    fuzz::require(pieces == tokenizer.decode(known, special), "the pieces add up");
    fuzz::require(fuzz::accepts([&] { return tokenizer.decode(ids, special); }) == (known.size() == ids.size()),
                  "an id of no token is refused");
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    static const Tokenizer small =
        text::read_tokenizer_json(nlohmann::json::parse(fuzz::read_file("text/tokenizers/odd.json")), "odd.json");
    static const Tokenizer world = text::read_world_vocabulary(
        test::world_bytes() + "257 '\\u3042' 3\n258 b'\\x81\\x82' 2\n259 b'\\xf0\\x9f\\x91' 3\n", "world");
    if (size == 0) return 0;
    const std::string_view bytes = fuzz::text_of(data, size).substr(1);

    // For one, ids of 16 bits, of which few are of no token; for World, bytes as they are.
    const SpecialTokens special = data[0] % 2 == 0 ? SpecialTokens::keep : SpecialTokens::skip;
    std::vector<TokenId> wide, narrow;
    for (std::size_t i = 0; i + 1 < bytes.size(); i += 2)
        wide.push_back((data[1 + i] | data[2 + i] << 8) % (static_cast<TokenId>(small.vocab_size()) + 4) - 2);
    for (std::size_t i = 0; i < bytes.size(); ++i) narrow.push_back(data[1 + i] + (data[i] == 0xF0 ? 4 : 1));
    decode(small, wide, special);
    decode(world, narrow, special);

    // Cut at places the first byte chooses.
    text::Utf8Stream stream;
    std::string text;
    std::uint32_t random = data[0];
    for (std::string_view rest = bytes; !rest.empty();) {
        random = random * 1664525U + 1013904223U;
        const std::string_view piece = rest.substr(0, random >> 29U);
        const std::size_t before = text.size();
        stream.push(piece, text);
        fuzz::require(is_whole(std::string_view(text).substr(before)), "whole characters");
        rest.remove_prefix(piece.size());
    }
    stream.finish(text);
    fuzz::require(text == text::lossy_utf8(bytes), "the same however it is cut");
    return 0;
}
