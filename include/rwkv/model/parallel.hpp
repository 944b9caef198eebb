#pragma once

#include <algorithm>

#include <rwkv/kernels/blocking.hpp>
#include <rwkv/kernels/thread_pool.hpp>
#include <rwkv/version.hpp>

namespace rwkv::inline RWKV_ABI {

/// Calls body(begin, end) for slices of [0, tokens) on the pool's threads: what is done token by token between the
/// products, in the parts that these are cut into. A few tokens stay with the caller, as waking others would take
/// longer.
template <class Body>
void over_tokens(kernels::ThreadPool& pool, Index tokens, Body&& body) noexcept {
    constexpr Index slice = 8;
    const kernels::Parts parts = kernels::parts_of(tokens, pool.size());
    pool.parallel_for_parts(parts.count, (parts.longest() + slice - 1) / slice, [&](Index part, Index i, int) {
        const Index begin = parts.begin(part) + i * slice, end = std::min(begin + slice, parts.begin(part + 1));
        if (begin < end) body(begin, end);
    });
}

/// Calls body(begin, end) for slices of [0, channels), for WKV, in which a token needs the one before it but no channel
/// another. A few tokens are not worth sharing out.
template <class Body>
void over_channels(kernels::ThreadPool& pool, Index channels, Index tokens, Body&& body) noexcept {
    const Index slice = tokens < 4 ? channels : 64;
    pool.parallel_for((channels + slice - 1) / slice,
                      [&](Index i, int) { body(i * slice, std::min((i + 1) * slice, channels)); });
}

}  // namespace rwkv::inline RWKV_ABI
