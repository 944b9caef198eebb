#pragma once

#include <cmath>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <memory>
#include <span>

#include <rwkv/core/inline.hpp>
#include <rwkv/generation/filters.hpp>
#include <rwkv/generation/fixed_point.hpp>

namespace rwkv::inline RWKV_ABI::generation {

RWKV_INLINE bool Filter::narrow(Candidates&) const {
    return false;
}

RWKV_INLINE void TopK::apply(Candidates& candidates) const {
    if (k_ >= candidates.vocab_size()) return;
    const std::span depths = candidates.depths();
    candidates.keep_lowest([=](std::size_t i) { return depths[i]; }, [](std::size_t) { return std::uint64_t{1}; }, k_,
                           tie_break_);
}

RWKV_INLINE bool TopK::narrow(Candidates& all) const {
    if (k_ < all.vocab_size()) all.limit_count(k_);
    return true;
}

RWKV_INLINE void TopP::apply(Candidates& candidates) const {
    const std::span depths = candidates.depths(), weights = candidates.weights();
    candidates.keep_lowest([=](std::size_t i) { return depths[i]; }, [=](std::size_t i) { return weights[i]; },
                           Candidates::share(p_, candidates.total_weight()), tie_break_);
}

RWKV_INLINE bool TopP::narrow(Candidates& all) const {
    if (all.count_is_limited()) return false;  // p is a part of what those k make up, of which none may be missing
    const std::uint64_t total = all.total_weight(), share = Candidates::share(p_, total);
    // At this depth all tokens together would weigh no more than what may be missing.
    if (total > share) all.limit_depth(fixed_point::depth_of(total - share, all.size()));
    return true;
}

RWKV_INLINE MinP::MinP(float ratio) noexcept
    : min_weight_(static_cast<std::uint64_t>(
          std::ceil(static_cast<double>(ratio) * static_cast<double>(fixed_point::weight(0))))) {}

RWKV_INLINE void MinP::apply(Candidates& candidates) const {
    const std::span depths = candidates.depths(), weights = candidates.weights();
    candidates.keep_if([=, this](std::size_t i) { return weights[i] >= min_weight_ || depths[i] == 0; });
}

RWKV_INLINE bool MinP::narrow(Candidates& all) const {
    all.limit_depth(fixed_point::depth_of(min_weight_, 1));
    return true;
}

RWKV_INLINE void Typical::apply(Candidates& candidates) const {
    const std::span depths = candidates.depths(), weights = candidates.weights();
    // Surprises differ by as much as depths do: the mean depth stands for the entropy.
    std::uint64_t total = 0, sum = 0;  // weight times depth is below 2^62 in these units, and 2^40 after the shift
    for (std::size_t i = 0; i < depths.size(); ++i) {
        total += weights[i];
        sum += weights[i] * (depths[i] >> 8U) >> 22U;
    }
    const auto mean = static_cast<std::int64_t>(static_cast<double>(sum) / static_cast<double>(total) * 0x1p30);
    const auto distance = [=](std::size_t i) {
        return static_cast<std::uint64_t>(std::abs(static_cast<std::int64_t>(depths[i]) - mean));
    };
    const std::uint64_t enough = Candidates::share(part_, total);
    // Few tokens are near enough to the mean: leave the others out before any are sorted.
    for (std::uint64_t radius = std::uint64_t{2} << 32U; radius < fixed_point::zero_weight_depth; radius *= 2) {
        std::uint64_t reached = 0;
        for (std::size_t i = 0; i < depths.size(); ++i) reached += distance(i) < radius ? weights[i] : 0;
        if (reached < enough) continue;
        candidates.keep_if([=](std::size_t i) { return distance(i) < radius; });
        break;
    }
    candidates.keep_lowest(
        distance, [=](std::size_t i) { return weights[i]; }, enough, TieBreak::keep_all);
}

RWKV_INLINE bool Typical::narrow(Candidates& all) const {
    all.limit_depth(fixed_point::zero_weight_depth);
    return false;
}

RWKV_INLINE FilterChain::FilterChain(const SamplingOptions& options)
    : temperature_(options.temperature), temperature_first_(options.order == SamplingOrder::hugging_face) {
    const auto add_top_k = [&](TieBreak tie_break) {
        if (options.top_k > 0) filters_.push_back(std::make_shared<TopK>(options.top_k, tie_break));
    };
    const auto add_top_p = [&](TieBreak tie_break) {
        if (options.top_p < 1.0f) filters_.push_back(std::make_shared<TopP>(options.top_p, tie_break));
    };
    if (options.order == SamplingOrder::hugging_face) {
        add_top_k(TieBreak::keep_all);
        add_top_p(TieBreak::highest_ids);
    } else {
        add_top_p(TieBreak::keep_all);
        add_top_k(TieBreak::lowest_ids);
    }
    if (options.min_p > 0.0f) filters_.push_back(std::make_shared<MinP>(options.min_p));
    if (options.typical_p < 1.0f) filters_.push_back(std::make_shared<Typical>(options.typical_p));
}

RWKV_INLINE void FilterChain::apply(std::span<const float> logits, Candidates& candidates) const {
    candidates.reset(logits, temperature_first_ ? temperature_ : 1.0f);
    if (!filters_.empty()) {
        for (const auto& filter : filters_)
            if (!filter->narrow(candidates)) break;
        candidates.collect();
        for (const auto& filter : filters_) filter->apply(candidates);
    }
    if (!temperature_first_ && temperature_ != 1.0f) candidates.apply_temperature(temperature_);
}

}  // namespace rwkv::inline RWKV_ABI::generation
