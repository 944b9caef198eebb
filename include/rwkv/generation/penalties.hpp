#pragma once

#include <algorithm>
#include <cstddef>
#include <span>
#include <string>
#include <vector>

#include <rwkv/core/error.hpp>
#include <rwkv/core/finite.hpp>
#include <rwkv/core/tensor.hpp>
#include <rwkv/generation/options.hpp>
#include <rwkv/generation/reserve_one.hpp>
#include <rwkv/generation/token_constraint.hpp>
#include <rwkv/version.hpp>

namespace rwkv::inline RWKV_ABI::generation {

/// Changes logits before tokens are filtered and drawn, in this order:
///  1. logit_bias is added;
///  2. repetition_penalty (transformers): logits of tokens in the prompt or the text are divided by it, or multiplied
///     where negative;
///  3. presence_penalty + count · frequency_penalty (ChatRWKV) is subtracted from those of tokens drawn before; each
///     token drawn multiplies all counts by penalty_decay;
///  4. tokens that would complete an n-gram for the second time, and suppress_tokens, become −∞;
///  5. logits_processor;
///  6. the constraint.
/// Remembers the tokens only where one of these needs them.
/// Thread safety: one thread at a time.
class Penalties {
  public:
    /// Tokens that were not drawn: for repetition_penalty, n-grams and logits_processor, not for ChatRWKV's penalties.
    void observe(std::span<const TokenId> tokens, const SamplingOptions& options) {
        if (needs_tokens(options)) tokens_.insert(tokens_.end(), tokens.begin(), tokens.end());
    }

    /// Makes room for `drawn`, which then cannot fail.
    void reserve_drawn(const SamplingOptions& options) {
        if (needs_tokens(options)) reserve_one(tokens_);
        if (needs_counts(options)) reserve_one(counts_);
    }

    /// A token was drawn.
    void drawn(TokenId token, const SamplingOptions& options) noexcept {
        if (needs_tokens(options)) tokens_.push_back(token);
        if (!needs_counts(options)) return;
        for (Count& known : counts_) known.count *= options.penalty_decay;
        const auto known =
            std::find_if(counts_.begin(), counts_.end(), [&](const Count& count) { return count.token == token; });
        if (known == counts_.end()) {
            counts_.push_back({token, 1.0f});
        } else {
            known->count += 1.0f;
        }
    }

    /// The changed logits: `logits` itself where nothing changes, else a copy that lives until the next call.
    /// Throws: ArgumentError for a token that has no logit; what logits_processor and constraint throw.
    [[nodiscard]] std::span<const float> apply(std::span<const float> logits, const SamplingOptions& options,
                                               TokenConstraint* constraint) {
        if (logits.empty()) return logits;  // refused by the caller
        if (tokens_.empty() && counts_.empty() && options.logit_bias.empty() && options.suppress_tokens.empty() &&
            !options.logits_processor && !constraint)
            return logits;
        logits_.assign(logits.begin(), logits.end());
        for (const auto& [token, bias] : options.logit_bias) logit(token) += bias;
        if (options.repetition_penalty != 1.0f) penalize_repetition(options.repetition_penalty);
        for (const auto& [token, count] : counts_) {
            // Products of floats are exact in double, so that fusing them with the sum changes nothing.
            const double penalty = static_cast<double>(options.presence_penalty) +
                                   static_cast<double>(count) * static_cast<double>(options.frequency_penalty);
            logit(token) = static_cast<float>(static_cast<double>(logit(token)) - penalty);
        }
        if (options.no_repeat_ngram_size > 0) forbid_ngrams(static_cast<std::size_t>(options.no_repeat_ngram_size));
        for (const TokenId token : options.suppress_tokens) logit(token) = core::minus_infinity;
        if (options.logits_processor) options.logits_processor(tokens_, logits_);
        if (constraint) constraint->mask(logits_);
        return logits_;
    }

  private:
    /// How often a token was drawn, after decay.
    struct Count {
        TokenId token;
        float count;
    };

    static bool needs_tokens(const SamplingOptions& options) noexcept {
        return options.repetition_penalty != 1.0f || options.no_repeat_ngram_size > 0 || options.logits_processor;
    }
    static bool needs_counts(const SamplingOptions& options) noexcept {
        return options.presence_penalty != 0.0f || options.frequency_penalty != 0.0f;
    }

    float& logit(TokenId token) {
        if (token < 0 || static_cast<std::size_t>(token) >= logits_.size())
            throw ArgumentError("sample", "token", "0 to " + std::to_string(logits_.size() - 1), std::to_string(token));
        return logits_[static_cast<std::size_t>(token)];
    }

    /// Applies to each token once, whatever its count.
    void penalize_repetition(float penalty) {
        seen_.assign(logits_.size(), false);
        for (const TokenId token : tokens_) {
            float& value = logit(token);
            if (seen_[static_cast<std::size_t>(token)]) continue;
            seen_[static_cast<std::size_t>(token)] = true;
            value = value < 0.0f ? value * penalty : value / penalty;
        }
    }

    void forbid_ngrams(std::size_t size) {
        if (tokens_.size() < size) return;
        const auto unfinished = tokens_.end() - static_cast<std::ptrdiff_t>(size - 1);  // the n-gram to be completed
        for (auto from = tokens_.begin(); from != unfinished; ++from) {
            const auto to = from + static_cast<std::ptrdiff_t>(size - 1);
            if (std::equal(unfinished, tokens_.end(), from, to)) logit(*to) = core::minus_infinity;
        }
    }

    std::vector<TokenId> tokens_;
    std::vector<Count> counts_;
    std::vector<float> logits_;
    std::vector<bool> seen_;
};

}  // namespace rwkv::inline RWKV_ABI::generation
