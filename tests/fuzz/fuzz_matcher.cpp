// Walks through constraints of many kinds, by tokens and bytes that the input chooses, and back again: a mask has the
// tokens that can be accepted, what is refused changes nothing, and how a text was cut makes no difference. The input's
// first byte chooses the constraint.
#include <algorithm>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include <rwkv/constraint.hpp>

#include "../constraint/support.hpp"
#include "fuzz.hpp"

namespace {

using namespace rwkv;

std::vector<Constraint> constraints() {
    std::vector<Constraint> result;
    for (const char* text : {
             "root ::= .{0,9} \"\\\"\"",
             "root ::= \"\\\"\" [^\"\\\\\\x7F\\x00-\\x1F]{3,12} \"\\\"\" (\",\" root)?",
             "root ::= root [-+*/] root | [0-9]+ | \"(\" root \")\"",
             "root ::= ([a-z] | \"ab\" | \"abc\" [0-9]?)* \".\"",
             "root ::= (\"tr\" \"ue\" | \"true\" | \"the \" root){1,4}",
             "root ::= [\\u00e0-\\u20ac]+ | \"\\U0001F600\"+",
             "root ::= x y\nx ::= | \"a\" x \"b\"\ny ::= | \"b\" y \"a\"",
             "root ::= s\ns ::= s s | [ab] | \"aba\"",
         })
        result.push_back(grammar(text));
    result.push_back(grammar(test::json_grammar));
    for (
        const char* text : {
            R"({"type":"object","properties":{"name":{"type":"string","maxLength":5},"age":{"type":"integer","minimum":3,
                 "maximum":120},"list":{"type":"array","items":{"type":"boolean"},"maxItems":3}},"required":["age"]})",
            R"({"$ref":"#/$defs/n","$defs":{"n":{"type":"object","properties":{"v":{"type":"number","multipleOf":0.25},
                 "next":{"$ref":"#/$defs/n"}},"required":["v"],"additionalProperties":false}}})",
            R"({"type":"string","pattern":"^(\\w+ ?){1,9}$","maxLength":30})",
            R"({"type":"object","patternProperties":{"^a":{"type":"null"}},"additionalProperties":{"enum":[1,12,123,"a"]},
                 "maxProperties":3})",
            R"({"anyOf":[{"format":"date"},{"format":"ipv6"},{"type":"string","pattern":"[ab]{2,5}.{0,9}$"}]})",
        })
        result.push_back(json_schema(text));
    result.push_back(json_schema("true", {.white_space = true}));
    result.push_back(regex("(a|ab|aba){2,40}[^a]?"));
    result.push_back(choice({"name", "na", " name", "true", ""}));
    return result;
}

/// What a constraint is followed with; a new matcher now and then, so that its memory does not grow on.
struct Walker {
    explicit Walker(Constraint compiled) : constraint(std::move(compiled)) {}

    Constraint constraint;
    std::optional<Matcher> begin;
    int uses = 0;
};

/// The input, byte by byte; zeros after its end.
struct Choices {
    std::string_view bytes;
    std::size_t at = 0;

    unsigned next() { return at < bytes.size() ? static_cast<unsigned char>(bytes[at++]) : 0; }
    bool more() const { return at < bytes.size(); }
};

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    using namespace rwkv;
    static const Tokenizer tokenizer = test::json_tokenizer();
    static const TokenVocabulary vocabulary(tokenizer);
    static std::vector<Walker> walkers = [] {
        std::vector<Walker> all;
        for (Constraint& constraint : constraints()) all.emplace_back(std::move(constraint));
        return all;
    }();
    Choices choices{fuzz::text_of(data, size)};
    Walker& walker = walkers[choices.next() % walkers.size()];
    if (walker.uses++ % 1000 == 0) walker.begin.emplace(walker.constraint, vocabulary);

    Matcher matcher = *walker.begin, kept = matcher;
    std::string said, kept_said;
    std::vector<std::uint64_t> mask(matcher.mask_words());
    for (int step = 0; step < 16 && choices.more(); ++step) {
        const unsigned choice = choices.next();
        const unsigned argument = choice >> 3U;
        switch (choice & 7U) {
            case 0:
            case 1:
            case 2: {  // a token that is allowed
                matcher.mask(mask);
                const std::vector<TokenId> allowed = test::ids_of(mask);
                fuzz::require(!allowed.empty(), "there are no dead ends");
                fuzz::require((allowed.front() == 0) == matcher.may_end(), "end tokens come where the text may end");
                fuzz::require((allowed.back() != 0) == matcher.may_continue(), "what may continue has tokens");
                const TokenId token = allowed[choices.next() % allowed.size()];
                fuzz::require(matcher.accept(token), "an allowed token is accepted");
                if (token != 0) said += tokenizer.token_bytes(token);
                break;
            }
            case 3: {  // any tokens
                matcher.mask(mask);
                for (unsigned i = 0; i < 4; ++i) {
                    const auto token =
                        static_cast<TokenId>((choices.next() + 256 * (argument & 1U)) % tokenizer.vocab_size());
                    const auto id = static_cast<std::size_t>(token);
                    Matcher copy = matcher;
                    const bool accepted = copy.accept(token);
                    fuzz::require(accepted == ((mask[id / 64] >> id % 64 & 1U) != 0), "the mask has what is accepted");
                    fuzz::require(accepted || copy == matcher, "what is refused changes nothing");
                }
                break;
            }
            case 4:
            case 5: {  // bytes, at once and one by one
                std::string bytes;
                for (unsigned i = 0; i < 1 + argument % 8; ++i) bytes += static_cast<char>(choices.next());
                Matcher slow = matcher;
                bool possible = true;
                for (std::size_t i = 0; i < bytes.size() && possible; ++i)
                    possible = slow.accept(std::string_view(bytes).substr(i, 1));
                fuzz::require(matcher.accept(bytes) == possible, "bytes are accepted as each of them is");
                if (possible) {
                    fuzz::require(slow == matcher, "how a text was cut makes no difference");
                    said += bytes;
                }
                break;
            }
            case 6:  // back, or a place to come back to
                if (argument % 2 == 0) {
                    kept = matcher;
                    kept_said = said;
                } else {
                    matcher = kept;
                    said = kept_said;
                }
                break;
            default: {  // what must follow
                const std::string forced = matcher.forced_bytes(1 + argument);
                Matcher copy = matcher;
                for (std::size_t i = 0; i < forced.size(); ++i) {
                    fuzz::require(!copy.may_end(), "nothing is forced where the text may end");
                    std::string other(1, static_cast<char>(static_cast<unsigned char>(forced[i]) ^ (1 + argument)));
                    fuzz::require(!copy.accept(other), "no other byte may come than what is forced");
                    fuzz::require(copy.accept(std::string_view(forced).substr(i, 1)), "what is forced is accepted");
                }
                std::string cut;
                for (const TokenId token : matcher.forced_tokens({})) cut += tokenizer.token_bytes(token);
                fuzz::require(matcher.forced_bytes().substr(0, cut.size()) == cut, "forced tokens are forced bytes");
            }
        }
    }
    if (walker.uses % 16 == 0)  // it takes more time than all else
        fuzz::require(walker.constraint.matches(said) == matcher.may_end(), "a text that may end matches");
    return 0;
}
