#pragma once

#include <algorithm>
#include <chrono>
#include <limits>

#include <rwkv/rwkv.hpp>

#include "../processors.hpp"

/// The number of threads with which the model takes least time for a token: one for each physical core that the process
/// may use, or half of them and so on, as long as fewer are faster. What pays depends on the model and on what else the
/// processors do. Measures for about as long as a few tokens take.
inline int fastest_threads(const rwkv::Model& model) {
    using Clock = std::chrono::steady_clock;
    constexpr std::chrono::milliseconds enough(40);
    const auto seconds_per_token = [&](int threads) {
        rwkv::State state(model.config());
        rwkv::Workspace workspace(model.config(), {.threads = threads, .chunk = 1});
        static_cast<void>(model.forward(rwkv::TokenId(0), state, workspace));
        double best = std::numeric_limits<double>::infinity();
        const Clock::time_point start = Clock::now();
        do {
            const Clock::time_point begin = Clock::now();
            static_cast<void>(model.forward(rwkv::TokenId(0), state, workspace));
            best = std::min(best, std::chrono::duration<double>(Clock::now() - begin).count());
        } while (Clock::now() - start < enough);
        return best;
    };
    int threads = processors::allowed_cores();
    if (threads == 1) return threads;
    double time = seconds_per_token(threads);
    for (int fewer = threads / 2; fewer >= 1; fewer /= 2) {
        const double other = seconds_per_token(fewer);
        if (other > 0.95 * time) break;
        threads = fewer;
        time = other;
    }
    return threads;
}
