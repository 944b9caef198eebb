#pragma once

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <span>
#include <vector>

#include <Eigen/Core>

#include <rwkv/core/inline.hpp>
#include <rwkv/generation/log_probabilities.hpp>

namespace rwkv::inline RWKV_ABI {

RWKV_INLINE LogProbabilities::LogProbabilities(std::span<const float> logits) : logits_(logits) {
    constexpr std::size_t at_once = 1024;  // terms of a float sum, which loses nothing that exp has not lost
    const auto part = [&](std::size_t first) {
        const std::size_t count = (std::min)(at_once, logits.size() - first);
        return Eigen::Map<const Eigen::ArrayXf>(logits.data() + first, static_cast<Index>(count));
    };
    float max = logits.empty() ? 0.0f : logits[0];
    for (std::size_t i = 0; i < logits.size(); i += at_once)
        max = (std::max)(max, part(i).maxCoeff<Eigen::PropagateNaN>());
    double sum = 0;
    for (std::size_t i = 0; i < logits.size(); i += at_once) sum += static_cast<double>((part(i) - max).exp().sum());
    log_sum_ = static_cast<double>(max) + std::log(sum);
}

RWKV_INLINE std::vector<TokenLogProbability> LogProbabilities::top(std::size_t count) const {
    const auto before = [](const TokenLogProbability& a, const TokenLogProbability& b) {
        return a.log_probability > b.log_probability || (a.log_probability == b.log_probability && a.token < b.token);
    };
    std::vector<TokenLogProbability> best;
    constexpr std::size_t few = 32;  // are found sooner without room for all
    best.reserve(count <= few ? count + 1 : logits_.size());
    for (std::size_t i = 0; i < logits_.size() && count > 0; ++i) {
        const TokenLogProbability one{static_cast<TokenId>(i), static_cast<double>(logits_[i]) - log_sum_};
        if (count > few) {
            best.push_back(one);
        } else if (best.size() < count || before(one, best.back())) {
            best.insert(std::upper_bound(best.begin(), best.end(), one, before), one);
            if (best.size() > count) best.pop_back();
        }
    }
    if (count <= few) return best;
    const auto end = best.begin() + static_cast<std::ptrdiff_t>((std::min)(count, best.size()));
    std::partial_sort(best.begin(), end, best.end(), before);
    best.erase(end, best.end());
    return best;
}

}  // namespace rwkv::inline RWKV_ABI
