#pragma once

#include <vector>

#include <rwkv/core/tensor.hpp>
#include <rwkv/model/state.hpp>
#include <rwkv/version.hpp>

namespace rwkv::inline RWKV_ABI {

/// Where a conversation stands: all that a Generator needs to go on from there. Copying is a named call, as a state's.
struct Conversation {
    State state;                  ///< what the model remembers
    std::vector<TokenId> tokens;  ///< all that was read and said, in order
    std::vector<float> logits;    ///< for the next token; empty where the last of `tokens` is said but not read yet

    /// One of its own that stands at the same place. Allocates.
    Conversation copy() const { return {state.copy(), tokens, logits}; }
};

}  // namespace rwkv::inline RWKV_ABI
