#pragma once

#include <cstddef>
#include <cstdint>
#include <limits>

#include <rwkv/core/tensor.hpp>

namespace serve {

/// The largest requests that are taken.
struct Limits {
    rwkv::Index max_new_tokens = 4096;      ///< more are cut to this
    rwkv::Index max_prompt_tokens = 65536;  ///< of one prompt
    std::int64_t max_choices = 128;         ///< prompts times n
    rwkv::Index vocab_size = std::numeric_limits<rwkv::TokenId>::max();

    static constexpr std::size_t max_messages = 4096, max_stops = 128, max_stop_characters = 1024,
                                 max_pattern_bytes = 65536;
    static constexpr std::int64_t max_top_logprobs = 20;
};

}  // namespace serve
