#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <rwkv/core/tensor.hpp>
#include <rwkv/text/byte_trie.hpp>
#include <rwkv/text/token_table.hpp>
#include <rwkv/text/tokenizer.hpp>
#include <rwkv/version.hpp>

namespace rwkv::inline RWKV_ABI::text {

/// The encoder of the RWKV World models: the longest token at each place, over any bytes. It neither normalizes text
/// nor finds special tokens in it. To be used through rwkv::Tokenizer.
///
/// Thread safety: immutable, so any number of threads may use it.
class WorldTokenizer {
  public:
    /// `tokens` has all single bytes.
    WorldTokenizer(TokenTable tokens, ByteTrie trie) : tokens_(std::move(tokens)), trie_(std::move(trie)) {}

    /// Appends the ids of the text, which may be any bytes.
    void encode(std::string_view text, std::vector<TokenId>& out) const {
        for (std::size_t at = 0; at < text.size();) {
            const ByteTrie::Match match = trie_.longest(text, at);
            out.push_back(match.id);
            at += match.length;
        }
    }

    /// What each id stands for; id 0, the end of the text, is special and stands for no bytes.
    const TokenTable& tokens() const noexcept { return tokens_; }

  private:
    TokenTable tokens_;
    ByteTrie trie_;
};

namespace world_detail {

/// The bytes of a Python string or bytes literal as the vocabulary writes them: '…', "…", b'…' or b"…", with
/// the escapes \n \t \r \\ \' \" \xNN, and in strings \uNNNN. Nothing where it is
/// anything else; nothing is ever evaluated.
[[nodiscard]] std::optional<std::string> parse_literal(std::string_view literal);

/// A whole number in decimal, without sign or leading zeros.
[[nodiscard]] std::optional<std::uint32_t> parse_number(std::string_view text);

/// Throws ModelError where a single byte has no token.
void require_every_byte(const ByteTrie& trie, const std::string& where);

}  // namespace world_detail

/// The tokenizer of a World vocabulary file (rwkv_vocab_v20230424.txt), given its text: lines `id literal length`, ids
/// from 1 on, every byte string once, every single byte among them. `where` names the file in messages. Throws
/// FormatError, naming the line, and ModelError where a single byte has no token.
[[nodiscard]] Tokenizer read_world_vocabulary(std::string_view file, const std::string& where);

}  // namespace rwkv::inline RWKV_ABI::text

#ifndef RWKV_COMPILED
#include <rwkv/text/world_tokenizer.inl>
#endif
