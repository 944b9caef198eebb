// RWKV-4 in plain loops, to learn from: no batches, no threads, no vector instructions, and therefore slow. The library
// loads the weights and the tokenizer; the whole network is here, and computes what Model::forward does.
//
//   minimal [MODEL_DIR [PROMPT]]
#include <algorithm>
#include <cmath>
#include <iostream>
#include <string>
#include <vector>

#include <rwkv/rwkv.hpp>

namespace minimal {

using rwkv::Index;
using Vector = rwkv::core::Array<float>;  // initially zeros
using Matrix = rwkv::kernels::WeightMatrix;
using Attention = rwkv::model::AttentionWeights<Matrix>;
using FeedForward = rwkv::model::FeedForwardWeights<Matrix>;

// The state of a layer.
struct LayerState {
    Vector attention_x, feed_forward_x;      // [H] the input of each mixing for the previous token
    Vector numerator, denominator, maximum;  // [A] sums over the tokens so far, in units of e^maximum
};

// The state before any token: zeros, and a maximum below every exponent.
std::vector<LayerState> empty_state(const rwkv::Config& config) {
    const Index H = config.hidden_size, A = config.attention_hidden_size;
    std::vector<LayerState> state;
    for (Index layer = 0; layer < config.num_hidden_layers; ++layer) {
        state.push_back({Vector(H), Vector(H), Vector(A), Vector(A), Vector(A)});
        std::ranges::fill(state.back().maximum, -1e38f);
    }
    return state;
}

// y = W x
Vector multiply(const Matrix& weights, const Vector& x) {
    Vector y(weights.rows()), row(weights.cols());
    for (Index i = 0; i < weights.rows(); ++i) {
        weights.copy_row(i, 0, weights.cols(), row.data());
        for (Index j = 0; j < weights.cols(); ++j) y[i] += row[j] * x[j];
    }
    return y;
}

// x normalized to mean 0 and variance 1, then scaled and shifted.
Vector layer_norm(const rwkv::model::LayerNormWeights& norm, const Vector& x) {
    const double size = static_cast<double>(x.size());
    double mean = 0, variance = 0;
    for (const float value : x) mean += value / size;
    for (const float value : x) variance += (value - mean) * (value - mean) / size;
    Vector y(x.size());
    for (Index i = 0; i < x.size(); ++i)
        y[i] = static_cast<float>((x[i] - mean) / std::sqrt(variance + norm.epsilon)) * norm.weight[i] + norm.bias[i];
    return y;
}

// Token shift: interpolates each feature between the previous token and this one.
Vector shift(const Vector& x, const Vector& previous, const Vector& mix) {
    Vector y(x.size());
    for (Index i = 0; i < x.size(); ++i) y[i] = mix[i] * x[i] + (1 - mix[i]) * previous[i];
    return y;
}

float sigmoid(float x) {
    return 1 / (1 + std::exp(-x));
}

// Time mixing looks back at all tokens so far: in each channel it averages their values v, weighted by e^k, with a
// decay.
Vector time_mixing(const Attention& weights, const Vector& x, LayerState& state) {
    const Vector k = multiply(weights.key, shift(x, state.attention_x, weights.time_mix_key));
    const Vector v = multiply(weights.value, shift(x, state.attention_x, weights.time_mix_value));
    const Vector r = multiply(weights.receptance, shift(x, state.attention_x, weights.time_mix_receptance));
    state.attention_x = x.copy();

    Vector gated(k.size());
    for (Index i = 0; i < k.size(); ++i) {
        float &a = state.numerator[i], &b = state.denominator[i], &p = state.maximum[i];
        // The current token counts e^(u + k). All exponents are taken relative to the largest, so that none overflows.
        float q = std::max(p, weights.time_first[i] + k[i]);
        float past = std::exp(p - q), now = std::exp(weights.time_first[i] + k[i] - q);
        gated[i] = sigmoid(r[i]) * (past * a + now * v[i]) / (past * b + now);
        // For later tokens it counts e^k, and the past decays by e^w.
        q = std::max(p + weights.decay[i], k[i]);
        past = std::exp(p + weights.decay[i] - q), now = std::exp(k[i] - q);
        a = past * a + now * v[i];
        b = past * b + now;
        p = q;
    }
    return multiply(weights.output, gated);
}

// Channel mixing is a gated feed-forward network with two layers.
Vector channel_mixing(const FeedForward& weights, const Vector& x, LayerState& state) {
    Vector k = multiply(weights.key, shift(x, state.feed_forward_x, weights.time_mix_key));
    const Vector r = multiply(weights.receptance, shift(x, state.feed_forward_x, weights.time_mix_receptance));
    state.feed_forward_x = x.copy();
    for (float& value : k) value = value > 0 ? value * value : 0;
    Vector y = multiply(weights.value, k);
    for (Index i = 0; i < y.size(); ++i) y[i] *= sigmoid(r[i]);
    return y;
}

void add(Vector& x, const Vector& y) {
    for (Index i = 0; i < x.size(); ++i) x[i] += y[i];
}

// The logits after a token.
Vector forward(const rwkv::model::Weights& weights, rwkv::TokenId token, std::vector<LayerState>& state) {
    Vector x(weights.config.hidden_size);
    weights.embeddings.copy_row(token, 0, weights.config.hidden_size, x.data());
    x = layer_norm(weights.pre_ln, x);
    auto layer = state.begin();
    for (const auto& block : weights.blocks) {
        add(x, time_mixing(block.attention, layer_norm(block.ln1, x), *layer));
        add(x, channel_mixing(block.feed_forward, layer_norm(block.ln2, x), *layer));
        ++layer;
    }
    return multiply(weights.head.value(), layer_norm(weights.ln_out, x));
}

}  // namespace minimal

int main(int argc, char** argv) try {
    const std::string directory = argc > 1 ? argv[1] : RWKV_DEMO_MODEL;
    const std::string prompt = argc > 2 ? argv[2] : "Once upon a time";
    const rwkv::Model model = rwkv::load_model(directory);
    const rwkv::Tokenizer tokenizer = rwkv::load_tokenizer(directory);
    std::vector<minimal::LayerState> state = minimal::empty_state(model.config());
    minimal::Vector logits;
    for (const rwkv::TokenId token : tokenizer.encode(prompt)) logits = minimal::forward(model.weights(), token, state);

    rwkv::StreamingDecoder decoder(tokenizer);
    std::cout << prompt;
    for (int i = 0; i < 50; ++i) {
        const auto best = std::max_element(logits.begin(), logits.end());
        const auto token = static_cast<rwkv::TokenId>(best - logits.begin());
        std::cout << decoder.push(token) << std::flush;
        logits = minimal::forward(model.weights(), token, state);
    }
    std::cout << '\n';
    return 0;
} catch (const rwkv::Error& error) {
    std::cerr << error.what() << '\n';
    return 1;
}
