#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <mutex>
#include <span>
#include <utility>
#include <vector>

#include <rwkv/constraint/interner.hpp>
#include <rwkv/constraint/parser.hpp>
#include <rwkv/constraint/token_trie.hpp>
#include <rwkv/version.hpp>

namespace rwkv::inline RWKV_ABI::constraint {

/// What matchers of a grammar and a vocabulary have computed and share: the parser with its automaton and rows, and the
/// masks of states.
///
/// Thread safety: hold `mutex` for whatever is called.
class Cache {
  public:
    Cache(std::shared_ptr<const Grammar> grammar, std::shared_ptr<const TokenTrie> trie);

    /// Sets the bits of the tokens that may come after the threads; bits of others stay.
    void mask(std::span<const Thread> threads, std::span<std::uint64_t> words);

    Parser& parser() noexcept { return parser_; }              ///< of the grammar
    const TokenTrie& trie() const noexcept { return *trie_; }  ///< of the vocabulary
    const std::shared_ptr<const TokenTrie>& shared_trie() const noexcept {
        return trie_;
    }  ///< of the vocabulary, shared
    /// Memory in use, in bytes, but for masks, which are forgotten now and then.
    std::size_t memory() const noexcept { return parser_.memory(); }

    std::mutex mutex;                  ///< to be held
    std::shared_ptr<Cache> successor;  ///< where matchers go on when this one has become too large

  private:
    /// What follows a state of the lexer, whatever the row.
    struct LexerMask {
        std::vector<std::uint64_t> words;  // tokens that do not go past the end of a lexeme, and others that are safe
        const FlatTrie* trie;              // of the tokens that may go past it
        /// Nodes where a lexeme may end and longer tokens go on.
        std::vector<std::pair<std::uint32_t, Lexer::Accepted>> crossings;
    };

    const LexerMask& lexer_mask(Lexer::State state);
    void compute_lexer_mask(Lexer::State state, LexerMask& mask);
    void row_mask(const Thread& thread, std::span<std::uint64_t> words);
    bool general_mask(const Thread& thread, std::span<std::uint64_t> words);
    bool ends_nearby(Lexer::State state);
    Thread without_far_limits(const Thread& thread, std::size_t length);
    void keep(const Thread& thread, std::vector<std::uint64_t> mask);
    bool walk(const FlatTrie& trie, std::uint32_t node, const Thread& thread, std::span<std::uint64_t> words,
              bool nearby);
    void forget_masks();

    std::shared_ptr<const TokenTrie> trie_;
    Parser parser_;
    std::uint32_t classes_[run_class_count] = {};
    std::vector<std::unique_ptr<LexerMask>> lexer_masks_;
    U64Map mask_of_regex_, mask_of_state_;
    U64Map mask_of_thread_;
    U64Map ends_nearby_;
    std::vector<std::vector<std::uint64_t>> thread_masks_;
    std::size_t mask_bytes_ = 0;
    // Scratch of `walk`.
    std::vector<Thread> threads_;
    std::vector<std::size_t> begins_;
    std::vector<Lexer::State> states_;
};

}  // namespace rwkv::inline RWKV_ABI::constraint

#ifndef RWKV_COMPILED
#include <rwkv/constraint/cache.inl>
#endif
