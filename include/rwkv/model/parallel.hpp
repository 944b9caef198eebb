#pragma once

#include <algorithm>

#include <rwkv/kernels/blocking.hpp>
#include <rwkv/kernels/executor.hpp>
#include <rwkv/model/rank_group.hpp>
#include <rwkv/version.hpp>

namespace rwkv::inline RWKV_ABI::model {

/// Calls body(begin, end) for slices of [0, tokens) on the executor's threads: what is done token by token between the
/// products, by the threads that keep the tokens. A few tokens stay with the caller, because waking others would take
/// longer.
template <class Body>
void parallel_for_tokens(Executor& executor, Index tokens, const Body& body) noexcept {
    constexpr Index slice = 8;
    const kernels::TokenBlocks blocks = kernels::split_tokens(tokens, executor.threads());
    kernels::parallel_for_shares(executor, blocks.count, (blocks.max_size() + slice - 1) / slice,
                                 [&](Index block, Index i, int) {
                                     const Index begin = blocks.begin(block) + i * slice,
                                                 end = (std::min)(begin + slice, blocks.begin(block + 1));
                                     if (begin < end) body(begin, end);
                                 });
}

/// Calls body(begin, end) for slices of these channels: for WKV, in which a token depends on the one before it, but no
/// channel on another. A few tokens stay with the caller.
template <class Body>
void parallel_for_channels(Executor& executor, RowSpan channels, Index tokens, const Body& body) noexcept {
    const Index count = channels.end - channels.begin, slice = tokens < 4 ? (std::max)(count, Index(1)) : 64;
    kernels::parallel_for(executor, (count + slice - 1) / slice, [&](Index i, int) {
        const Index begin = channels.begin + i * slice;
        body(begin, (std::min)(begin + slice, channels.end));
    });
}

}  // namespace rwkv::inline RWKV_ABI::model
