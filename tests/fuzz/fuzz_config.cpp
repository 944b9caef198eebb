// A config.json: what is taken is within bounds, and said again is the same.
#include <string>
#include <vector>

#include <rwkv/checkpoint/config_json.hpp>

#include "fuzz.hpp"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    using namespace rwkv;
    fuzz::accepts([&] {
        const Config config = checkpoint::parse_config(fuzz::text_of(data, size), "config");
        for (const Index extent : {config.vocab_size, config.hidden_size, config.attention_hidden_size,
                                   config.intermediate_size, config.num_hidden_layers})
            fuzz::require(extent > 0 && extent < Index{1} << 31U, "sizes a model can have");
        fuzz::require(config.context_length >= 0 && config.context_length < Index{1} << 31U, "a length");
        fuzz::require(static_cast<float>(config.layer_norm_epsilon) > 0, "a positive epsilon");
        std::vector<TokenId> special = config.other_eos_token_ids;
        for (const TokenId id : {config.bos_token_id, config.eos_token_id})
            if (id != -1) special.push_back(id);  // -1: none
        for (const TokenId id : special) fuzz::require(id >= 0 && id < config.vocab_size, "special tokens that exist");
        const std::string again = checkpoint::config_text(config, "RwkvForCausalLM", "float32");
        fuzz::require(checkpoint::parse_config(again, "config") == config, "the same again");
    });
    return 0;
}
