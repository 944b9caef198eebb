#pragma once

#include <cstdint>
#include <vector>

#include <rwkv/core/tensor.hpp>
#include <rwkv/version.hpp>

namespace rwkv::inline RWKV_ABI {

/// The shape and settings of a model, under the names and with the defaults of Hugging Face's `RwkvConfig`.
/// Sizes left out of a config.json are resolved when it is read: attention_hidden_size is hidden_size and
/// intermediate_size is 4 · hidden_size unless given.
struct Config {
    Index vocab_size = 50277;            ///< V: token ids are less than this
    Index context_length = 1024;         ///< of the training, 0 if not known; no limit for inference
    Index hidden_size = 4096;            ///< H: size of the embeddings and of the input of each block
    Index num_hidden_layers = 32;        ///< L: number of blocks
    Index attention_hidden_size = 4096;  ///< A: channels of time mixing
    Index intermediate_size = 4 * 4096;  ///< I: channels of the keys of channel mixing
    double layer_norm_epsilon = 1e-5;    ///< of all layer norms but ln_out, which has 1e-5
    Index rescale_every = 6;             ///< activations are halved each time after this number of blocks; 0: never
    bool tie_word_embeddings = false;    ///< the head uses the embeddings
    TokenId bos_token_id = 0;            ///< begins a text; RWKV-4 was trained with 0 only, which ends one; −1: none
    TokenId eos_token_id = 0;            ///< ends a text; −1: none
    std::vector<TokenId> other_eos_token_ids = {};  ///< end a text as well, where config.json has a list

    /// Compares all fields.
    bool operator==(const Config&) const = default;
};

/// Upper bounds of the sizes of a config: beyond any model, and such that all matrices of a model together (less than
/// layers × 8 × size × size × 8 bytes) are less than 2^63 bytes, so that no sum of sizes needs a check of its own.
inline constexpr Index max_model_size = Index{1} << 22U;
/// That of the number of layers.
inline constexpr Index max_model_layers = 4096;

}  // namespace rwkv::inline RWKV_ABI
