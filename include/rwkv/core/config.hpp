#pragma once

#include <cstdint>

#include <rwkv/core/tensor.hpp>
#include <rwkv/version.hpp>

namespace rwkv::inline RWKV_ABI {

/// The shape and settings of a model, under the names and with the defaults of Hugging Face's `RwkvConfig`.
/// Sizes left out of a config.json are resolved when it is read: attention_hidden_size is hidden_size and
/// intermediate_size is 4 · hidden_size unless given.
struct Config {
    Index vocab_size = 50277;            ///< V: token ids are below it
    Index context_length = 1024;         ///< what the model was trained on; no limit when it runs
    Index hidden_size = 4096;            ///< H: numbers that stand for a token between the blocks
    Index num_hidden_layers = 32;        ///< L: blocks
    Index attention_hidden_size = 4096;  ///< A: channels of time mixing, each with a decay of its own
    Index intermediate_size = 4 * 4096;  ///< I: keys of channel mixing
    double layer_norm_epsilon = 1e-5;    ///< added to the variance by layer norms; ln_out always has 1e-5
    Index rescale_every = 6;           ///< activations are halved after so many blocks (see rescaled_epsilon); 0: never
    bool tie_word_embeddings = false;  ///< the head is the embeddings
    TokenId bos_token_id = 0;          ///< begins a text; RWKV-4 was taught none but 0, which ends one
    TokenId eos_token_id = 0;          ///< ends a text

    /// Field by field.
    bool operator==(const Config&) const = default;
};

}  // namespace rwkv::inline RWKV_ABI
