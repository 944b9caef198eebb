#pragma once

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <initializer_list>
#include <limits>
#include <numeric>
#include <span>
#include <string>

#include <Eigen/Core>

#include <rwkv/core/error.hpp>
#include <rwkv/core/inline.hpp>
#include <rwkv/generation/distribution.hpp>
#include <rwkv/generation/fixed_point.hpp>

namespace rwkv::inline RWKV_ABI {

RWKV_INLINE float largest_logit(std::span<const float> logits) {
    constexpr std::size_t most = std::size_t{1} << 24U;
    constexpr float infinity = std::numeric_limits<float>::infinity();
    if (logits.empty() || logits.size() > most)
        throw ArgumentError("sample", "logits", "1 to " + std::to_string(most), std::to_string(logits.size()));
    const Eigen::Map<const Eigen::ArrayXf> all(logits.data(), static_cast<Index>(logits.size()));
    const float max = all.maxCoeff<Eigen::PropagateNaN>();
    if (!(max < infinity)) {
        const auto bad = std::find_if_not(logits.begin(), logits.end(), [](float logit) { return logit < infinity; });
        throw ArgumentError("sample", "logit " + std::to_string(bad - logits.begin()), "a number below +∞",
                            std::isnan(*bad) ? "NaN" : "+∞");
    }
    if (max == -infinity) throw ArgumentError("sample", "logits", "one above −∞", "none");
    return max;
}

namespace detail {

/// How far a logit is below the largest, as the logarithm of the ratio of their probabilities in fixed point: one
/// difference, one product, nothing that could be fused.
struct Depth {
    Depth(float max, float temperature)
        : top(max), scale(1.4426950408889634 * 4294967296.0 / static_cast<double>(temperature)) {}
    std::uint64_t operator()(float logit) const noexcept {
        return static_cast<std::uint64_t>(
            static_cast<std::int64_t>(std::min((top - static_cast<double>(logit)) * scale, 0x1p62)));
    }
    double top, scale;
};

/// So much of a total, at least 1.
inline std::uint64_t share(float part, std::uint64_t total) noexcept {
    return std::max(static_cast<std::uint64_t>(std::ceil(static_cast<double>(part) * static_cast<double>(total))),
                    std::uint64_t{1});
}

/// A depth at which `tokens` tokens together weigh no more than `weight`, and a little below it.
inline std::uint64_t depth_of_ratio(std::uint64_t weight, std::uint64_t tokens) noexcept {
    constexpr std::int64_t rounding = 1 << 8;
    return static_cast<std::uint64_t>((std::int64_t{fixed_point::weight_bits} << 32U) + fixed_point::log2(tokens) -
                                      fixed_point::log2(weight) + rounding);
}

}  // namespace detail

RWKV_INLINE WeightedTokens Distribution::operator()(std::span<const float> logits, const GenerationOptions& options) {
    const float max = largest_logit(logits);
    const bool by_count = options.top_k > 0 && static_cast<std::size_t>(options.top_k) < logits.size();
    const bool cuts = by_count || options.top_p < 1.0f || options.min_p > 0.0f || options.typical_p < 1.0f;
    const bool hugging_face = options.order == SamplingOrder::hugging_face;
    grow(logits.size());
    const detail::Depth depth(max, cuts && !hugging_face ? 1.0f : options.temperature);
    for (std::size_t i = 0; i < logits.size(); ++i) depths_[i] = depth(logits[i]);
    if (!cuts) {
        weigh(depths_.data(), logits.size());
        return {{all_tokens_.data(), logits.size()}, {weights_.data(), logits.size()}};
    }
    cut_all(logits.size(), by_count ? static_cast<std::uint64_t>(options.top_k) : 0, options);
    if (!hugging_face && options.temperature != 1.0f) {
        // The likeliest need not be left, and temperature may make of what is far below it nothing at all.
        float top = -std::numeric_limits<float>::infinity();
        for (std::size_t i = 0; i < count_; ++i) top = std::max(top, logits[static_cast<std::size_t>(tokens_[i])]);
        const detail::Depth below_top(top, options.temperature);
        for (std::size_t i = 0; i < count_; ++i)
            weights_[i] = fixed_point::weight(below_top(logits[static_cast<std::size_t>(tokens_[i])]));
    }
    return {{tokens_.data(), count_}, {weights_.data(), count_}};
}

RWKV_INLINE void Distribution::grow(std::size_t count) {
    if (all_tokens_.size() >= count) return;
    depths_.resize(count);
    list_.resize(count);
    tokens_.resize(count);
    weights_.resize(count);
    edge_.reserve(count);
    all_tokens_.resize(count);  // last: there are as many of the others, should memory run out on the way
    std::iota(all_tokens_.begin(), all_tokens_.end(), TokenId{0});
}

RWKV_INLINE void Distribution::cut_all(std::size_t all, std::uint64_t k, const GenerationOptions& options) {
    const bool hugging_face = options.order == SamplingOrder::hugging_face;
    const bool by_mass = options.top_p < 1.0f;
    const std::uint64_t least = static_cast<std::uint64_t>(
        std::ceil(static_cast<double>(options.min_p) * static_cast<double>(fixed_point::weight(0))));
    std::uint64_t mass = 0;  // that top-p asks for, where it looks at all tokens
    std::uint64_t limit = options.typical_p < 1.0f ? fixed_point::deepest : std::uint64_t{1} << 63U;
    if (by_mass && !(hugging_face && k > 0)) {
        std::uint64_t total = 0;
        for (std::size_t i = 0; i < all; ++i) total += fixed_point::weight(depths_[i]);
        mass = detail::share(options.top_p, total);
        // So deep that even all tokens together would not be worth what may be missing.
        if (total > mass) limit = std::min(limit, detail::depth_of_ratio(total - mass, all));
    }
    // Top-p after top-k needs the sum of k tokens, even of those that min-p strikes off later.
    if (least > 0 && !(by_mass && mass == 0)) limit = std::min(limit, detail::depth_of_ratio(least, 1));

    // Most tokens are too unlikely to be kept by any cut: list those that are near enough, for top-k a guess first.
    bool listed = false;
    for (const std::uint64_t octaves : {8U, 16U}) {
        if (k == 0 || listed || octaves << 32U >= limit) continue;
        list(all, octaves << 32U);
        listed = count_ >= k;
    }
    if (!listed) list(all, limit);

    const auto depth = [this](std::size_t i) { return list_[i]; };
    const auto weight = [this](std::size_t i) { return weights_[i]; };
    const auto one = [](std::size_t) { return std::uint64_t{1}; };
    if (hugging_face) {
        if (k > 0) cut(depth, one, k, Equals::all);
        if (by_mass)
            cut(depth, weight, mass > 0 ? mass : detail::share(options.top_p, total_weight()), Equals::highest_ids);
    } else {
        if (by_mass) cut(depth, weight, mass, Equals::all);
        if (k > 0) cut(depth, one, k, Equals::lowest_ids);
    }
    if (least > 0) keep([&](std::size_t i) { return weights_[i] >= least || list_[i] == 0; });
    if (options.typical_p < 1.0f) cut_typical(options.typical_p);
}

RWKV_INLINE void Distribution::list(std::size_t all, std::uint64_t limit) noexcept {
    // Through pointers of their own, which the compiler then knows to stay as they are.
    const std::uint64_t* const depths = depths_.data();
    std::uint64_t* const listed = list_.data();
    TokenId* const tokens = tokens_.data();
    std::size_t count = 0;
    for (std::size_t i = 0; i < all; ++i) {  // without branches: which tokens these are cannot be guessed
        listed[count] = depths[i];
        tokens[count] = static_cast<TokenId>(i);
        count += depths[i] < limit;
    }
    count_ = count;
    weigh(listed, count);
}

RWKV_INLINE void Distribution::weigh(const std::uint64_t* depths, std::size_t count) noexcept {
    std::uint64_t* const weights = weights_.data();
    for (std::size_t i = 0; i < count; ++i) weights[i] = fixed_point::weight(depths[i]);
}

RWKV_INLINE std::uint64_t Distribution::total_weight() const noexcept {
    return std::accumulate(weights_.begin(), weights_.begin() + static_cast<std::ptrdiff_t>(count_), std::uint64_t{0});
}

template <class Wanted>
void Distribution::keep(Wanted wanted) noexcept {
    std::size_t kept = 0;
    for (std::size_t i = 0; i < count_; ++i) {
        const bool wants = wanted(i);
        list_[kept] = list_[i];
        tokens_[kept] = tokens_[i];
        kept += wants;
    }
    count_ = kept;
    weigh(list_.data(), kept);  // faster than moving them
}

template <class Key, class Amount>
void Distribution::cut(Key key, Amount amount, std::uint64_t enough, Equals equals) {
    // 64 buckets an octave, the last for all that is too unlikely to be drawn (of which top-k may still ask).
    const auto bucket_of = [&](std::size_t i) {
        return static_cast<std::size_t>(std::min(key(i) >> 26U, std::uint64_t{buckets - 1}));
    };
    amounts_.fill(0);
    for (std::size_t i = 0; i < count_; ++i) amounts_[bucket_of(i)] += amount(i);
    std::uint64_t reached = 0;
    std::size_t last = 0;
    while (last < buckets && reached + amounts_[last] < enough) reached += amounts_[last++];
    if (last == buckets) return;

    edge_.clear();
    keep([&](std::size_t i) {
        const std::size_t bucket = bucket_of(i);
        if (bucket == last) edge_.push_back({key(i), amount(i), list_[i], weights_[i], tokens_[i]});
        return bucket < last;
    });
    std::sort(edge_.begin(), edge_.end(), [&](const Edge& a, const Edge& b) {
        if (a.key != b.key) return a.key < b.key;
        return equals == Equals::highest_ids ? a.token > b.token : a.token < b.token;
    });
    for (std::size_t i = 0; i < edge_.size(); ++i) {
        if (reached >= enough && !(equals == Equals::all && edge_[i].key == edge_[i - 1].key)) break;
        reached += edge_[i].amount;
        list_[count_] = edge_[i].depth;
        weights_[count_] = edge_[i].weight;
        tokens_[count_++] = edge_[i].token;
    }
}

RWKV_INLINE void Distribution::cut_typical(float part) {
    std::uint64_t total = 0, sum = 0;  // weight times depth is below 2^62 in these units, and 2^40 after the shift
    for (std::size_t i = 0; i < count_; ++i) {
        total += weights_[i];
        sum += weights_[i] * (list_[i] >> 8U) >> 22U;
    }
    const auto mean = static_cast<std::int64_t>(static_cast<double>(sum) / static_cast<double>(total) * 0x1p30);
    const auto distance = [this, mean](std::size_t i) {
        return static_cast<std::uint64_t>(std::abs(static_cast<std::int64_t>(list_[i]) - mean));
    };
    // Few tokens are so near as it takes: leave the others out first.
    const std::uint64_t enough = detail::share(part, total);
    for (std::uint64_t radius = std::uint64_t{2} << 32U; radius < fixed_point::deepest; radius *= 2) {
        std::uint64_t reached = 0;
        for (std::size_t i = 0; i < count_; ++i) reached += distance(i) < radius ? weights_[i] : 0;
        if (reached < enough) continue;
        keep([&](std::size_t i) { return distance(i) < radius; });
        break;
    }
    cut(
        distance, [this](std::size_t i) { return weights_[i]; }, enough, Equals::all);
}

}  // namespace rwkv::inline RWKV_ABI
