#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include <rwkv/core/tensor.hpp>
#include <rwkv/generation/fixed_point.hpp>
#include <rwkv/generation/options.hpp>
#include <rwkv/version.hpp>

namespace rwkv::inline RWKV_ABI {

/// Tokens and how likely each is to be drawn: in proportion to its weight, perhaps 0. They add up within 64 bits.
struct WeightedTokens {
    std::span<const TokenId> tokens;         ///< in no particular order
    std::span<const std::uint64_t> weights;  ///< of each
};

/// The largest logit. Throws ArgumentError where there is none, all are −∞, or one is NaN or +∞.
float largest_logit(std::span<const float> logits);

/// Makes logits into the distribution to draw from: temperature, top-k, top-p, min-p and typical, in either order.
/// All comparisons and sums are of whole numbers, so that no platform decides otherwise. Holds scratch: one thread at a
/// time, and allocates only where it meets more logits than before.
class Distribution {
  public:
    /// The tokens that are left, in no particular order; valid until the next call. Of tokens equally likely at the
    /// edge of a cut, RWKV's order keeps all for top-p and the lowest ids for top-k, Hugging Face's all for top-k and
    /// the highest ids for top-p (transformers leaves which to torch's sort). Throws as `largest_logit`; temperature is
    /// not 0.
    WeightedTokens operator()(std::span<const float> logits, const GenerationOptions& options);

  private:
    enum class Equals { all, lowest_ids, highest_ids };
    struct Edge {
        std::uint64_t key, amount, depth, weight;
        TokenId token;
    };

    void grow(std::size_t count);
    /// Lists what all cuts let through of so many tokens; k is 0 for no cut by count.
    void cut_all(std::size_t all, std::uint64_t k, const GenerationOptions& options);
    /// Lists the tokens above that depth.
    void list(std::size_t all, std::uint64_t limit) noexcept;
    /// Sets the weights of what lies so deep.
    void weigh(const std::uint64_t* depths, std::size_t count) noexcept;
    std::uint64_t total_weight() const noexcept;
    /// Strikes the others off the list.
    template <class Wanted>
    void keep(Wanted wanted) noexcept;
    /// Keeps the tokens of the lowest keys until their amounts reach `enough`. Keys are counted in buckets first, so
    /// that only those in the bucket where this happens need to be sorted.
    template <class Key, class Amount>
    void cut(Key key, Amount amount, std::uint64_t enough, Equals equals);
    /// Keeps the tokens whose surprise is nearest to the expected one, until they make up so much of the probability.
    /// Surprises differ by as much as depths do, so the mean depth stands for the entropy.
    void cut_typical(float part);

    static constexpr std::size_t buckets = (fixed_point::deepest >> 26U) + 1;

    std::vector<TokenId> all_tokens_;     // 0, 1, 2, …
    std::vector<std::uint64_t> depths_;   // of all tokens
    std::vector<std::uint64_t> list_;     // the depths of those that are left, `count_` of them,
    std::vector<TokenId> tokens_;         // which they are,
    std::vector<std::uint64_t> weights_;  // and their weights
    std::size_t count_ = 0;
    std::vector<Edge> edge_;
    std::array<std::uint64_t, buckets> amounts_{};
};

}  // namespace rwkv::inline RWKV_ABI

#ifndef RWKV_COMPILED
#include <rwkv/generation/distribution.inl>
#endif
