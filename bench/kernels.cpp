// The parts of a forward pass one by one: what each costs, apart from the rest.

#include <benchmark/benchmark.h>

#include <Eigen/Core>
#include <memory>
#include <random>
#include <string>
#include <vector>

#include <rwkv/core/aligned_buffer.hpp>
#include <rwkv/generation/log_probabilities.hpp>
#include <rwkv/generation/sampler.hpp>
#include <rwkv/kernels/encode.hpp>
#include <rwkv/kernels/matmul.hpp>
#include <rwkv/kernels/thread_pool.hpp>

#include "synthetic.hpp"

namespace {

using namespace rwkv;
using kernels::BF16;
using kernels::F16;
using kernels::F32;
using kernels::Layout;
using kernels::Q4;
using kernels::Q8;

using Columns = Eigen::Array<float, Eigen::Dynamic, Eigen::Dynamic, Eigen::ColMajor>;
using Numbers = Eigen::ArrayXf;

/// y = W x for `range(0)` tokens, W 3072 × 768. Sixteen matrices in turn, so that they come from memory as in a model.
template <class Format>
void multiply(benchmark::State& bench) {
    constexpr Index rows = 3072, cols = 768, count = 16;
    const Index tokens = bench.range(0);
    const std::size_t bytes = kernels::weight_bytes(Format::format, Layout::row_groups, rows, cols);
    const std::shared_ptr<std::byte[]> memory = core::AlignedBuffer(count * bytes).share();
    synthetic::Generator generator;
    std::vector<kernels::WeightMatrix> matrices;
    for (std::size_t i = 0; i < count; ++i) {
        std::byte* const at = memory.get() + i * bytes;
        generator.fill(Format::format, Layout::row_groups, rows, cols, at);
        matrices.emplace_back(Format::format, Layout::row_groups, rows, cols, std::shared_ptr<std::byte[]>(memory, at));
    }
    const Columns x = Columns::Random(cols, tokens);
    Columns y(rows, tokens);
    kernels::MatmulContext context(std::make_shared<ThreadPool>(1), tokens, cols);
    std::size_t next = 0;
    for (auto _ : bench) {
        kernels::matmul(context,
                        {{matrices[next++ % count], {x.data(), cols, tokens, cols}, {y.data(), rows, tokens, rows}}});
        benchmark::DoNotOptimize(y.data());
    }
    bench.SetBytesProcessed(bench.iterations() * static_cast<std::int64_t>(bytes));
    bench.counters["FLOP"] = benchmark::Counter(static_cast<double>(bench.iterations() * 2 * rows * cols * tokens),
                                                benchmark::Counter::kIsRate);
}
BENCHMARK(multiply<F32>)->Arg(1)->Arg(4)->Arg(8)->Arg(16)->Arg(64)->Arg(512);
BENCHMARK(multiply<F16>)->Arg(1)->Arg(4)->Arg(8)->Arg(16)->Arg(64)->Arg(512);
BENCHMARK(multiply<BF16>)->Arg(1)->Arg(4)->Arg(8)->Arg(16)->Arg(64)->Arg(512);
BENCHMARK(multiply<Q8>)->Arg(1)->Arg(4)->Arg(8)->Arg(16)->Arg(64)->Arg(512);
BENCHMARK(multiply<Q4>)->Arg(1)->Arg(4)->Arg(8)->Arg(16)->Arg(64)->Arg(512);

template <class Format>
void quantize(benchmark::State& bench) {
    constexpr Index cols = 768;
    const Columns weights = Columns::Random(cols, kernels::group_rows);
    std::vector<std::byte> group(kernels::weight_bytes(Format::format, Layout::row_groups, kernels::group_rows, cols));
    for (auto _ : bench)
        kernels::encode_rows(Format::format, Layout::row_groups, weights.data(), kernels::group_rows, cols,
                             group.data());
    bench.SetItemsProcessed(bench.iterations() * weights.size());
}
BENCHMARK(quantize<Q8>);
BENCHMARK(quantize<Q4>);

const kernels::Equations<float>& equations() {
    return kernels::chosen_target().equations;
}

void wkv(benchmark::State& bench) {
    const Index channels = 768, tokens = bench.range(0);
    const Numbers decay = -Numbers::Ones(channels), first = Numbers::Zero(channels);
    const Columns key = Columns::Random(channels, tokens);
    Columns value = Columns::Random(channels, tokens);
    Columns state = Columns::Zero(channels, 3);
    for (auto _ : bench) {
        equations().wkv(decay.data(), first.data(), 0, channels, tokens, key.data(), channels, value.data(), channels,
                        state.col(0).data(), state.col(1).data(), state.col(2).data());
        benchmark::DoNotOptimize(value.data());
    }
    bench.SetItemsProcessed(bench.iterations() * channels * tokens);
}
BENCHMARK(wkv)->Arg(1)->Arg(128);

void layer_norm(benchmark::State& bench) {
    const Numbers weight = Numbers::Ones(768), bias = Numbers::Zero(768), x = Numbers::Random(768);
    Numbers out(768);
    for (auto _ : bench) {
        equations().layer_norm(weight.data(), bias.data(), 1e-5f, 768, x.data(), out.data());
        benchmark::DoNotOptimize(out.data());
    }
    bench.SetItemsProcessed(bench.iterations() * 768);
}
BENCHMARK(layer_norm);

void token_shift(benchmark::State& bench) {
    const Numbers mix = Numbers::Random(768), x = Numbers::Random(768);
    Numbers out(768);
    for (auto _ : bench) {
        equations().token_shift(mix.data(), 768, x.data(), mix.data(), out.data());
        benchmark::DoNotOptimize(out.data());
    }
    bench.SetItemsProcessed(bench.iterations() * 768);
}
BENCHMARK(token_shift);

void gate(benchmark::State& bench) {
    const Numbers receptance = Numbers::Random(768), value = Numbers::Random(768);
    Numbers x = value;
    for (auto _ : bench) {
        x = value;  // again and again on the same numbers would end in subnormal ones, which are slow
        equations().gate(0, 768, receptance.data(), x.data());
        benchmark::DoNotOptimize(x.data());
    }
    bench.SetItemsProcessed(bench.iterations() * 768);
}
BENCHMARK(gate);

/// A vocabulary of logits spread as a model's are.
std::vector<float> some_logits() {
    std::mt19937 random(1);
    std::normal_distribution<float> normal(0, 3);
    std::vector<float> logits(50277);
    for (float& logit : logits) logit = normal(random);
    return logits;
}

void sample(benchmark::State& bench, const SamplingOptions& options) {
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
