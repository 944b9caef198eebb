#pragma once

#include <algorithm>
#include <chrono>
#include <functional>
#include <vector>

#include <rwkv/model/model.hpp>

#include "limits.hpp"

// What is measured of a model, each by turns with the limit it runs into.

namespace measure {

using rwkv::Index;

inline double seconds_of(const std::function<void()>& work) {
    const auto start = std::chrono::steady_clock::now();
    work();
    return std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
}

inline double median(std::vector<double> values) {
    std::sort(values.begin(), values.end());
    const std::size_t middle = values.size() / 2;
    return values.size() % 2 ? values[middle] : (values[middle - 1] + values[middle]) / 2;
}

/// Bytes and weights of the matrices of a model: of all blocks, and of the head.
struct Work {
    double block_bytes = 0, head_bytes = 0, block_weights = 0, head_weights = 0;

    explicit Work(const rwkv::Model& model) {
        const auto add = [&](const auto& matrix) {
            block_bytes += static_cast<double>(matrix.bytes());
            block_weights += static_cast<double>(matrix.rows()) * static_cast<double>(matrix.cols());
        };
        for (const auto& block : model.weights().blocks) {
            add(block.attention.key), add(block.attention.value), add(block.attention.receptance);
            add(block.attention.output), add(block.feed_forward.key), add(block.feed_forward.receptance);
            add(block.feed_forward.value);
        }
        if (const auto& head = model.weights().head) {
            head_bytes = static_cast<double>(head->bytes());
            head_weights = static_cast<double>(head->rows()) * static_cast<double>(head->cols());
        }
    }
    double bytes() const { return block_bytes + head_bytes; }
};

/// Calls of some work that take about a tenth of a second.
inline int enough(const std::function<void()>& work) {
    work();
    return std::clamp(static_cast<int>(0.1 / seconds_of(work)), 1, 10000);
}

inline rwkv::TokenId some_token(const rwkv::Model& model, std::size_t i) {
    return static_cast<rwkv::TokenId>(i * 977 % static_cast<std::size_t>(model.config().vocab_size));
}

/// Tokens per second one by one, or of `texts` texts a token each at once; and bytes read a second, of weights and of
/// an array of the size of the weights. `cost`: what a step takes in steps of a single text, measured by turns.
struct Decode {
    double tokens_per_second, bytes_per_second, bandwidth, share, cost;
};

inline Decode decode(const rwkv::Model& model, int threads, int repeats, limits::Reader& reader, Index texts = 1) {
    rwkv::Workspace workspace(model.config(), {.threads = threads, .chunk = 1});
    rwkv::Workspace batch_workspace(model.config(), {.threads = threads, .chunk = texts});
    rwkv::State state(model.config());
    std::vector<rwkv::State> states;
    std::vector<rwkv::State*> batch;
    std::vector<rwkv::TokenId> tokens;
    for (Index i = 0; i < texts; ++i) states.emplace_back(model.config());
    for (rwkv::State& one : states) {
        batch.push_back(&one);
        tokens.push_back(some_token(model, batch.size()));
    }
    std::size_t step = 0;
    const auto single = [&] {
        const rwkv::TokenId token = some_token(model, ++step);
        static_cast<void>(model.forward(token, state, workspace));
    };
    const auto together = [&] {
        model.forward_batch(tokens, batch, batch_workspace, [](Index, std::span<const float>) { return true; });
    };
    rwkv::kernels::MatmulContext& context = workspace.context();
    const auto times = [](int count, const auto& work) {
        return seconds_of([&] {
                   for (int i = 0; i < count; ++i) work();
               }) /
               count;
    };
    const auto read = [&] { reader.read(context.executor(), context.target()); };
    const int singles = enough(single), togethers = texts > 1 ? enough(together) : 0, reads = enough(read);
    std::vector<double> speed, bandwidth, share, cost;
    for (int i = 0; i < repeats; ++i) {
        bandwidth.push_back(reader.bytes() / times(reads, read));
        const double one = times(singles, single), all = texts > 1 ? times(togethers, together) : one;
        speed.push_back(1 / all);
        share.push_back(speed.back() * Work(model).bytes() / bandwidth.back());
        cost.push_back(all / one);
    }
    return {median(speed) * static_cast<double>(texts), median(speed) * Work(model).bytes(), median(bandwidth),
            median(share), median(cost)};
}

/// What a token takes of a model in steps of another of the same shape, measured by turns.
inline double compare_decoding(const rwkv::Model& model, const rwkv::Model& other, int threads, int repeats) {
    rwkv::Workspace workspace(model.config(), {.threads = threads, .chunk = 1});
    rwkv::State state(model.config()), other_state(model.config());
    std::size_t step = 0, other_step = 0;
    const auto one = [&] { static_cast<void>(model.forward(some_token(model, ++step), state, workspace)); };
    const auto two = [&] { static_cast<void>(other.forward(some_token(model, ++other_step), other_state, workspace)); };
    const int count = enough(two);
    std::vector<double> ratios;
    for (int i = 0; i < repeats; ++i) {
        const auto times = [&](const auto& work) {
            return seconds_of([&] {
                for (int j = 0; j < count; ++j) work();
            });
        };
        const double first = times(two), taken = times(one), again = times(two);
        ratios.push_back((first + again) / 2 / taken);
    }
    return median(ratios);
}

/// The share of the keys of channel mixing that are zero, over some tokens.
inline double zero_keys(const rwkv::Model& model) {
    rwkv::Workspace workspace(model.config(), {.threads = 1, .chunk = 16});
    rwkv::State state(model.config());
    std::vector<rwkv::TokenId> tokens;
    for (std::size_t i = 0; i < 16; ++i) tokens.push_back(some_token(model, i));
    workspace.count_keys();
    model.forward_state(tokens, state, workspace);
    return workspace.key_counts().zero_share();
}

/// Tokens per second of a prompt, and operations a second against those of the multiply-adds. `allowed` is the share of
/// them that memory allows if the weights are read once a chunk.
struct Prefill {
    double tokens_per_second, operations_per_second, peak, share, allowed;
};

inline Prefill prefill(const rwkv::Model& model, int threads, int repeats, Index tokens, Index chunk,
                       double bandwidth) {
    chunk = std::min(tokens, chunk);
    rwkv::Workspace workspace(model.config(), {.threads = threads, .chunk = chunk});
    rwkv::State state(model.config());
    rwkv::kernels::MatmulContext& context = workspace.context();
    std::vector<rwkv::TokenId> prompt(static_cast<std::size_t>(tokens));
    for (std::size_t i = 0; i < prompt.size(); ++i) prompt[i] = some_token(model, i);
    const Work work(model);
    const double operations = 2 * (work.block_weights * static_cast<double>(tokens) + work.head_weights);
    const double bytes = work.block_bytes * static_cast<double>((tokens + chunk - 1) / chunk) + work.head_bytes;
    const auto step = [&] {
        state.reset();
        static_cast<void>(model.forward(prompt, state, workspace));
    };
    const int steps = enough(step);
    std::vector<double> speed, peak, share;
    for (int i = 0; i < repeats; ++i) {
        double done = 0;
        const double limit = seconds_of([&] { done = limits::multiply(context.executor(), context.target(), 300000); });
        const double seconds = seconds_of([&] {
                                   for (int j = 0; j < steps; ++j) step();
                               }) /
                               steps;
        peak.push_back(done / limit);
        speed.push_back(static_cast<double>(tokens) / seconds);
        share.push_back(operations / seconds / peak.back());
    }
    return {median(speed), median(speed) / static_cast<double>(tokens) * operations, median(peak), median(share),
            std::min(1.0, operations * bandwidth / bytes / median(peak))};
}

/// Milliseconds of a token at some position of a long text: of the prompt on the way there, and of decoding there.
struct Position {
    Index position;
    double prompt_ms, decode_ms;
};

/// At 1, 2, 5, 10, 20, … and `last`.
inline std::vector<Position> positions(const rwkv::Model& model, int threads, Index chunk, Index last,
                                       const std::function<void(Index)>& at) {
    rwkv::Workspace workspace(model.config(), {.threads = threads, .chunk = chunk});
    rwkv::Workspace single(model.config(), {.threads = threads, .chunk = 1});
    rwkv::State state(model.config()), copy(model.config());
    std::vector<Index> stops;
    for (Index power = 1; power < last; power *= 10)
        for (const Index factor : {1, 2, 5})
            if (power * factor < last) stops.push_back(power * factor);
    stops.push_back(last);
    std::vector<Position> result;
    Index position = 0;
    for (const Index stop : stops) {
        std::vector<rwkv::TokenId> tokens;
        for (Index i = position; i < stop; ++i) tokens.push_back(some_token(model, static_cast<std::size_t>(i)));
        const double prompt = seconds_of([&] { model.forward_state(tokens, state, workspace); });
        std::vector<double> decode;
        for (int i = 0; i < 9; ++i) {
            copy.assign(state);
            const rwkv::TokenId token = some_token(model, static_cast<std::size_t>(stop));
            decode.push_back(seconds_of([&] { static_cast<void>(model.forward(token, copy, single)); }));
        }
        result.push_back({stop, 1e3 * prompt / static_cast<double>(stop - position), 1e3 * median(decode)});
        position = stop;
        at(stop);
    }
    return result;
}

}  // namespace measure
