#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <rwkv/core/error.hpp>
#include <rwkv/core/message.hpp>
#include <rwkv/core/tensor.hpp>
#include <rwkv/text/byte_trie.hpp>
#include <rwkv/text/gpt2_pattern.hpp>
#include <rwkv/text/merges.hpp>
#include <rwkv/text/nfc.hpp>
#include <rwkv/text/token_table.hpp>
#include <rwkv/text/utf8.hpp>
#include <rwkv/text/word_table.hpp>
#include <rwkv/version.hpp>

namespace rwkv::inline RWKV_ABI::text {

/// A token that is searched for in the text before it is split into words.
struct AddedToken {
    std::string text;         ///< valid UTF-8, not empty
    TokenId id = 0;           ///< in the table of tokens
    bool normalized = false;  ///< searched for after normalization, not before
    bool is_split = false;    ///< split like any text, where it is found
};

/// The parts of a byte-level BPE tokenizer.
struct BpeParts {
    bool nfc = false;                  ///< text is normalized to NFC first
    TokenTable tokens;                 ///< all tokens, including the added ones
    std::array<TokenId, 256> bytes{};  ///< the token of each byte; −1 only for bytes that never occur in UTF-8
    Merges merges;                     ///< between tokens of the table
    std::vector<AddedToken> added;     ///< with different texts
    std::vector<TokenId> words;        ///< tokens that merges may result in
};

/// Byte-level BPE as GPT-2, GPT-NeoX and the RWKV Pile models use it, with the same ids as the Hugging Face
/// `tokenizers` package. To be used through rwkv::Tokenizer.
///
/// Thread safety: immutable, so any number of threads may use it.
class ByteLevelBpe {
  public:
    explicit ByteLevelBpe(BpeParts parts)
        : nfc_(parts.nfc), tokens_(std::move(parts.tokens)), bytes_(parts.bytes), merges_(std::move(parts.merges)) {
        for (const AddedToken& token : parts.added) {
            const TokenId id = token.is_split ? split_text : token.id;
            if (!token.normalized)
                before_.insert(token.text, id);
            else
                after_.insert((nfc_ ? nfc(token.text) : std::nullopt).value_or(token.text), id);
        }
        // A word that is a token is nearly always, but not certainly, encoded as that token: tried here, once.
        std::vector<TokenId> encoded, single;
        words_.reserve(parts.words.size());
        for (TokenId id : parts.words) {
            encoded.clear();
            if (!encode_bytes(tokens_.bytes(id), single, encoded)) continue;
            if (encoded.size() == 1 && encoded[0] == id) words_.insert(tokens_, id);
        }
    }

    /// Appends the ids of the text. Throws ArgumentError where it is not UTF-8.
    void encode(std::string_view text, std::vector<TokenId>& out) const {
        if (const std::size_t at = find_invalid_utf8(text); at != std::string_view::npos)
            core::fail<ArgumentError>("encode", {"text"}, {"valid UTF-8"}, {"something else at byte ", at});
        std::vector<TokenId> scratch;
        split(before_, text, out, [&](std::string_view piece) {
            const std::optional<std::string> normal = nfc_ ? nfc(piece) : std::nullopt;
            split(after_, normal ? *normal : piece, out,
                  [&](std::string_view words) { encode_words(words, scratch, out); });
        });
    }

    /// What each id stands for.
    const TokenTable& tokens() const noexcept { return tokens_; }

  private:
    /// Stands for the id of an added token that is split. (It is searched for all the same, as in the reference, so
    /// that no other token is found in its place.)
    static constexpr TokenId split_text = -1;

    /// Splits the text at added tokens, and calls `rest` with what lies between them.
    template <class Rest>
    static void split(const ByteTrie& added, std::string_view text, std::vector<TokenId>& out, const Rest& rest) {
        std::size_t begin = 0;
        if (!added.empty()) {
            for (std::size_t at = 0;;) {
                const ByteTrie::Match match = added.search(text, at);
                if (match.length == 0) break;
                const std::size_t found = std::exchange(at, at + match.length);
                if (match.id == split_text) continue;
                if (found > begin) rest(text.substr(begin, found - begin));
                out.push_back(match.id);
                begin = at;
            }
        }
        if (begin < text.size()) rest(text.substr(begin));
    }

    void encode_words(std::string_view text, std::vector<TokenId>& scratch, std::vector<TokenId>& out) const {
        for (std::size_t at = 0; at < text.size();) {
            const std::size_t end = end_of_word(text, at);
            const std::string_view word = text.substr(at, end - at);
            at = end;
            if (const TokenId id = words_.find(tokens_, word); id != WordTable::no_token)
                out.push_back(id);
            else
                encode_bytes(word, scratch, out);
        }
    }

    /// Splits a word into bytes and merges them. False where a byte has no token, which never occurs in UTF-8.
    bool encode_bytes(std::string_view word, std::vector<TokenId>& single, std::vector<TokenId>& out) const {
        if (word.size() >= (std::numeric_limits<std::uint32_t>::max)())
            core::fail<ArgumentError>("encode", {"text"}, {"words shorter than 4 GiB"}, {word.size(), " bytes"});
        single.clear();
        for (char c : word) {
            const TokenId id = bytes_[static_cast<std::uint8_t>(c)];
            if (id < 0) return false;
            single.push_back(id);
        }
        merges_.apply(single, out);
        return true;
    }

    bool nfc_;
    TokenTable tokens_;
    std::array<TokenId, 256> bytes_;
    Merges merges_;
    ByteTrie before_, after_;  ///< added tokens, searched for before and after normalization
    WordTable words_;          ///< words that are encoded as one token
};

}  // namespace rwkv::inline RWKV_ABI::text
