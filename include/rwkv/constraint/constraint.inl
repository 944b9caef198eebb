#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <initializer_list>
#include <memory>
#include <mutex>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <rwkv/constraint/cache.hpp>
#include <rwkv/constraint/constraint.hpp>
#include <rwkv/constraint/forced.hpp>
#include <rwkv/constraint/grammar.hpp>
#include <rwkv/constraint/limits.hpp>
#include <rwkv/core/error.hpp>
#include <rwkv/core/finite.hpp>
#include <rwkv/core/inline.hpp>
#include <rwkv/core/message.hpp>

namespace rwkv::inline RWKV_ABI {

RWKV_INLINE Constraint::Constraint(constraint::GrammarBuilder builder, constraint::Symbol root, std::string_view where,
                                   std::string_view subject)
    : grammar_(std::make_shared<const constraint::Grammar>(std::move(builder), root, where, subject)) {}

RWKV_INLINE bool Constraint::matches(std::string_view text) const {
    constraint::Parser parser(grammar_);
    std::vector<constraint::Thread> threads;
    bool may_end = parser.begin(threads);
    for (const char c : text) {
        const std::size_t count = threads.size();
        const constraint::Parser::Step step = parser.next(threads, 0, count, static_cast<std::uint8_t>(c));
        if (!step.possible) return false;
        threads.erase(threads.begin(), threads.begin() + static_cast<std::ptrdiff_t>(count));
        may_end = step.may_end;
    }
    return may_end;
}

RWKV_INLINE TokenVocabulary::TokenVocabulary(Tokenizer tokenizer, std::vector<TokenId> end_tokens)
    : trie_(std::make_shared<const constraint::TokenTrie>(std::move(tokenizer), std::move(end_tokens))) {}

RWKV_INLINE const Tokenizer& TokenVocabulary::tokenizer() const noexcept {
    return trie_->tokenizer();
}

/// Where a matcher stands.
struct Matcher::State {
    std::shared_ptr<constraint::Cache> cache;
    std::vector<constraint::Thread> threads;
    bool may_end = false;
};

RWKV_INLINE Matcher::Matcher(const Constraint& constraint, const TokenVocabulary& vocabulary)
    : state_(std::make_unique<State>()) {
    state_->cache = std::make_shared<constraint::Cache>(constraint.compiled(), vocabulary.trie());
    state_->may_end = state_->cache->parser().begin(state_->threads);
}

RWKV_INLINE Matcher::Matcher(const Matcher& other) : state_(std::make_unique<State>(*other.state_)) {}
RWKV_INLINE Matcher::Matcher(Matcher&& other) noexcept = default;
RWKV_INLINE Matcher& Matcher::operator=(Matcher other) noexcept {
    state_.swap(other.state_);
    return *this;
}
RWKV_INLINE Matcher::~Matcher() = default;

/// The cache to work with. Where it has become too large, a new one with what this matcher needs, which others that
/// leave the old one share.
RWKV_INLINE std::unique_lock<std::mutex> Matcher::lock() const {
    State& state = *state_;
    std::unique_lock<std::mutex> held(state.cache->mutex);
    while (state.cache->memory() > constraint::max_cache_bytes) {
        constraint::Parser& parser = state.cache->parser();
        std::shared_ptr<constraint::Cache> next = state.cache->successor;
        const bool is_new = !next;
        if (is_new) next = std::make_shared<constraint::Cache>(parser.shared(), state.cache->shared_trie());
        std::unique_lock<std::mutex> next_held(next->mutex);
        std::vector<constraint::Thread> threads = next->parser().copy_from(parser, state.threads);
        if (is_new && next->memory() > constraint::max_cache_bytes / 2)
            core::fail<ArgumentError>(parser.grammar().where(), {},
                                      {"a constraint that needs at most ", constraint::max_cache_bytes / 2, " bytes"},
                                      {"one that is too ambiguous or too large"});
        state.cache->successor = next;
        held = std::move(next_held);  // gives up the old one's
        state.cache = std::move(next);
        state.threads = std::move(threads);
    }
    return held;
}

RWKV_INLINE std::size_t Matcher::mask_words() const noexcept {
    return state_->cache->trie().words();
}

RWKV_INLINE void Matcher::mask(std::span<std::uint64_t> words) {
    const constraint::TokenTrie& trie = state_->cache->trie();
    if (words.size() < trie.words())
        core::fail<ArgumentError>("Matcher::mask", {"words"}, {"at least ", trie.words()}, {words.size()});
    for (std::uint64_t& word : words) word = 0;
    const std::unique_lock<std::mutex> held = lock();
    state_->cache->mask(state_->threads, words);
    if (state_->may_end) constraint::set_bits(trie.end_tokens(), words);
}

RWKV_INLINE bool Matcher::accept(TokenId token) {
    const constraint::TokenTrie& trie = state_->cache->trie();
    if (trie.is_end(token)) return state_->may_end;
    return trie.is_text(token) && accept(trie.tokenizer().token_bytes(token));
}

RWKV_INLINE bool Matcher::accept(std::string_view bytes) {
    const std::unique_lock<std::mutex> held = lock();
    std::vector<constraint::Thread> threads = state_->threads;
    bool may_end = state_->may_end;
    for (const char c : bytes) {
        const std::size_t count = threads.size();
        const constraint::Parser::Step step =
            state_->cache->parser().next(threads, 0, count, static_cast<std::uint8_t>(c));
        if (!step.possible) return false;
        threads.erase(threads.begin(), threads.begin() + static_cast<std::ptrdiff_t>(count));
        may_end = step.may_end;
    }
    state_->threads = std::move(threads);
    state_->may_end = may_end;
    return true;
}

RWKV_INLINE bool Matcher::may_end() const {
    return state_->may_end;
}

RWKV_INLINE bool Matcher::may_continue() const {
    return !state_->threads.empty();
}

RWKV_INLINE std::string Matcher::forced_bytes(std::size_t max_bytes) const {
    const std::unique_lock<std::mutex> held = lock();
    constraint::Parser& parser = state_->cache->parser();
    std::vector<constraint::Thread> threads = state_->threads;
    std::string forced;
    for (bool may_end = state_->may_end; !may_end && forced.size() < max_bytes;) {
        std::uint32_t byte = constraint::Lexer::no_byte;
        for (const constraint::Thread& thread : threads) {
            const std::uint32_t only = parser.lexer().only_byte(thread.state);
            if (only == constraint::Lexer::no_byte || only == byte) continue;
            byte = byte == constraint::Lexer::no_byte ? only : constraint::Lexer::many_bytes;
        }
        if (byte >= constraint::Lexer::no_byte) break;
        const std::size_t count = threads.size();
        may_end = parser.next(threads, 0, count, static_cast<std::uint8_t>(byte)).may_end;
        threads.erase(threads.begin(), threads.begin() + static_cast<std::ptrdiff_t>(count));
        forced.push_back(static_cast<char>(byte));
    }
    return forced;
}

RWKV_INLINE std::vector<TokenId> Matcher::forced_tokens(std::span<const TokenId> before) const {
    const std::string forced = forced_bytes();
    if (forced.empty()) return {};
    return constraint::cut_forced(state_->cache->trie(), before, forced);
}

RWKV_INLINE bool Matcher::operator==(const Matcher& other) const {
    return state_->cache == other.state_->cache && state_->may_end == other.state_->may_end &&
           state_->threads == other.state_->threads;
}

RWKV_INLINE Constraint choice(std::span<const std::string> texts) {
    if (texts.empty()) core::fail<ArgumentError>("choice", {}, {"at least one text"}, {"none"});
    constraint::GrammarBuilder builder;
    const constraint::Symbol root = builder.terminal(builder.regexes().literals(texts));
    return Constraint(std::move(builder), root, "choice");
}

RWKV_INLINE Constraint choice(std::initializer_list<std::string_view> texts) {
    return choice(std::vector<std::string>(texts.begin(), texts.end()));
}

namespace constraint {

/// A Matcher in a Sampler. A template as `token_constraint` is.
template <class = void>
class MatcherConstraint final : public TokenConstraint {
  public:
    explicit MatcherConstraint(Matcher matcher) : matcher_(std::move(matcher)), words_(matcher_.mask_words()) {}
    MatcherConstraint(const MatcherConstraint&) = default;
    MatcherConstraint& operator=(const MatcherConstraint&) = delete;
    ~MatcherConstraint() override = default;

