#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include <rwkv/core/tensor.hpp>
#include <rwkv/text/tokenizer.hpp>
#include <rwkv/version.hpp>

namespace rwkv::inline RWKV_ABI::constraint {

/// A set of byte strings as one array, each node before its children, with the distance to what comes after them.
struct FlatTrie {
    struct Node {
        std::uint32_t skip;   ///< the node after all that are below this one
        std::uint32_t first;  ///< of `ids`: its tokens, then those of the nodes below, to the first of `nodes[skip]`
        std::uint16_t depth;  ///< the length of the string; 0 for the root, which is node 0
        std::uint8_t byte;    ///< its last byte
    };
    std::vector<Node> nodes;    ///< and one more at the end
    std::vector<TokenId> ids;   ///< in order of their bytes
    std::size_t max_depth = 0;  ///< of the longest string

    /// The tokens of exactly that string.
    std::span<const TokenId> tokens(std::uint32_t node) const noexcept {
        return std::span(ids).subspan(nodes[node].first, nodes[node + 1].first - nodes[node].first);
    }
    /// The tokens that begin with it and are longer.
    std::span<const TokenId> longer_tokens(std::uint32_t node) const noexcept {
        return std::span(ids).subspan(nodes[node + 1].first, nodes[nodes[node].skip].first - nodes[node + 1].first);
    }
    /// Whether there are nodes below.
    bool has_children(std::uint32_t node) const noexcept { return nodes[node].skip > node + 1; }
};

/// Classes of characters whose tokens can be taken all at once, where a text may go on with any of them.
enum class RunClass : std::uint8_t {
    text,  ///< all but control characters, quotation mark and backslash
    word,  ///< ASCII letters, digits and the underscore
};
/// The number of classes.
inline constexpr std::size_t run_class_count = 2;

/// A tokenizer's vocabulary, to be walked byte by byte, whole or without the tokens that were taken at once.
///
/// Thread safety: immutable, so any number of threads may use it.
class TokenTrie {
  public:
    /// The tokens that are 1 to `length` characters of a class.
    struct Slice {
        RunClass characters;
        std::uint32_t length;
        std::vector<std::uint64_t> mask;  ///< of these tokens
        FlatTrie others;                  ///< all other tokens
    };

    /// Throws: ArgumentError for a tokenizer without tokens, or end tokens out of range.
    TokenTrie(Tokenizer tokenizer, std::vector<TokenId> end_tokens);

    const Tokenizer& tokenizer() const noexcept { return tokenizer_; }  ///< whose tokens these are
    const FlatTrie& all() const noexcept { return all_; }               ///< every token but special ones
    std::span<const Slice> slices() const noexcept { return slices_; }  ///< the largest of a class first
    std::uint32_t short_length() const noexcept {
        return short_length_;
    }  ///< nearly all tokens are no longer, in bytes
    const FlatTrie& long_tokens() const noexcept { return long_tokens_; }         ///< the others
    std::span<const TokenId> end_tokens() const noexcept { return end_tokens_; }  ///< which end a text
    std::size_t words() const noexcept { return words_; }                         ///< of a mask
    bool is_text(TokenId token) const noexcept;                                   ///< whether it is in `all`
    bool is_end(TokenId token) const noexcept;                                    ///< whether it ends a text

  private:
    Tokenizer tokenizer_;
    std::vector<TokenId> end_tokens_;
    std::size_t words_ = 0;
    FlatTrie all_;
    std::vector<Slice> slices_;
    std::uint32_t short_length_ = 0;
    FlatTrie long_tokens_;
};

}  // namespace rwkv::inline RWKV_ABI::constraint

#ifndef RWKV_COMPILED
#include <rwkv/constraint/token_trie.inl>
#endif
