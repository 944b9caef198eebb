#pragma once

#include <string>
#include <string_view>
#include <vector>

#include <rwkv/core/tensor.hpp>
#include <rwkv/generation/log_probabilities.hpp>
#include <rwkv/version.hpp>

namespace rwkv::inline RWKV_ABI {

/// Why a text ended.
enum class FinishReason {
    length,      ///< max_new_tokens
    eos,         ///< the model's eos_token_id or one of stop_token_ids, which is part of neither text nor conversation
    stop,        ///< one of stop_strings: not part of the text, but its tokens are part of the conversation
    constraint,  ///< the constraint says that the text is complete
    callback,    ///< the caller asked to stop: a callback returned false, or GenerationOptions::stop was requested
};

/// Its name: "length", "eos", "stop", "constraint", "callback".
[[nodiscard]] inline std::string_view name(FinishReason reason) noexcept {
    switch (reason) {
        case FinishReason::length:
            return "length";
        case FinishReason::eos:
            return "eos";
        case FinishReason::stop:
            return "stop";
        case FinishReason::constraint:
            return "constraint";
        case FinishReason::callback:
            return "callback";
    }
    return "unknown";
}

/// A continuation of a prompt.
struct Generation {
    std::string text;                       ///< without the stop string that ended it; empty where ids were asked for
    std::vector<TokenId> tokens;            ///< the same in ids
    std::vector<double> log_probabilities;  ///< of each token, by the model itself, before any sampling option
    std::vector<std::vector<TokenLogProbability>> top_logprobs;  ///< the most likely at each place, if asked for
    FinishReason finish_reason = FinishReason::length;           ///< why the text ended
    Index prompt_tokens = 0;    ///< read before the first new token, an unread one of the call before included
    Index decode_steps = 0;     ///< tokens read after that, each to draw the next; the first new token needs none
    Index drafted_tokens = 0;   ///< read by the model before they were drawn: guesses, or what a constraint forces
    Index accepted_tokens = 0;  ///< of these the ones that were drawn; all others cost time and changed nothing
    double prompt_seconds = 0;  ///< spent on reading the prompt
    double decode_seconds = 0;  ///< spent on the decode steps, sampling included
};

}  // namespace rwkv::inline RWKV_ABI
