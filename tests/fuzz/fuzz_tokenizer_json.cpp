// A tokenizer.json; or, for an object without a version, what it changes about a sound one (RFC 7386). A tokenizer that
// is taken works.
#include <string>
#include <vector>

#include <nlohmann/json.hpp>

#include <rwkv/io/json.hpp>
#include <rwkv/text/tokenizer_json.hpp>

#include "fuzz.hpp"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    using namespace rwkv;
    static const nlohmann::json sound = nlohmann::json::parse(fuzz::read_file("fixtures/text/tokenizer.json"));
    const std::string_view input = fuzz::text_of(data, size);
    fuzz::accepts([&] {
        const io::JsonDocument document = io::parse_json(input, "file");
        nlohmann::json file = document.root;
        if (file.is_object() && !file.contains("version")) {
            file = sound;
            file.merge_patch(document.root);
        }
        const Tokenizer tokenizer = text::read_tokenizer_json(file, "file");
        const std::string sample = "The cafe\xCC\x81's  3\n\n<sep> " + text::lossy_utf8(input.substr(0, 64));
        std::string decoded;
        for (const TokenId id : tokenizer.encode(sample)) {
            fuzz::require(tokenizer.contains(id), "ids of tokens");
            decoded += tokenizer.token_bytes(id);
        }
        // Added tokens are written out through the alphabet of bytes, so that not all of them come back.
        const auto& added = file.contains("added_tokens") ? file["added_tokens"] : nlohmann::json();
        if (file["normalizer"].is_null() && (added.is_null() || added.empty()))
            fuzz::require(decoded == sample, "text comes back");
    });
    return 0;
}
