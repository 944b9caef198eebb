#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <span>
#include <string>
#include <vector>

#include <rwkv/core/progress.hpp>
#include <rwkv/core/tensor.hpp>
#include <rwkv/version.hpp>

namespace rwkv::inline RWKV_ABI {

/// In which order probabilities are cut and sharpened. The two differ: a low temperature makes top-p keep fewer tokens
/// in Hugging Face's order, and as many as before in RWKV's.
enum class SamplingOrder {
    rwkv,          ///< p = softmax(logits) → top-p → top-k → min-p → typical → p^(1/temperature), as ChatRWKV
    hugging_face,  ///< logits / temperature → top-k → top-p → min-p → typical → softmax, as transformers
};

/// Changes the logits of the next token in place, knowing the tokens so far: −∞ forbids a token. For grammars and the
/// like. NaN and +∞ are refused afterwards.
using LogitsProcessor = std::function<void(std::span<const TokenId> tokens, std::span<float> logits)>;

/// How a text is continued; the names are Hugging Face's, and RWKV's where those have none. The defaults are greedy and
/// change nothing. What draws tokens (`Sampler`) reads those from `temperature` to `seed`, the `Generator` all.
struct GenerationOptions {
    Index max_new_tokens = 256;  ///< 0: the prompt is read, and nothing said
    float temperature = 0.0f;    ///< 0: greedy, the likeliest token that is allowed (of equals, the lowest id)
    int top_k = 0;               ///< only so many of the likeliest; 0: no limit
    float top_p = 1.0f;      ///< only the likeliest that make up this much of the probability; 0: the likeliest, 1: all
    float min_p = 0.0f;      ///< only those at least so likely in proportion to the likeliest; 0: all
    float typical_p = 1.0f;  ///< only those nearest to the expected surprise that make up this much (Meister et al.
                             ///< 2022, locally typical sampling); 1: all
    float mirostat_tau = 0.0f;  ///< Mirostat 2.0 (Basu et al. 2021): the surprise a token in bits to steer for; 0: off
    float mirostat_eta = 0.1f;  ///< and how fast
    SamplingOrder order = SamplingOrder::rwkv;  ///< of cuts and temperature
    float presence_penalty = 0.0f;              ///< taken from the logits of tokens drawn before
    float frequency_penalty = 0.0f;             ///< likewise, times how often each was drawn,
    float penalty_decay = 0.996f;               ///< of which this much is left after each token
    float repetition_penalty = 1.0f;  ///< divides positive logits of tokens in prompt or text, multiplies others
    int no_repeat_ngram_size = 0;     ///< nothing is drawn that would repeat so many tokens; 0: off
    std::map<TokenId, float> logit_bias = {};   ///< added to the logits; −∞ forbids
    std::vector<TokenId> suppress_tokens = {};  ///< never drawn
    LogitsProcessor logits_processor = {};      ///< after all of these, before temperature and cuts
    std::uint64_t seed = 0;                     ///< of the random numbers, begun afresh by each call

    std::vector<std::string> stop_strings = {};  ///< the text ends before the first of these
    std::vector<TokenId> stop_token_ids = {};    ///< end the text as the model's eos_token_id does
    int top_logprobs = 0;                        ///< so many alternatives are reported for each token
    /// Told of prompt tokens read ("prompt").
    Progress progress = {};
};

}  // namespace rwkv::inline RWKV_ABI
