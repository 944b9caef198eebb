#pragma once

#include <cstdint>

#include <rwkv/tensor.hpp>

namespace rwkv {

/// The shape and settings of a model, under the names and with the defaults of Hugging Face's `RwkvConfig`.
/// Sizes left out of a config.json are resolved when it is read: attention_hidden_size is hidden_size and
/// intermediate_size is 4 · hidden_size unless given.
struct Config {
    Index vocab_size = 50277;
    Index context_length = 1024;  ///< what the model was trained on; no limit when it runs
    Index hidden_size = 4096;
    Index num_hidden_layers = 32;
    Index attention_hidden_size = 4096;
    Index intermediate_size = 4 * 4096;
    double layer_norm_epsilon = 1e-5;
    Index rescale_every = 6;  ///< 0: never
    bool tie_word_embeddings = false;
    TokenId bos_token_id = 0;
    TokenId eos_token_id = 0;

    bool operator==(const Config&) const = default;
};

}  // namespace rwkv
