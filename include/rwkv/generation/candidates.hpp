#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include <rwkv/core/tensor.hpp>
#include <rwkv/generation/fixed_point.hpp>
#include <rwkv/version.hpp>

namespace rwkv::inline RWKV_ABI::generation {

/// The largest logit.
/// Throws: ArgumentError where there is none, all are −∞, or one is NaN or +∞.
[[nodiscard]] float largest_logit(std::span<const float> logits);

/// Which of the candidates with equal keys are kept at the boundary of a cut.
enum class TieBreak { keep_all, lowest_ids, highest_ids };

/// The tokens that may be drawn next, each with a weight in proportion to its probability: what filters cut down.
///
/// A candidate's *depth* is how far it lies below the most likely token, −log2(p / p_max) in units of 2^-32; its
/// *weight* is 2^38 · p / p_max, rounded down. Both are whole numbers, and so are all comparisons and sums, so that a
/// seed gives the same tokens on every platform. The weights of all tokens add up within 64 bits.
///
/// Filters see candidates by their position, 0 to size() − 1, in no particular order. Most tokens are too unlikely to
/// be kept by any filter: filters say so beforehand (Filter::narrow), and `collect` then leaves those out.
/// Thread safety: one thread at a time. Allocates only where there are more logits than before.
class Candidates {
  public:
    /// All tokens, as likely as the logits divided by the temperature, above 0, make them. The logits must stay until
    /// the candidates were read.
    /// Throws: as `largest_logit`, and then nothing is changed.
    void reset(std::span<const float> logits, float temperature);

    /// Candidates that are left; of all tokens before `collect`.
    [[nodiscard]] std::size_t size() const noexcept { return size_; }
    /// Tokens there are in all.
    [[nodiscard]] std::size_t vocab_size() const noexcept { return logits_.size(); }
    /// Which tokens they are. Valid until the next change.
    [[nodiscard]] std::span<const TokenId> tokens() const noexcept {
        return {collected_ ? tokens_.data() : all_tokens_.data(), size_};
    }
    /// The weight of each. Valid until the next change.
    [[nodiscard]] std::span<const std::uint64_t> weights();
    /// The sum of the weights; of all tokens, including those that `collect` left out, until a filter removes some.
    [[nodiscard]] std::uint64_t total_weight();
    /// This part of a sum of weights, rounded up, at least 1.
    [[nodiscard]] static std::uint64_t share(float part, std::uint64_t total) noexcept;

    // What filters need, once the candidates are collected.

    /// The depth of each. As for `weights`, the span also shows later changes, except of its size.
    [[nodiscard]] std::span<const std::uint64_t> depths() const noexcept { return {depths_.data(), size_}; }
    /// Keeps the candidates i for which wanted(i); they stay in order.
    template <class Wanted>
    void keep_if(Wanted wanted);
    /// Keeps only candidate i.
    void keep_only(std::size_t i);
    /// Keeps the candidates with the lowest key(i), in units of a depth, until their amount(i) add up to `enough`; at
    /// the boundary those that `tie_break` says.
    template <class Key, class Amount>
    void keep_lowest(Key key, Amount amount, std::uint64_t enough, TieBreak tie_break);
    /// Raises what is left to the power 1 / temperature: weights are again in proportion to the most likely candidate.
    void apply_temperature(float temperature);

    // What filters tell before the candidates are collected (Filter::narrow).

    /// Tokens of this depth or more need not be collected.
    void limit_depth(std::uint64_t depth) noexcept { depth_limit_ = depth < depth_limit_ ? depth : depth_limit_; }
    /// A later filter keeps only about the `count` most likely.
    void limit_count(std::size_t count) noexcept { count_limit_ = count; }
    /// Whether a filter did so.
    [[nodiscard]] bool count_is_limited() const noexcept { return count_limit_ > 0; }
    /// Lists the tokens within these limits.
    void collect();

  private:
    struct Boundary {
        std::uint64_t key, amount, depth;
        TokenId token;
    };

    void reserve(std::size_t count);
    void compute_depths() noexcept;
    void collect_below(std::uint64_t depth_limit) noexcept;
    void set_kept(std::size_t count) noexcept;
    void keep_at_boundary(std::uint64_t reached, std::uint64_t enough, TieBreak tie_break);
    static void compute_weights(const std::uint64_t* depths, std::size_t count, std::uint64_t* weights) noexcept;

    // 64 buckets for each factor of 2, the last for all that is too unlikely to be drawn (top-k may still ask for it).
    static constexpr std::size_t buckets = (fixed_point::zero_weight_depth >> 26U) + 1;

    std::span<const float> logits_;
    float max_logit_ = 0, temperature_ = 1;
    bool collected_ = false, depths_known_ = false, weights_known_ = false, total_known_ = false;
    std::size_t size_ = 0, count_limit_ = 0;
    std::uint64_t depth_limit_ = 0, total_ = 0;

    std::vector<TokenId> all_tokens_;        // 0, 1, 2, …
    std::vector<std::uint64_t> all_depths_;  // of all tokens
    std::vector<std::uint64_t> depths_;      // of the candidates collected
    std::vector<TokenId> tokens_;
    std::vector<std::uint64_t> weights_;  // of the candidates, or of all tokens where none were collected
    std::vector<Boundary> boundary_;
    std::vector<std::uint64_t> amounts_;  // of the buckets; not an array, which would take 20 KB of a thread's stack
};

template <class Wanted>
void Candidates::keep_if(Wanted wanted) {
    const std::uint64_t* const depths = collected_ ? depths_.data() : all_depths_.data();
    const TokenId* const tokens = collected_ ? tokens_.data() : all_tokens_.data();
    std::uint64_t* const kept_depths = depths_.data();
    TokenId* const kept_tokens = tokens_.data();
    std::size_t kept = 0;
    for (std::size_t i = 0, end = size_; i < end; ++i) {
        const bool wants = wanted(i);
        kept_depths[kept] = depths[i];
        kept_tokens[kept] = tokens[i];
        kept += wants;
    }
    set_kept(kept);
}

template <class Key, class Amount>
void Candidates::keep_lowest(Key key, Amount amount, std::uint64_t enough, TieBreak tie_break) {
    total_known_ = false;
    // Keys are counted in buckets, so that only those in the bucket where the sum is reached need to be sorted.
    const auto bucket_of = [&](std::size_t i) {
        const std::size_t bucket = key(i) >> 26U;
        return bucket < buckets ? bucket : buckets - 1;
    };
    std::uint64_t* const amounts = amounts_.data();
    for (std::size_t i = 0; i < buckets; ++i) amounts[i] = 0;
    for (std::size_t i = 0, end = size_; i < end; ++i) amounts[bucket_of(i)] += amount(i);
    std::uint64_t reached = 0;
    std::size_t last = 0;
    while (last < buckets && reached + amounts[last] < enough) reached += amounts[last++];
    if (last == buckets) return;

    boundary_.clear();
    keep_if([&](std::size_t i) {
        const std::size_t bucket = bucket_of(i);
        if (bucket == last) boundary_.push_back({key(i), amount(i), depths_[i], tokens_[i]});
        return bucket < last;
    });
    keep_at_boundary(reached, enough, tie_break);
}

}  // namespace rwkv::inline RWKV_ABI::generation

#ifndef RWKV_COMPILED
#include <rwkv/generation/candidates.inl>
#endif
