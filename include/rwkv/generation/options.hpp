#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <span>
#include <stop_token>
#include <string>
#include <vector>

#include <rwkv/core/progress.hpp>
#include <rwkv/core/tensor.hpp>
#include <rwkv/generation/speculation.hpp>
#include <rwkv/generation/token_constraint.hpp>
#include <rwkv/version.hpp>

namespace rwkv::inline RWKV_ABI {

/// The order of filters and temperature. The two differ: a low temperature makes top-p keep fewer tokens in Hugging
/// Face's order, and the same number as before in RWKV's.
enum class SamplingOrder {
    rwkv,          ///< p = softmax(logits) → top-p → top-k → min-p → typical → p^(1/temperature), as ChatRWKV
    hugging_face,  ///< logits / temperature → top-k → top-p → min-p → typical → softmax, as transformers
};

/// Changes the logits of the next token in place, knowing the tokens so far: −∞ forbids a token. For rules without a
/// memory of their own; others are a TokenConstraint. NaN and +∞ are refused afterwards.
using LogitsProcessor = std::function<void(std::span<const TokenId> tokens, std::span<float> logits)>;

/// How tokens are drawn. The names are Hugging Face's, and RWKV's where those have none. The defaults are greedy and
/// change nothing.
struct SamplingOptions {
    float temperature = 0.0f;   ///< 0: greedy, the most likely token that is allowed (of equals, the lowest id)
    int top_k = 0;              ///< keeps the k most likely tokens; 0: all
    float top_p = 1.0f;         ///< keeps the most likely that make up this part of the probability; 1: all
    float min_p = 0.0f;         ///< keeps those at least this times as likely as the most likely; 0: all
    float typical_p = 1.0f;     ///< keeps those nearest to the expected surprise that make up this part of the
                                ///< probability (Meister et al. 2022, locally typical sampling); 1: all
    float mirostat_tau = 0.0f;  ///< Mirostat 2.0 (Basu et al. 2021): the mean surprise in bits to aim at; 0: off
    float mirostat_eta = 0.1f;  ///< its rate of adjustment
    SamplingOrder order = SamplingOrder::rwkv;  ///< of filters and temperature
    float presence_penalty = 0.0f;              ///< subtracted from the logits of tokens drawn before
    float frequency_penalty = 0.0f;             ///< subtracted once for each time that a token was drawn;
    float penalty_decay = 0.996f;               ///< that count is multiplied by this after each token
    float repetition_penalty = 1.0f;  ///< divides positive logits of tokens in prompt or text, multiplies others
    int no_repeat_ngram_size = 0;     ///< no sequence of n tokens is drawn for the second time; 0: off
    std::map<TokenId, float> logit_bias = {};                ///< added to the logits; −∞ forbids
    std::vector<TokenId> suppress_tokens = {};               ///< never drawn
    LogitsProcessor logits_processor = {};                   ///< after all of these
    std::shared_ptr<const TokenConstraint> constraint = {};  ///< after it, before temperature and filters
    std::uint64_t seed = 0;                                  ///< of the random numbers
};

/// How a text is continued.
struct GenerationOptions {
    Index max_new_tokens = 256;                  ///< 0: the prompt is read, and no token drawn
    SamplingOptions sampling = {};               ///< seed, penalties and constraint start anew with each generation
    std::vector<std::string> stop_strings = {};  ///< the text ends before the first of these
    std::vector<TokenId> stop_token_ids = {};    ///< end the text as the model's eos_token_id does
    SpeculationOptions speculation = {};         ///< several tokens in one pass where they can be guessed
    int top_logprobs = 0;                        ///< the number of most likely tokens reported for each token
    Progress progress = {};                      ///< of reading the prompt ("prompt"); returning false cancels it
    std::stop_token stop = {};                   ///< a request ends the text as a callback that returns false does
};

}  // namespace rwkv::inline RWKV_ABI
