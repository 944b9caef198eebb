#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include <rwkv/core/tensor.hpp>
#include <rwkv/generation/distribution.hpp>
#include <rwkv/generation/options.hpp>
#include <rwkv/generation/penalties.hpp>
#include <rwkv/generation/random.hpp>
#include <rwkv/version.hpp>

namespace rwkv::inline RWKV_ABI {

/// A token that may be drawn, in proportion to its weight.
struct Candidate {
    TokenId token;         ///< the token
    std::uint64_t weight;  ///< how often, of the sum of all weights
};

/// Draws tokens from logits: penalties, then cuts and temperature, then a random number (GenerationOptions from
/// `temperature` to `seed`; the others are not its business). The same options and the same logits in the same order
/// give the same tokens on every platform that computes in IEEE double (x87 and -ffast-math do not): random numbers and
/// weights are whole numbers. A copy goes on as the original would. One thread at a time. Without penalties it
/// allocates only where it meets more logits than before.
class Sampler {
  public:
    /// Throws ArgumentError for an option out of its range.
    explicit Sampler(GenerationOptions options = {});

    /// Text the next token is to follow that was not drawn here, such as the prompt: what repetition_penalty,
    /// no_repeat_ngram_size and logits_processor look at besides the tokens drawn.
    void observe(std::span<const TokenId> tokens);

    /// Draws the next token, an index into `logits`, and remembers it where a penalty needs it. A logit of −∞ is never
    /// drawn. ArgumentError where there is no logit, all are −∞ (after penalties), or one is NaN or +∞; after that, and
    /// after std::bad_alloc, nothing is changed.
    TokenId sample(std::span<const float> logits);

    /// What `sample` would draw from, in no particular order, each in proportion to its weight. Uses up no random
    /// number. Throws as `sample` does.
    std::vector<Candidate> candidates(std::span<const float> logits);

    /// Those it was made with.
    const GenerationOptions& options() const noexcept { return options_; }

  private:
    bool steered() const noexcept { return options_.mirostat_tau > 0.0f && options_.temperature > 0.0f; }

    WeightedTokens distribution(std::span<const float> logits);
    WeightedTokens unsurprising(const WeightedTokens& all);
    void steer(std::uint64_t total, std::uint64_t weight) noexcept;

    GenerationOptions options_;
    Random random_;
    Penalties penalties_;
    Distribution distribution_;
    double mu_;  // the largest surprise Mirostat allows, in bits
    Candidate likeliest_{};
    std::vector<TokenId> kept_tokens_;
    std::vector<std::uint64_t> kept_weights_;
};

}  // namespace rwkv::inline RWKV_ABI

#ifndef RWKV_COMPILED
#include <rwkv/generation/sampler.inl>
#endif
