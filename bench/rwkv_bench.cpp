// How fast a model runs, as a share of what the machine could do: decoding against the bandwidth of its memory, a
// prompt against its multiply-adds. Both limits are measured in the same run, by turns with what they limit, and the
// medians compared.

#include <sys/resource.h>

#include <algorithm>
#include <chrono>
#include <cmath>
#include <cstdio>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include <CLI/CLI.hpp>
#include <nlohmann/json.hpp>

#include <rwkv/rwkv.hpp>

#include "limits.hpp"

namespace {

using rwkv::Index;

double seconds_of(const std::function<void()>& work) {
    const auto start = std::chrono::steady_clock::now();
    work();
    return std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
}

double median(std::vector<double> values) {
    std::sort(values.begin(), values.end());
    const std::size_t middle = values.size() / 2;
    return values.size() % 2 ? values[middle] : (values[middle - 1] + values[middle]) / 2;
}

/// The visitor that fills a model with weights of normal size, all matrices of one format.
template <class Format>
class Fill {
  public:
    void vector(const std::string& name, rwkv::Vector<float>& member, const rwkv::Shape& shape) {
        member.resize(static_cast<Index>(shape.back()));
        const bool decay = name.ends_with("time_decay"), mix = name.find("time_mix") != std::string::npos;
        for (float& value : member) value = decay ? -std::exp(-6 * uniform()) : mix ? uniform() : 0.5f + uniform();
    }
    void matrix(const std::string&, rwkv::WeightMatrix<rwkv::Mixed>& member, Index rows, Index cols) {
        using T = typename Format::Storage;
        const auto memory = rwkv::kernels::allocate_weights(static_cast<std::size_t>(rows * cols) * sizeof(T));
        std::shared_ptr<T[]> elements(memory, reinterpret_cast<T*>(memory.get()));
        const float size = 2 / std::sqrt(static_cast<float>(cols));
        for (Index i = 0; i < rows * cols; ++i) elements[i] = T((uniform() - 0.5f) * size);
        member = rwkv::WeightMatrix<Format>(rows, cols, std::move(elements));
    }
    void embeddings(const std::string& name, rwkv::WeightMatrix<rwkv::Mixed>& member, Index rows, Index cols) {
        matrix(name, member, rows, cols);
    }

