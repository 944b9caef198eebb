#pragma once

#include <algorithm>

#include <rwkv/kernels/thread_pool.hpp>

namespace rwkv {

/// Calls body(begin, end) for slices of [0, tokens) on the pool's threads: what is done token by token between the
/// products. A few tokens stay with the caller, as waking others would take longer.
template <class Body>
void over_tokens(kernels::ThreadPool& pool, Index tokens, Body&& body) noexcept {
    constexpr Index slice = 8;
    pool.parallel_for((tokens + slice - 1) / slice,
                      [&](Index i, int) { body(i * slice, std::min((i + 1) * slice, tokens)); });
}

/// Calls body(begin, end) for slices of [0, channels): what scans over time. A few tokens are not worth sharing out.
template <class Body>
void over_channels(kernels::ThreadPool& pool, Index channels, Index tokens, Body&& body) noexcept {
    const Index slice = tokens < 4 ? channels : 64;
    pool.parallel_for((channels + slice - 1) / slice,
                      [&](Index i, int) { body(i * slice, std::min((i + 1) * slice, channels)); });
}

}  // namespace rwkv