    void mask(std::span<float> logits) override {
        find_forced();
        if (!forced_.empty()) {
            // The tokenizer's own cut, unless the options forbid it.
            const auto token = static_cast<std::size_t>(forced_.front());
            if (token < logits.size() && !core::is_minus_infinity(logits[token])) {
                const float logit = logits[token];
                for (float& other : logits) other = core::minus_infinity;
                logits[token] = logit;
                return;
            }
        }
        matcher_.mask(words_);
        for (std::size_t begin = 0; begin < logits.size(); begin += 64) {
            const std::uint64_t word = begin / 64 < words_.size() ? words_[begin / 64] : 0;
            if (~word == 0) continue;
            const std::size_t count = (std::min)(logits.size() - begin, std::size_t{64});
            for (std::size_t i = 0; i < count; ++i)
                if ((word >> i & 1U) == 0) logits[begin + i] = core::minus_infinity;
        }
    }
    void accept(TokenId token) override {
        before_.reserve(before_.size() + 1);
        if (!matcher_.accept(token))
            core::fail<ArgumentError>("TokenConstraint::accept", {"token"}, {"one that the constraint allows"},
                                      {token});
        before_.push_back(token);
        if (before_.size() > 2) before_.erase(before_.begin());
        const bool expected = !forced_.empty() && forced_.front() == token;
        forced_.erase(forced_.begin(), expected ? forced_.begin() + 1 : forced_.end());
        known_ = !forced_.empty();
    }
    void forced(std::span<const TokenId>, std::vector<TokenId>& tokens) override {
        find_forced();
        tokens.insert(tokens.end(), forced_.begin(), forced_.end());
    }
    bool finished() const override { return matcher_.may_end() && !matcher_.may_continue(); }
    std::unique_ptr<TokenConstraint> clone() const override { return std::make_unique<MatcherConstraint>(*this); }

  private:
    void find_forced() {
        if (!known_) forced_ = matcher_.forced_tokens(before_);
        known_ = true;
    }

    Matcher matcher_;
    std::vector<std::uint64_t> words_;
    std::vector<TokenId> before_;  // the last two tokens
    std::vector<TokenId> forced_;  // that come next, if known_
    bool known_ = false;
};

}  // namespace constraint

template <class>
std::shared_ptr<const TokenConstraint> token_constraint(const Constraint& constraint,
                                                        const TokenVocabulary& vocabulary) {
    return std::make_shared<const constraint::MatcherConstraint<>>(Matcher(constraint, vocabulary));
}
#ifdef RWKV_COMPILED
template RWKV_API std::shared_ptr<const TokenConstraint> token_constraint<>(const Constraint&, const TokenVocabulary&);
#endif

}  // namespace rwkv::inline RWKV_ABI
