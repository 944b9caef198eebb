#pragma once

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <numeric>
#include <span>
#include <string>

#include <Eigen/Core>

#include <rwkv/core/error.hpp>
#include <rwkv/core/finite.hpp>
#include <rwkv/core/inline.hpp>
#include <rwkv/core/message.hpp>
#include <rwkv/generation/candidates.hpp>
#include <rwkv/generation/fixed_point.hpp>

namespace rwkv::inline RWKV_ABI::generation {

RWKV_INLINE float largest_logit(std::span<const float> logits) {
    constexpr std::size_t max_count = std::size_t{1} << 24U;
    if (logits.empty() || logits.size() > max_count)
        throw ArgumentError("sample", "logits", "1 to " + std::to_string(max_count), std::to_string(logits.size()));
    const Eigen::Map<const Eigen::ArrayXf> all(logits.data(), static_cast<Index>(logits.size()));
    const float max = all.maxCoeff<Eigen::PropagateNaN>();
    if (!core::finite_math_only && core::is_finite(max)) return max;
    bool found_finite = false;
    for (std::size_t i = 0; i < logits.size(); ++i) {
        const float& logit = logits[i];
        found_finite |= core::is_finite(logit);
        if (!core::is_finite(logit) && !core::is_minus_infinity(logit))
            core::fail<ArgumentError>("sample", {"logit ", i}, {"a number below +∞"},
                                      {core::is_nan(logit) ? "NaN" : "+∞"});
    }
    if (!found_finite) core::fail<ArgumentError>("sample", {"logits"}, {"one above −∞"}, {"none"});
    return max;
}

/// −log2(p / p_max) of a logit: one difference and one product, nothing that a compiler could fuse.
class DepthOf {
  public:
    DepthOf(float max_logit, float temperature) noexcept
        : max_logit_(static_cast<double>(max_logit)),
          scale_(1.4426950408889634 * 4294967296.0 / static_cast<double>(temperature)),  // log2(e) in units of 2^-32
          max_difference_(0x1.8p62 / scale_) {}
    std::uint64_t operator()(float logit) const noexcept {
        // The first limit changes no depth. It keeps the infinite difference of a forbidden token from the conversion:
        // gcc converts first and applies the second limit to the integers, which traps where a host wants that.
        const double difference = (std::min)(max_logit_ - static_cast<double>(logit), max_difference_);
        return static_cast<std::uint64_t>(static_cast<std::int64_t>((std::min)(difference * scale_, 0x1p62)));
    }

