#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <vector>

#include <rwkv/core/tensor.hpp>
#include <rwkv/generation/candidates.hpp>
#include <rwkv/generation/filters.hpp>
#include <rwkv/generation/mirostat.hpp>
#include <rwkv/generation/options.hpp>
#include <rwkv/generation/penalties.hpp>
#include <rwkv/generation/random.hpp>
#include <rwkv/generation/token_constraint.hpp>
#include <rwkv/version.hpp>

namespace rwkv::inline RWKV_ABI {

/// A token that may be drawn, with a probability in proportion to its weight.
struct Candidate {
    TokenId token;         ///< the token
    std::uint64_t weight;  ///< its part of the sum of all weights
};

/// Draws tokens from logits: penalties and constraint, then temperature and filters, then a random number. The same
/// options and the same logits in the same order give the same tokens on every platform that computes in IEEE double
/// (x87 and -ffast-math do not): random numbers and weights are integers. A copy continues as the original would.
/// Without penalties it allocates only if there are more logits than before.
/// Thread safety: one thread at a time.
class Sampler {
  public:
    /// Throws: ArgumentError for an option out of its range.
    explicit Sampler(SamplingOptions options = {});

    /// Tokens before the next one that were not drawn here, such as the prompt: repetition_penalty,
    /// no_repeat_ngram_size and logits_processor look at them besides the tokens drawn.
    void observe(std::span<const TokenId> tokens);

    /// Draws the next token, an index into `logits`, and remembers it where a penalty needs it. A logit of −∞ is never
    /// drawn.
    /// Throws: ArgumentError where there is no logit, all are −∞ (after penalties), or one is NaN or +∞; what
    /// logits_processor and constraint throw; std::bad_alloc. In each case nothing is changed.
    [[nodiscard]] TokenId sample(std::span<const float> logits);

    /// What `sample` would draw from, in no particular order. Consumes no random number.
    /// Throws: as `sample`.
    [[nodiscard]] std::vector<Candidate> candidates(std::span<const float> logits);

    /// Appends what the constraint says must come next after `text`, the tokens drawn here.
    void forced(std::span<const TokenId> text, std::vector<TokenId>& tokens) {
        if (constraint_.get()) constraint_.get()->forced(text, tokens);
    }

    /// Whether the constraint says that the text is complete.
    [[nodiscard]] bool finished() const { return constraint_.get() && constraint_.get()->finished(); }

    /// The options it was made with.
    [[nodiscard]] const SamplingOptions& options() const noexcept { return options_; }

  private:
    struct Weighted {
        std::span<const TokenId> tokens;
        std::span<const std::uint64_t> weights;
    };

    Weighted distribution(std::span<const float> logits);

    SamplingOptions options_;
    Random random_;
    generation::Penalties penalties_;
    generation::ConstraintValue constraint_;
    std::optional<generation::FilterChain> filters_;  // none: greedy
    std::optional<generation::Mirostat> mirostat_;
    generation::Candidates candidates_;
    Candidate greedy_{};
};

}  // namespace rwkv::inline RWKV_ABI

#ifndef RWKV_COMPILED
#include <rwkv/generation/sampler.inl>
#endif
