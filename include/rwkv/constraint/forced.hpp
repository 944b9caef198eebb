#pragma once

#include <algorithm>
#include <cstddef>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include <rwkv/constraint/token_trie.hpp>
#include <rwkv/text/gpt2_pattern.hpp>
#include <rwkv/text/utf8.hpp>
#include <rwkv/version.hpp>

namespace rwkv::inline RWKV_ABI::constraint {

/// Whether a token begins with all of the text and is longer.
inline bool begins_token(const FlatTrie& trie, std::string_view text) noexcept {
    std::uint32_t node = 0;
    for (const char c : text) {
        std::uint32_t child = node + 1;
        while (child < trie.nodes[node].skip && trie.nodes[child].byte != static_cast<std::uint8_t>(c))
            child = trie.nodes[child].skip;
        if (child >= trie.nodes[node].skip) return false;
        node = child;
    }
    return trie.has_children(node);
}

/// Bytes that must come next as tokens, as the tokenizer itself cuts them after the last two tokens of `before`. The
/// tokens at the end that what follows may change are left out: those of the last word (a byte-level BPE merges within
/// words), and those that may become longer (World takes the longest).
inline std::vector<TokenId> cut_forced(const TokenTrie& trie, std::span<const TokenId> before,
                                       std::string_view forced) {
    const Tokenizer& tokenizer = trie.tokenizer();
    std::size_t look_back = 0;
    while (look_back < 2 && look_back < before.size() && trie.is_text(before[before.size() - 1 - look_back]))
        ++look_back;
    before = before.last(look_back);
    std::string text = tokenizer.decode_bytes(before);
    const std::size_t begin = text.size();
    text.append(forced);
    // Characters that are not complete, at the end, must wait. Such bytes elsewhere have no tokens of the tokenizer's.
    if (const std::size_t at = text::find_invalid_utf8(text); at != text.npos) text.resize(at);
    if (text.size() <= begin) return {};
    const std::vector<TokenId> ids = tokenizer.encode(text);
    if (ids.size() < look_back || !std::equal(before.begin(), before.end(), ids.begin())) return {};

    std::size_t last_word = 0;
    for (std::size_t at = 0, previous = 0; at < text.size();) {
        // An apostrophe and the letters after it may become one word.
        last_word = at - previous == 1 && text[previous] == '\'' ? previous : at;
        previous = at;
        at = text::end_of_word(text, at);
    }
    std::vector<TokenId> result;
    std::size_t at = 0;
    for (std::size_t i = 0; i < ids.size(); ++i) {
        if (!trie.is_text(ids[i])) break;
        const std::string_view bytes = tokenizer.token_bytes(ids[i]);
        if (text.compare(at, bytes.size(), bytes) != 0) break;  // the tokenizer has changed the text
        if (at + bytes.size() > last_word || begins_token(trie.all(), std::string_view(text).substr(at))) break;
        at += bytes.size();
        if (i >= look_back) result.push_back(ids[i]);
    }
    return result;
}

}  // namespace rwkv::inline RWKV_ABI::constraint
