#pragma once

#include <cstddef>
#include <span>
#include <vector>

#include <rwkv/core/tensor.hpp>
#include <rwkv/version.hpp>

namespace rwkv::inline RWKV_ABI {

/// A token and log p of it, in nats.
struct TokenLogProbability {
    TokenId token;           ///< the token
    double log_probability;  ///< ln p, at most 0
};

/// log softmax(logits): the model's own probabilities, before temperature, filters and penalties. A view: the logits
/// must outlive it. NaN where a logit is NaN or +∞, or all are −∞.
class LogProbabilities {
  public:
    /// Goes through all logits once.
    explicit LogProbabilities(std::span<const float> logits);

    /// log p(token), which must be an index into the logits.
    double operator()(TokenId token) const noexcept {
        return static_cast<double>(logits_[static_cast<std::size_t>(token)]) - log_sum_;
    }

    /// The likeliest tokens, likeliest first (of equals, the lowest ids): `count`, or all there are.
    std::vector<TokenLogProbability> top(std::size_t count) const;

  private:
    std::span<const float> logits_;
    double log_sum_;
};

}  // namespace rwkv::inline RWKV_ABI

#ifndef RWKV_COMPILED
#include <rwkv/generation/log_probabilities.inl>
#endif
