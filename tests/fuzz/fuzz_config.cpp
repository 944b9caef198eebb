// A config.json: what is taken is within bounds, and said again is the same.
#include <nlohmann/json.hpp>

#include <rwkv/checkpoint/config_json.hpp>

#include "fuzz.hpp"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    using namespace rwkv;
    fuzz::accepts([&] {
        const Config config = checkpoint::parse_config(fuzz::text_of(data, size), "config");
        for (const Index extent : {config.vocab_size, config.hidden_size, config.attention_hidden_size,
                                   config.intermediate_size, config.num_hidden_layers, config.context_length})
            fuzz::require(extent > 0 && extent < Index{1} << 31U, "sizes a model can have");
        fuzz::require(static_cast<float>(config.layer_norm_epsilon) > 0, "a positive epsilon");
        fuzz::require(config.eos_token_id >= 0 && config.eos_token_id < config.vocab_size, "an end that exists");
        const nlohmann::json again{{"vocab_size", config.vocab_size},
                                   {"context_length", config.context_length},
                                   {"hidden_size", config.hidden_size},
                                   {"num_hidden_layers", config.num_hidden_layers},
                                   {"attention_hidden_size", config.attention_hidden_size},
                                   {"intermediate_size", config.intermediate_size},
                                   {"layer_norm_epsilon", config.layer_norm_epsilon},
                                   {"rescale_every", config.rescale_every},
                                   {"tie_word_embeddings", config.tie_word_embeddings},
                                   {"bos_token_id", config.bos_token_id},
                                   {"eos_token_id", config.eos_token_id}};
        fuzz::require(checkpoint::parse_config(again.dump(), "config") == config, "the same again");
    });
    return 0;
}
