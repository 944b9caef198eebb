#pragma once

#include <memory>

#include <rwkv/core/tensor.hpp>
#include <rwkv/version.hpp>

namespace rwkv::inline RWKV_ABI {

class DraftModel;

/// The maximum of SpeculationOptions::max_draft_tokens.
inline constexpr Index max_draft_tokens = 32;

/// Speculative decoding: the next tokens are guessed (a draft), the model reads all of them in one pass, and as many
/// are kept as the sampler draws from the model's own logits. The text is the one without speculation, for greedy and
/// for random sampling, token by token and random number by random number, as far as the logits are the same bits in a
/// pass of several tokens (see WorkspaceOptions::chunk). The length of each draft follows the times of passes on this
/// machine and how many drafted tokens were accepted so far; where drafts do not pay, none are made.
struct SpeculationOptions {
    Index max_draft_tokens = 0;  ///< the maximum number of tokens of a draft, to 32; 0: no speculation
    bool prompt_lookup = true;   ///< drafts what followed the latest tokens where they stood before, in prompt or text
    std::shared_ptr<DraftModel> draft_model = {};  ///< drafts its most likely tokens
};

}  // namespace rwkv::inline RWKV_ABI
