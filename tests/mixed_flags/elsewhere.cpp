#include <utility>

#include <rwkv/model/state.hpp>

rwkv::State make_state_elsewhere(rwkv::Index size);
void destroy_state_elsewhere(rwkv::State state);

rwkv::State make_state_elsewhere(rwkv::Index size) {
    rwkv::Config config;
    config.num_hidden_layers = 2;
    config.hidden_size = config.attention_hidden_size = size;
    rwkv::State state(config);
    state.numerator()(size - 1, 1) = 3;
    return state;
}

void destroy_state_elsewhere(rwkv::State state) {
    const rwkv::State gone = std::move(state);
}