  private:
    float uniform() {
        state_ = state_ * 6364136223846793005u + 1442695040888963407u;
        return static_cast<float>(state_ >> 40) * 0x1p-24f;
    }
    std::uint64_t state_ = 1;
};

template <class Format>
rwkv::Model synthetic(const rwkv::Config& config) {
    rwkv::Weights<rwkv::Mixed> weights;
    weights.config = config;
    weights.blocks.resize(static_cast<std::size_t>(config.num_hidden_layers));
    Fill<Format> fill;
    rwkv::for_each_tensor(weights, fill);
    fill.matrix("head.weight", weights.head.emplace(), config.vocab_size, config.hidden_size);
    rwkv::loading::set_epsilons(weights, true);
    return rwkv::Model(std::move(weights));
}

rwkv::Config shape_of(const std::string& shape) {
    rwkv::Config config;
    const auto sizes =
        std::map<std::string, std::pair<Index, Index>>{{"169m", {12, 768}}, {"430m", {24, 1024}}, {"1b5", {24, 2048}}}
            .at(shape);
    config.num_hidden_layers = sizes.first;
    config.hidden_size = config.attention_hidden_size = sizes.second;
    config.intermediate_size = 4 * sizes.second;
    return config;
}

/// Bytes and multiply-adds of the matrices of a model: of all blocks, and of the head.
struct Work {
    double block_bytes = 0, head_bytes = 0, block_weights = 0, head_weights = 0;
};

Work work_of(const rwkv::Model& model) {
    Work work;
    const auto add = [&](const auto& matrix) {
        work.block_bytes += static_cast<double>(matrix.bytes());
        work.block_weights += static_cast<double>(matrix.rows()) * static_cast<double>(matrix.cols());
    };
    for (const auto& block : model.weights().blocks) {
        add(block.attention.key), add(block.attention.value), add(block.attention.receptance);
        add(block.attention.output), add(block.feed_forward.key), add(block.feed_forward.receptance);
        add(block.feed_forward.value);
    }
    if (const auto& head = model.weights().head) {
        work.head_bytes = static_cast<double>(head->bytes());
        work.head_weights = static_cast<double>(head->rows()) * static_cast<double>(head->cols());
    }
    return work;
}

struct Decode {
    double tokens_per_second, bytes_per_second, bandwidth, share;
};

Decode measure_decode(const rwkv::Model& model, int threads, int repeats, limits::Reader& reader) {
    rwkv::State state(model.config());
    rwkv::Workspace workspace(model.config(), {.threads = threads, .chunk = 1});
    rwkv::kernels::Engine& engine = workspace.engine();
    const Work work = work_of(model);
    const double bytes = work.block_bytes + work.head_bytes;
    const int tokens = std::max(1, static_cast<int>(reader.bytes() / bytes));
    std::vector<double> decode, read, share;
    rwkv::TokenId token = 1;
    const auto step = [&] {
        for (int i = 0; i < tokens; ++i) {
            model.forward({&token, 1}, state, workspace);
            token = (token * 7 + 1) % static_cast<rwkv::TokenId>(model.config().vocab_size);
        }
    };
    step();
    reader.read(engine.pool(), engine.isa());
    for (int i = 0; i < repeats; ++i) {
        read.push_back(reader.bytes() / seconds_of([&] { reader.read(engine.pool(), engine.isa()); }));
        decode.push_back(tokens / seconds_of(step));
        share.push_back(decode.back() * bytes / read.back());
    }
    return {median(decode), median(decode) * bytes, median(read), median(share)};
}

struct Prefill {
    Index tokens;
    double tokens_per_second, operations_per_second, peak, share;
};

Prefill measure_prefill(const rwkv::Model& model, int threads, int repeats, Index tokens, Index chunk) {
    rwkv::Workspace workspace(model.config(), {.threads = threads, .chunk = std::min(tokens, chunk)});
    rwkv::State state(model.config());
    rwkv::kernels::Engine& engine = workspace.engine();
    std::vector<rwkv::TokenId> prompt(static_cast<std::size_t>(tokens));
    for (std::size_t i = 0; i < prompt.size(); ++i)
        prompt[i] = static_cast<rwkv::TokenId>(i * 977 % static_cast<std::size_t>(model.config().vocab_size));
    const Work work = work_of(model);
    const double operations = 2 * (work.block_weights * static_cast<double>(tokens) + work.head_weights);
    const auto step = [&] {
        state.reset();
        model.forward(prompt, state, workspace);
    };
    std::vector<double> speed, peak, share;
    step();
    for (int i = 0; i < repeats; ++i) {
        double done = 0;
        const double seconds = seconds_of([&] { done = limits::multiply(engine.pool(), engine.isa(), 500000); });
        peak.push_back(done / seconds);
        speed.push_back(static_cast<double>(tokens) / seconds_of(step));
        share.push_back(speed.back() / static_cast<double>(tokens) * operations / peak.back());
    }
    return {tokens, median(speed), median(speed) / static_cast<double>(tokens) * operations, median(peak),
            median(share)};
}

double peak_memory() {
    rusage usage{};
    ::getrusage(RUSAGE_SELF, &usage);
    return static_cast<double>(usage.ru_maxrss) * 1024;
}

}  // namespace

