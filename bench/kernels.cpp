// The parts of a forward pass one by one: what each costs, apart from the rest.

#include <benchmark/benchmark.h>

#include <random>
#include <string>

#include <rwkv/generation/log_probabilities.hpp>
#include <rwkv/generation/sampler.hpp>
#include <rwkv/kernels/multiply.hpp>
#include <rwkv/kernels/weight_memory.hpp>
#include <rwkv/model/layer_norm.hpp>
#include <rwkv/model/wkv.hpp>

namespace {

using namespace rwkv;

/// y = W x for `range(0)` tokens, W 3072 × 768. Sixteen matrices by turns, so that they come from memory as in a model.
template <class Format>
void multiply(benchmark::State& bench) {
    using T = typename Format::Storage;
    constexpr Index rows = 3072, cols = 768, matrices = 16;
    const Index tokens = bench.range(0);
    const auto memory = kernels::allocate_weights(static_cast<std::size_t>(rows * cols * matrices) * sizeof(T));
    T* const elements = reinterpret_cast<T*>(memory.get());
    for (Index i = 0; i < rows * cols * matrices; ++i) elements[i] = T(static_cast<float>(i % 1013) / 1013 - 0.5f);
    const Activations<float> x = Activations<float>::Random(cols, tokens);
    Activations<float> y(rows, tokens);
    kernels::Engine engine(1, tokens, cols);
    Index turn = 0;
    for (auto _ : bench) {
        const std::shared_ptr<const T[]> own(memory, elements + turn++ % matrices * rows * cols);
        const WeightMatrix<Format> w(rows, cols, own);
        kernels::multiply<Format, float>(engine, {{w, x, y}});
        benchmark::DoNotOptimize(y.data());
    }
    bench.SetBytesProcessed(bench.iterations() * rows * cols * static_cast<Index>(sizeof(T)));
    bench.counters["FLOP"] = benchmark::Counter(static_cast<double>(bench.iterations() * 2 * rows * cols * tokens),
                                                benchmark::Counter::kIsRate);
}
BENCHMARK(multiply<F32>)->Arg(1)->Arg(4)->Arg(8)->Arg(16)->Arg(64)->Arg(512);
BENCHMARK(multiply<F16>)->Arg(1)->Arg(4)->Arg(8)->Arg(16)->Arg(64)->Arg(512);
BENCHMARK(multiply<BF16>)->Arg(1)->Arg(4)->Arg(8)->Arg(16)->Arg(64)->Arg(512);

void wkv_scan(benchmark::State& bench) {
    const Index channels = 768, tokens = bench.range(0);
    const Vector<float> decay = -Vector<float>::Ones(channels), first = Vector<float>::Zero(channels);
    const Activations<float> key = Activations<float>::Random(channels, tokens);
    Activations<float> value = Activations<float>::Random(channels, tokens), out(channels, tokens);
    Activations<float> memory = Activations<float>::Zero(channels, 3);
    const auto column = [&](Index i) { return Eigen::Map<Vector<float>>(memory.col(i).data(), channels); };
    for (auto _ : bench) {
        wkv<float>(0, channels, decay, first, key, value, {column(0), column(1), column(2)}, out);
        benchmark::DoNotOptimize(out.data());
    }
    bench.SetItemsProcessed(bench.iterations() * channels * tokens);
}
BENCHMARK(wkv_scan)->Arg(1)->Arg(128);

void normalise(benchmark::State& bench) {
    const Index hidden = 768, tokens = bench.range(0);
    const LayerNormWeights weights{Vector<float>::Ones(hidden), Vector<float>::Zero(hidden), 1e-5};
    const Activations<float> x = Activations<float>::Random(hidden, tokens);
    Activations<float> out(hidden, tokens);
    for (auto _ : bench) {
        layer_norm<float>(weights, x, out);
        benchmark::DoNotOptimize(out.data());
    }
    bench.SetItemsProcessed(bench.iterations() * hidden * tokens);
}
BENCHMARK(normalise)->Arg(1)->Arg(128);

/// A vocabulary of logits spread as a model's are.
std::vector<float> some_logits() {
    std::mt19937 random(1);
    std::normal_distribution<float> normal(0, 3);
    std::vector<float> logits(50277);
    for (float& logit : logits) logit = normal(random);
    return logits;
}

void sample(benchmark::State& bench, const GenerationOptions& options) {
    const std::vector<float> logits = some_logits();
    Sampler sampler(options);
    for (auto _ : bench) benchmark::DoNotOptimize(sampler.sample(logits));
}
BENCHMARK_CAPTURE(sample, greedy, {});
BENCHMARK_CAPTURE(sample, temperature, {.temperature = 0.8f});
BENCHMARK_CAPTURE(sample, top_k, {.temperature = 0.8f, .top_k = 40});
BENCHMARK_CAPTURE(sample, top_p, {.temperature = 0.8f, .top_p = 0.9f});
BENCHMARK_CAPTURE(sample, min_p, {.temperature = 0.8f, .min_p = 0.05f});
BENCHMARK_CAPTURE(sample, typical, {.temperature = 0.8f, .typical_p = 0.9f});
BENCHMARK_CAPTURE(sample, mirostat, {.temperature = 0.8f, .mirostat_tau = 5.0f});
BENCHMARK_CAPTURE(sample, hugging_face,
                  {.temperature = 0.8f, .top_k = 40, .top_p = 0.9f, .order = SamplingOrder::hugging_face});
BENCHMARK_CAPTURE(sample, penalties,
                  {.temperature = 0.8f, .top_p = 0.9f, .presence_penalty = 0.2f, .frequency_penalty = 0.2f});

void log_probability(benchmark::State& bench) {
    const std::vector<float> logits = some_logits();
    for (auto _ : bench) benchmark::DoNotOptimize(LogProbabilities(logits)(0));
}
BENCHMARK(log_probability);

}  // namespace

BENCHMARK_MAIN();