  private:
    double max_logit_, scale_, max_difference_;
};

RWKV_INLINE void Candidates::reset(std::span<const float> logits, float temperature) {
    const float max = largest_logit(logits);
    reserve(logits.size());
    logits_ = logits;
    max_logit_ = max;
    temperature_ = temperature;
    size_ = logits.size();
    collected_ = depths_known_ = weights_known_ = total_known_ = false;
    depth_limit_ = std::uint64_t{1} << 63U;
    count_limit_ = 0;
}

RWKV_INLINE void Candidates::reserve(std::size_t count) {
    if (all_tokens_.size() >= count) return;
    all_depths_.resize(count);
    depths_.resize(count);
    tokens_.resize(count);
    weights_.resize(count);
    boundary_.reserve(count);
    amounts_.resize(buckets);
    all_tokens_.resize(count);  // last: whatever its size, the others have it, even after std::bad_alloc
    std::iota(all_tokens_.begin(), all_tokens_.end(), TokenId{0});
}

RWKV_INLINE std::span<const std::uint64_t> Candidates::weights() {
    if (!collected_ && !weights_known_) {
        compute_depths();
        compute_weights(all_depths_.data(), size_, weights_.data());
        weights_known_ = true;
    }
    return {weights_.data(), size_};
}

RWKV_INLINE std::uint64_t Candidates::total_weight() {
    if (total_known_) return total_;
    std::uint64_t total = 0;
    if (collected_ || weights_known_) {
        for (std::size_t i = 0; i < size_; ++i) total += weights_[i];
    } else {
        compute_depths();
        for (std::size_t i = 0; i < size_; ++i) total += fixed_point::weight(all_depths_[i]);
    }
    total_known_ = true;
    return total_ = total;
}

RWKV_INLINE std::uint64_t Candidates::share(float part, std::uint64_t total) noexcept {
    return (std::max)(static_cast<std::uint64_t>(std::ceil(static_cast<double>(part) * static_cast<double>(total))),
                      std::uint64_t{1});
}

RWKV_INLINE void Candidates::keep_only(std::size_t i) {
    keep_if([i](std::size_t candidate) { return candidate == i; });
}

RWKV_INLINE void Candidates::apply_temperature(float temperature) {
    if (!collected_) {
        temperature_ = temperature;
        depths_known_ = weights_known_ = total_known_ = false;
        return;
    }
    // The most likely token need not be left, and the temperature may make of what is far below it nothing at all.
    float max = logits_[static_cast<std::size_t>(tokens_[0])];
    for (std::size_t i = 1; i < size_; ++i) max = (std::max)(max, logits_[static_cast<std::size_t>(tokens_[i])]);
    const DepthOf depth_of(max, temperature);
    for (std::size_t i = 0; i < size_; ++i) depths_[i] = depth_of(logits_[static_cast<std::size_t>(tokens_[i])]);
    compute_weights(depths_.data(), size_, weights_.data());
    total_known_ = false;
}

RWKV_INLINE void Candidates::compute_depths() noexcept {
    if (depths_known_) return;
    const DepthOf depth_of(max_logit_, temperature_);
    // Local copies of members: the compiler then knows that stores to the candidates do not change them.
    const std::span<const float> logits = logits_;
    std::uint64_t* const depths = all_depths_.data();
    for (std::size_t i = 0; i < logits.size(); ++i) depths[i] = depth_of(logits[i]);
    depths_known_ = true;
}

RWKV_INLINE void Candidates::compute_weights(const std::uint64_t* depths, std::size_t count,
                                             std::uint64_t* weights) noexcept {
    for (std::size_t i = 0; i < count; ++i) weights[i] = fixed_point::weight(depths[i]);
}

RWKV_INLINE void Candidates::collect() {
    compute_depths();
    // To find the k most likely, look among the probable ones first.
    for (const std::uint64_t octaves : {8U, 16U}) {
        if (count_limit_ == 0 || octaves << 32U >= depth_limit_) continue;
        collect_below(octaves << 32U);
        if (size_ >= count_limit_) return;
    }
    collect_below(depth_limit_);
}

RWKV_INLINE void Candidates::collect_below(std::uint64_t depth_limit) noexcept {
    const std::uint64_t* const all = all_depths_.data();
    std::uint64_t* const depths = depths_.data();
    TokenId* const tokens = tokens_.data();
    std::size_t count = 0;
    for (std::size_t i = 0, end = logits_.size(); i < end; ++i) {  // without branches: no processor could predict them
        depths[count] = all[i];
        tokens[count] = static_cast<TokenId>(i);
        count += all[i] < depth_limit;
    }
    size_ = count;
    collected_ = true;
    compute_weights(depths, count, weights_.data());
}

RWKV_INLINE void Candidates::set_kept(std::size_t count) noexcept {
    size_ = count;
    collected_ = true;
    total_known_ = false;
    compute_weights(depths_.data(), count, weights_.data());  // faster than moving them
}

RWKV_INLINE void Candidates::keep_at_boundary(std::uint64_t reached, std::uint64_t enough, TieBreak tie_break) {
    std::sort(boundary_.begin(), boundary_.end(), [&](const Boundary& a, const Boundary& b) {
        if (a.key != b.key) return a.key < b.key;
        return tie_break == TieBreak::highest_ids ? a.token > b.token : a.token < b.token;
    });
    for (std::size_t i = 0; i < boundary_.size(); ++i) {
        if (reached >= enough && !(tie_break == TieBreak::keep_all && boundary_[i].key == boundary_[i - 1].key)) break;
        reached += boundary_[i].amount;
        depths_[size_] = boundary_[i].depth;
        weights_[size_] = fixed_point::weight(boundary_[i].depth);
        tokens_[size_++] = boundary_[i].token;
    }
}

}  // namespace rwkv::inline RWKV_ABI::generation
