// A World vocabulary, by itself and after a sound beginning. One that is taken works.
#include <string>
#include <vector>

#include <rwkv/text/world_tokenizer.hpp>

#include "../text/world_bytes.hpp"
#include "fuzz.hpp"

namespace {

using namespace rwkv;

void read(std::string_view file) {
    fuzz::accepts([&] {
        const Tokenizer tokenizer = text::read_world_vocabulary(file, "file");
        for (TokenId id = 257; id < static_cast<TokenId>(tokenizer.vocab_size()); ++id)
            fuzz::require(tokenizer.encode(tokenizer.token_bytes(id)) == std::vector{id}, "a token is its own longest");
        const std::string_view text = file.substr(file.size() - std::min<std::size_t>(file.size(), 100));
        fuzz::require(tokenizer.decode_bytes(tokenizer.encode(text)) == text, "bytes come back");
    });
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    static const std::string sound = test::world_bytes();
    const std::string_view text = fuzz::text_of(data, size);
    static_cast<void>(text::world_detail::parse_literal(text));
    read(text);
    if (text.starts_with("257 ")) read(sound + std::string(text));
    return 0;
}
