// The bytes of a state or conversation, which come from anywhere: what is taken is of the model's shape, and finite.
#include <algorithm>
#include <cmath>
#include <iterator>
#include <span>

#include <rwkv/state_file.hpp>

#include "fuzz.hpp"

namespace {

using namespace rwkv;

void check(const State& state, const Config& config) {
    fuzz::require(state.fits(config), "a state of the model's shape");
    for (const State::ConstView& part :
         {state.attention_shift(), state.feed_forward_shift(), state.numerator(), state.denominator(), state.maximum()})
        fuzz::require(std::all_of(part.data(), part.data() + part.size(), [](float x) { return std::isfinite(x); }),
                      "finite numbers");
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    Config config;
    config.vocab_size = 4;
    config.hidden_size = 3;
    config.attention_hidden_size = 2;
    config.num_hidden_layers = 2;
    const auto bytes = std::as_bytes(std::span(data, size));
    fuzz::accepts([&] { check(state_from_bytes(bytes, config), config); });
    fuzz::accepts([&] {
        const Conversation conversation = conversation_from_bytes(bytes, config);
        check(conversation.state, config);
        for (const TokenId token : conversation.tokens)
            fuzz::require(token >= 0 && token < config.vocab_size, "tokens of the vocabulary");
        fuzz::require(conversation.logits.empty() || std::ssize(conversation.logits) == config.vocab_size,
                      "a logit for each token, or none");
        fuzz::require(std::ranges::all_of(conversation.logits, [](float logit) { return std::isfinite(logit); }),
                      "finite logits");
    });
    return 0;
}
