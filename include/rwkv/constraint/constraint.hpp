#pragma once

#include <cstddef>
#include <cstdint>
#include <initializer_list>
#include <memory>
#include <mutex>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include <rwkv/core/tensor.hpp>
#include <rwkv/generation/token_constraint.hpp>
#include <rwkv/text/tokenizer.hpp>
#include <rwkv/version.hpp>

namespace rwkv::inline RWKV_ABI {

namespace constraint {
class GrammarBuilder;
class Grammar;
class TokenTrie;
class Cache;
enum class Symbol : std::uint32_t;
}  // namespace constraint

/// A set of texts, which `json_schema`, `grammar`, `regex`, `choice` or `json` describes. Immutable; copies are cheap
/// and share it.
/// Thread safety: any number of threads may use it.
class Constraint {
  public:
    /// The texts of the root of a grammar. In messages, `where` names the function that the user called, and `subject`
    /// what was given to it. Throws: ArgumentError where no text matches, or the grammar exceeds the limits.
    Constraint(constraint::GrammarBuilder builder, constraint::Symbol root, std::string_view where,
               std::string_view subject = "constraint");

    /// Whether the whole text is one of the set.
    [[nodiscard]] bool matches(std::string_view text) const;

    /// For the engine.
    [[nodiscard]] const std::shared_ptr<const constraint::Grammar>& compiled() const noexcept { return grammar_; }

  private:
    std::shared_ptr<const constraint::Grammar> grammar_;
};

/// The byte strings of a tokenizer's tokens, made ready to be tried against constraints: tens of milliseconds, once per
/// tokenizer. Special tokens are never part of a text. Copies are cheap and share it.
/// Thread safety: immutable, so any number of threads may use it.
class TokenVocabulary {
  public:
    /// `end_tokens` are allowed where the text may end, and nowhere else; the models' is 0.
    /// Throws: ArgumentError for a tokenizer without tokens.
    explicit TokenVocabulary(Tokenizer tokenizer, std::vector<TokenId> end_tokens = {0});

    /// The tokenizer.
    [[nodiscard]] const Tokenizer& tokenizer() const noexcept;
    /// For the engine.
    [[nodiscard]] const std::shared_ptr<const constraint::TokenTrie>& trie() const noexcept { return trie_; }

  private:
    std::shared_ptr<const constraint::TokenTrie> trie_;
};

/// Follows a text token by token and says which tokens may come next. A value: a copy goes on from the same place, and
/// keeping one is how to go back. Copies share what was computed.
/// Thread safety: one thread at a time; copies by different threads.
class Matcher {
  public:
    /// At the beginning of a text.
    Matcher(const Constraint& constraint, const TokenVocabulary& vocabulary);
    Matcher(const Matcher& other);               ///< goes on from the same place
    Matcher(Matcher&& other) noexcept;           ///< leaves one to be assigned to or destroyed
    Matcher& operator=(Matcher other) noexcept;  ///< goes on from where the other was
    ~Matcher();

    /// Sets bit id % 64 of word id / 64 for each token that may come next: some text of the set begins with the text so
    /// far and that token. End tokens are set where the text may end. Other bits are cleared.
    /// Throws: ArgumentError where the words are fewer than the vocabulary needs, or the constraint is too ambiguous
    /// for the limits.
    void mask(std::span<std::uint64_t> words);
    /// The words that `mask` needs.
    [[nodiscard]] std::size_t mask_words() const noexcept;
    /// Takes the token; false, and nothing is changed, where it may not come. An end token is taken where the text may
    /// end, and changes nothing.
    bool accept(TokenId token);
    /// Takes bytes, which need not end where a token does; false, and nothing is changed, where they may not come.
    bool accept(std::string_view bytes);
    /// Whether the text so far is complete.
    [[nodiscard]] bool may_end() const;
    /// Whether anything but the end may come.
    [[nodiscard]] bool may_continue() const;
    /// The bytes that alone may come next, at most `max_bytes`; none where there is a choice, or the text may end.
    [[nodiscard]] std::string forced_bytes(std::size_t max_bytes = 4096) const;
    /// The same as tokens, cut as the tokenizer itself would cut them after `before` (the tokens of the text so far, of
    /// which the last two matter), without those at the end that may be cut otherwise by what comes later.
    [[nodiscard]] std::vector<TokenId> forced_tokens(std::span<const TokenId> before) const;

    /// Whether what may follow is the same for both, as far as the parser's state shows it: true only if it is.
    [[nodiscard]] bool operator==(const Matcher& other) const;

  private:
    struct State;
    std::unique_lock<std::mutex> lock() const;

    std::unique_ptr<State> state_;
};

/// The constraint as SamplingOptions::constraint takes it. It is called without template arguments. (Being a template,
/// it costs a program that does not call it nothing: compilers translate virtual functions whether they are used or
/// not.)
template <class = void>
[[nodiscard]] std::shared_ptr<const TokenConstraint> token_constraint(const Constraint& constraint,
                                                                      const TokenVocabulary& vocabulary);
#ifdef RWKV_COMPILED
extern template RWKV_API std::shared_ptr<const TokenConstraint> token_constraint<>(const Constraint&,
                                                                                   const TokenVocabulary&);
#endif

/// A grammar in llama.cpp's GBNF notation, whose start is the rule `root`.
/// Throws: ArgumentError, with line and column, for what is no grammar: an undefined rule, an unknown escape.
[[nodiscard]] Constraint grammar(std::string_view gbnf);

/// One of these texts.
/// Throws: ArgumentError where there is none.
[[nodiscard]] Constraint choice(std::span<const std::string> texts);
/// One of these texts, as literals.
[[nodiscard]] Constraint choice(std::initializer_list<std::string_view> texts);

}  // namespace rwkv::inline RWKV_ABI

#ifndef RWKV_COMPILED
#include <rwkv/constraint/constraint.inl>
#include <rwkv/constraint/gbnf.inl>
#endif