int main(int argc, char** argv) {
    CLI::App app("Measures decoding and prompt reading against the limits of this machine, measured beside them.");
    std::string directory, shape;
    std::vector<std::string> formats{"f32"};
    std::vector<int> threads{1, 2};
    std::vector<Index> prompts{512};
    Index chunk = rwkv::WorkspaceOptions{}.chunk;
    int repeats = 9;
    bool as_json = false;
    auto* what = app.add_option_group("model");
    what->add_option("-m,--model", directory, "a model directory")->type_name("DIR");
    what->add_option("--shape", shape, "random weights of this shape")
        ->check(CLI::IsMember({"169m", "430m", "1b5"}).description(""))
        ->type_name("169m|430m|1b5");
    what->require_option(1);
    app.add_option("--format", formats, "weight formats: stored (a model's), f32, f16, bf16")
        ->check(CLI::IsMember({"stored", "f32", "f16", "bf16"}).description(""))
        ->delimiter(',')
        ->type_name("FORMAT,…");
    app.add_option("-t,--threads", threads, "thread counts")
        ->check(CLI::Range(1, 1024).description(""))
        ->delimiter(',')
        ->type_name("N,…")
        ->capture_default_str();
    app.add_option("--prompt", prompts, "lengths of the prompts")
        ->check(CLI::Range(1, 1 << 24).description(""))
        ->delimiter(',')
        ->type_name("N,…")
        ->capture_default_str();
    app.add_option("--chunk", chunk, "tokens read together")
        ->check(CLI::Range(1, 1 << 16).description(""))
        ->type_name("N")
        ->capture_default_str();
    app.add_option("--repeats", repeats, "runs of which the median counts")
        ->check(CLI::Range(1, 100000).description(""))
        ->type_name("N")
        ->capture_default_str();
    app.add_flag("--json", as_json, "print one JSON object instead of the table");
    CLI11_PARSE(app, argc, argv);
    if (!shape.empty() && std::count(formats.begin(), formats.end(), "stored"))
        return std::fprintf(stderr, "rwkv_bench: random weights are not stored anywhere: --format f32, f16 or bf16\n"),
               2;

    try {
        nlohmann::json rows = nlohmann::json::array();
        std::string isa;
        if (!as_json)
            std::printf("%-7s %7s %-12s %10s %10s %10s %8s\n", "format", "threads", "work", "tokens/s", "rate", "limit",
                        "share");
        for (const std::string& format : formats) {
            const std::map<std::string, rwkv::WeightFormat> names{{"stored", rwkv::WeightFormat::stored},
                                                                  {"f32", rwkv::WeightFormat::f32},
                                                                  {"f16", rwkv::WeightFormat::f16},
                                                                  {"bf16", rwkv::WeightFormat::bf16}};
            double load_seconds = 0;
            const rwkv::Model model = [&] {
                if (!shape.empty()) {
                    const rwkv::Config config = shape_of(shape);
                    if (format == "f16") return synthetic<rwkv::F16>(config);
                    if (format == "bf16") return synthetic<rwkv::BF16>(config);
                    return synthetic<rwkv::F32>(config);
                }
                std::unique_ptr<rwkv::Model> loaded;
                load_seconds = seconds_of([&] {
                    loaded = std::make_unique<rwkv::Model>(rwkv::load_model(directory, {.format = names.at(format)}));
                });
                return *loaded;
            }();
            if (load_seconds > 0) {
                rows.push_back({{"format", format}, {"work", "load"}, {"seconds", load_seconds}});
                if (!as_json) std::printf("%-7s %7s %-12s %9.3f s\n", format.c_str(), "", "load", load_seconds);
            }
            limits::Reader reader(std::size_t(512) << 20);
            for (int count : threads) {
                const Decode decode = measure_decode(model, count, repeats, reader);
                rows.push_back({{"format", format},
                                {"threads", count},
                                {"work", "decode"},
                                {"tokens_per_second", decode.tokens_per_second},
                                {"bytes_per_second", decode.bytes_per_second},
                                {"read_bandwidth", decode.bandwidth},
                                {"share", decode.share}});
                if (!as_json)
                    std::printf("%-7s %7d %-12s %10.1f %5.1f GB/s %5.1f GB/s %7.0f%%\n", format.c_str(), count,
                                "decode", decode.tokens_per_second, decode.bytes_per_second / 1e9,
                                decode.bandwidth / 1e9, decode.share * 100);
                for (Index tokens : prompts) {
                    const Prefill prefill = measure_prefill(model, count, repeats, tokens, chunk);
                    rows.push_back({{"format", format},
                                    {"threads", count},
                                    {"work", "prefill"},
                                    {"prompt", tokens},
                                    {"tokens_per_second", prefill.tokens_per_second},
                                    {"flop_per_second", prefill.operations_per_second},
                                    {"fma_peak", prefill.peak},
                                    {"share", prefill.share}});
                    if (!as_json)
                        std::printf("%-7s %7d %-12s %10.1f %5.0f GF/s %5.0f GF/s %7.0f%%\n", format.c_str(), count,
                                    ("prefill " + std::to_string(tokens)).c_str(), prefill.tokens_per_second,
                                    prefill.operations_per_second / 1e9, prefill.peak / 1e9, prefill.share * 100);
                }
            }
        }
        isa = rwkv::kernels::name(rwkv::kernels::chosen_isa());
        if (as_json) {
            std::printf(
                "%s\n",
                nlohmann::json{{"isa", isa}, {"peak_memory_bytes", peak_memory()}, {"rows", rows}}.dump(1).c_str());
        } else {
            std::printf("kernels %s, peak memory %.0f MB (512 MB of it the array that is read for the limit)\n",
                        isa.c_str(), peak_memory() / 1e6);
        }
        return 0;
    } catch (const std::exception& error) {
        std::fprintf(stderr, "rwkv_bench: %s\n", error.what());
        return 1;
    }
}
