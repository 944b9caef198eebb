#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <rwkv/constraint.hpp>
#include <rwkv/text/byte_trie.hpp>
#include <rwkv/text/token_table.hpp>
#include <rwkv/text/tokenizer.hpp>

namespace rwkv::test {

/// Takes the longest token everywhere, as World does.
class GreedyEncoder {
  public:
    /// Id 0 ends a text, the next 256 are the bytes, then come these.
    explicit GreedyEncoder(const std::vector<std::string>& more) {
        table_.set(0, "<end>", true);
        for (int byte = 0; byte < 256; ++byte) add(std::string(1, static_cast<char>(byte)));
        for (const std::string& token : more) add(token);
    }
    void encode(std::string_view text, std::vector<TokenId>& out) const {
        for (std::size_t at = 0; at < text.size();) {
            const text::ByteTrie::Match match = trie_.longest(text, at);
            out.push_back(match.id);
            at += match.length;
        }
    }
    const text::TokenTable& tokens() const { return table_; }

  private:
    void add(const std::string& token) {
        const auto id = static_cast<TokenId>(table_.size());
        table_.set(id, token);
        trie_.insert(token, id);
    }

    text::TokenTable table_;
    text::ByteTrie trie_;
};

inline Tokenizer greedy_tokenizer(const std::vector<std::string>& more) {
    return Tokenizer(GreedyEncoder(more));
}

/// Of some pieces of JSON and text, among them parts of characters.
inline Tokenizer json_tokenizer() {
    return greedy_tokenizer({"{\"",          "\":",      "\":\"", "\",\"",       "\"}",      "},{",      "]}",
                             "[[",           "true",     "false", "null",        "tr",       "ue",       "name",
                             " name",        "na",       "me",    "age",         "list",     "12",       "123",
                             "1.5",          "-1",       "e+",    "  ",          "\n  ",     "ab",       "abc",
                             "aba",          "ba",       "aab",   "caf\xC3\xA9", "\xC3\xA9", "\xE2\x82", "\x82\xAC",
                             "\xF0\x9F\x98", "\x98\x80", "\\u",   "\\n",         "\\\"",     "00",       "dead",
                             "hello world",  " the",     "the",   "\"",          "a\"",      "x\":1"});
}

/// Objects of JSON.
inline const std::string json_grammar = R"(
root   ::= object
object ::= "{" gap (member ("," gap member)*)? "}" gap
member ::= string ":" gap value
array  ::= "[" gap (value ("," gap value)*)? "]" gap
value  ::= object | array | string | number | word gap
word   ::= "null" | "true" | "false"

string    ::= "\"" character* "\"" gap
character ::= [^"\\\x00-\x1F\x7F] | "\\" ([bfnrt"\\] | "u" hex{4})  # escapes
hex       ::= [0-9A-Fa-f]

number ::= "-"? ("0" | [1-9] [0-9]{0,15}) ("." [0-9]{1,15})? ([Ee] [+-]? [0-9]{1,3})? gap
gap    ::= (" " | "\n" [ \t]{0,20})?
)";

/// The mask of a matcher, and the same by trying every token.
inline std::pair<std::vector<std::uint64_t>, std::vector<std::uint64_t>> masks(Matcher& matcher,
                                                                               const Tokenizer& tokenizer) {
    std::pair<std::vector<std::uint64_t>, std::vector<std::uint64_t>> result;
    result.first.resize(matcher.mask_words());
    result.second.resize(matcher.mask_words(), 0);
    matcher.mask(result.first);
    for (TokenId id = 0; id < static_cast<TokenId>(tokenizer.vocab_size()); ++id)
        if (Matcher copy = matcher; copy.accept(id))
            result.second[static_cast<std::size_t>(id) / 64] |= std::uint64_t{1} << static_cast<std::size_t>(id) % 64;
    return result;
}

/// The ids of the bits that are set.
inline std::vector<TokenId> ids_of(const std::vector<std::uint64_t>& mask) {
    std::vector<TokenId> ids;
    for (std::size_t i = 0; i < mask.size() * 64; ++i)
        if ((mask[i / 64] >> i % 64 & 1U) != 0) ids.push_back(static_cast<TokenId>(i));
    return ids;
}

}  // namespace rwkv::test
