// Grammars in GBNF, and short walks through what they allow: a mask has the tokens that can be accepted, and no dead
// ends.
#include <algorithm>
#include <cstdint>
#include <string>
#include <vector>

#include <rwkv/constraint.hpp>

#include "../constraint/support.hpp"
#include "fuzz.hpp"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    using namespace rwkv;
    static const Tokenizer tokenizer = test::json_tokenizer();
    static const TokenVocabulary vocabulary(tokenizer);
    const std::string_view text = fuzz::text_of(data, size);
    fuzz::accepts([&] {
        const Constraint constraint = grammar(text);
        Matcher matcher(constraint, vocabulary);
        std::uint32_t random = 1;
        for (std::size_t i = 0; i < size; ++i) random = random * 31 + data[i];
        std::string said;
        const std::uint32_t steps = 1 + random % 4;
        for (std::uint32_t step = 0; step < steps; ++step) {
            std::vector<std::uint64_t> mask(matcher.mask_words());
            matcher.mask(mask);
            const std::vector<TokenId> allowed = test::ids_of(mask);
            fuzz::require(!allowed.empty(), "there are no dead ends");
            fuzz::require((allowed.front() == 0) == matcher.may_end(), "end tokens come where the text may end");
            fuzz::require((allowed.back() != 0) == matcher.may_continue(), "what may continue has tokens");
            // Of the tokens, some, since to try them takes most of the time: above all those of several bytes.
            for (TokenId id = 1; id < static_cast<TokenId>(tokenizer.vocab_size()); ++id) {
                const auto word = static_cast<std::size_t>(id) / 64, bit = static_cast<std::size_t>(id) % 64;
                if ((static_cast<std::uint32_t>(id) * 7 + random) % (id <= 256 ? 32 : 4) != 0) continue;
                Matcher copy = matcher;
                fuzz::require(copy.accept(id) == ((mask[word] >> bit & 1U) != 0), "the mask has what can be accepted");
            }
            if (allowed.back() == 0) break;
            const std::string forced = matcher.forced_bytes(8);
            random = random * 1664525 + 1013904223;
            TokenId token = allowed[(random >> 8U) % allowed.size()];
            if (token == 0) token = allowed.back();
            const std::string_view bytes = tokenizer.token_bytes(token);
            const std::size_t common = std::min(bytes.size(), forced.size());
            fuzz::require(bytes.substr(0, common) == forced.substr(0, common), "no token goes against what is forced");
            fuzz::require(matcher.accept(token), "an allowed token is accepted");
            said += bytes;
        }
        if (random % 4 == 0)
            fuzz::require(constraint.matches(said) == matcher.may_end(), "a text that may end matches");
    });
    return 0;
}
