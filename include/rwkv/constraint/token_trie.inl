#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <string_view>
#include <utility>
#include <vector>

#include <rwkv/constraint/token_trie.hpp>
#include <rwkv/core/error.hpp>
#include <rwkv/core/inline.hpp>
#include <rwkv/core/message.hpp>
#include <rwkv/text/utf8.hpp>

namespace rwkv::inline RWKV_ABI::constraint {

/// Of tokens in order of their bytes.
inline FlatTrie make_flat_trie(const Tokenizer& tokenizer, std::vector<TokenId> ids) {
    FlatTrie trie;
    std::vector<std::uint32_t> path{0};  // the nodes that are open
    trie.nodes.push_back({0, 0, 0, 0});
    std::string_view previous;
    const auto close_to = [&](std::size_t depth) {
        for (; path.size() > depth + 1; path.pop_back())
            trie.nodes[path.back()].skip = static_cast<std::uint32_t>(trie.nodes.size());
    };
    for (std::size_t i = 0; i < ids.size(); ++i) {
        const std::string_view bytes = tokenizer.token_bytes(ids[i]);
        std::size_t common = 0;
        while (common < (std::min)(bytes.size(), previous.size()) && bytes[common] == previous[common]) ++common;
        close_to(common);
        for (std::size_t k = common; k < bytes.size(); ++k) {
            path.push_back(static_cast<std::uint32_t>(trie.nodes.size()));
            trie.nodes.push_back({0, static_cast<std::uint32_t>(i), static_cast<std::uint16_t>(k + 1),
                                  static_cast<std::uint8_t>(bytes[k])});
        }
        trie.max_depth = (std::max)(trie.max_depth, bytes.size());
        previous = bytes;
    }
    close_to(0);
    trie.nodes[0].skip = static_cast<std::uint32_t>(trie.nodes.size());
    trie.nodes.push_back({trie.nodes[0].skip + 1, static_cast<std::uint32_t>(ids.size()), 0, 0});
    trie.ids = std::move(ids);
    return trie;
}

/// The number of characters where all are of the class, else 0.
inline std::uint32_t run_length(std::string_view bytes, RunClass characters) noexcept {
    std::uint32_t count = 0;
    for (std::size_t at = 0; at < bytes.size(); ++count) {
        const text::Utf8Step step = text::decode_utf8(bytes, at);
        const char32_t c = step.code_point;
        if (step.status != text::Utf8Status::complete) return 0;
        const bool word = (c >= '0' && c <= '9') || (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || c == '_';
        if (characters == RunClass::word ? !word : c < 0x20 || c == '"' || c == '\\' || c == 0x7F) return 0;
        at += step.length;
    }
    return count;
}

RWKV_INLINE TokenTrie::TokenTrie(Tokenizer tokenizer, std::vector<TokenId> end_tokens)
    : tokenizer_(std::move(tokenizer)), end_tokens_(std::move(end_tokens)) {
    std::size_t size = tokenizer_.vocab_size();
    for (const TokenId token : end_tokens_) {
        if (token < 0 || token >= TokenId{1} << 24)
            core::fail<ArgumentError>("TokenVocabulary", {"end token"}, {"0 to 16777215"}, {token});
        size = (std::max)(size, static_cast<std::size_t>(token) + 1);
    }
    words_ = (size + 63) / 64;
    std::vector<TokenId> ids;
    for (TokenId id = 0; id < static_cast<TokenId>(tokenizer_.vocab_size()); ++id)
        if (is_text(id)) ids.push_back(id);
    if (ids.empty()) core::fail<ArgumentError>("TokenVocabulary", {"tokenizer"}, {"tokens"}, {"none"});
    std::sort(ids.begin(), ids.end(), [this](TokenId a, TokenId b) {
        const std::string_view left = tokenizer_.token_bytes(a), right = tokenizer_.token_bytes(b);
        return left != right ? left < right : a < b;
    });
    for (const RunClass characters : {RunClass::text, RunClass::word}) {
        std::vector<std::uint32_t> lengths(ids.size());
        std::uint32_t longest = 0;
        for (std::size_t i = 0; i < ids.size(); ++i) {
            lengths[i] = run_length(tokenizer_.token_bytes(ids[i]), characters);
            longest = (std::max)(longest, lengths[i]);
        }
        for (const std::uint32_t limit : {longest, 24U, 12U, 6U}) {
            if (limit > longest || (limit == 6 && characters == RunClass::word)) continue;
            if (limit == longest && !slices_.empty() && slices_.back().characters == characters) continue;
            Slice slice{characters, limit, std::vector<std::uint64_t>(words_, 0), {}};
            std::vector<TokenId> others;
            for (std::size_t i = 0; i < ids.size(); ++i) {
                const auto id = static_cast<std::size_t>(ids[i]);
                if (lengths[i] >= 1 && lengths[i] <= limit)
                    slice.mask[id / 64] |= std::uint64_t{1} << id % 64;
                else
                    others.push_back(ids[i]);
            }
            if (limit == 0 || others.size() == ids.size()) continue;
            slice.others = make_flat_trie(tokenizer_, std::move(others));
            slices_.push_back(std::move(slice));
        }
    }
    std::vector<TokenId> long_tokens = ids;
    for (short_length_ = 8; long_tokens.size() * 100 > ids.size() && short_length_ < 24; ++short_length_)
        long_tokens.erase(
            std::remove_if(long_tokens.begin(), long_tokens.end(),
                           [this](TokenId id) { return tokenizer_.token_bytes(id).size() <= short_length_ + 1; }),
            long_tokens.end());
    long_tokens_ = make_flat_trie(tokenizer_, std::move(long_tokens));
    all_ = make_flat_trie(tokenizer_, std::move(ids));
}

RWKV_INLINE bool TokenTrie::is_text(TokenId token) const noexcept {
    // Longer tokens than any tokenizer has would not fit a node.
    return tokenizer_.contains(token) && !tokenizer_.is_special(token) && !is_end(token) &&
           !tokenizer_.token_bytes(token).empty() && tokenizer_.token_bytes(token).size() < 65536;
}

RWKV_INLINE bool TokenTrie::is_end(TokenId token) const noexcept {
    return std::find(end_tokens_.begin(), end_tokens_.end(), token) != end_tokens_.end();
}

}  // namespace rwkv::inline RWKV_ABI::constraint
