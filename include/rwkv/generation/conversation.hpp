#pragma once

#include <vector>

#include <rwkv/core/tensor.hpp>
#include <rwkv/model/state.hpp>
#include <rwkv/version.hpp>

namespace rwkv::inline RWKV_ABI {

/// A position in a conversation: all that a Generator or a Sequence needs to continue from there. Copying is a named
/// call, as for State.
struct Conversation {
    State state;                  ///< what the model remembers
    std::vector<TokenId> tokens;  ///< all that were read or drawn, in order
    std::vector<float> logits;    ///< of the next token; empty where the last of `tokens` is not in the state yet

    /// An independent copy. Throws: std::bad_alloc.
    [[nodiscard]] Conversation copy() const { return {state.copy(), tokens, logits}; }
};

}  // namespace rwkv::inline RWKV_ABI
