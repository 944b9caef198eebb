// How fast a model runs, as a share of what the machine could do: decoding against the bandwidth of its memory, a
// prompt against its multiply-adds. Both limits are measured in the same run, by turns with what they limit, and the
// medians compared.

#include <sys/resource.h>

#include <cstddef>
#include <cstdio>
#include <fstream>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include <CLI/CLI.hpp>
#include <nlohmann/json.hpp>

#include <rwkv/kernels/encode.hpp>
#include <rwkv/rwkv.hpp>

#include "../examples/demo_model.hpp"
#include "../examples/terminal.hpp"
#include "measure.hpp"
#include "synthetic.hpp"

namespace {

using rwkv::Index;

double peak_memory() {
    rusage usage{};
    ::getrusage(RUSAGE_SELF, &usage);
    return static_cast<double>(usage.ru_maxrss) * 1024;
}

/// As the system names it.
std::string processor() {
    std::ifstream info("/proc/cpuinfo");
    for (std::string line; std::getline(info, line);)
        if (line.starts_with("model name")) return line.substr(line.find(':') + 2);
    return "unknown";
}

struct Options {
    std::string directory, shape;
    std::vector<std::string> formats{"f32"};
    std::vector<int> threads{1, 2};
    std::vector<Index> prompts{512}, batches;
    Index chunk = rwkv::WorkspaceOptions{}.chunk, positions = 0;
    int repeats = 9;
    double zero_keys = 50;
    bool mapped = false, dense = false, as_json = false;
};

/// The rows of the table, also kept for --json.
class Report {
  public:
    explicit Report(bool quiet) : quiet_(quiet) {
        say("%-7s %7s %-12s %10s %11s %11s %7s\n", "format", "threads", "work", "tokens/s", "rate", "limit", "share");
    }

    nlohmann::json& row(const std::string& format, int threads, const std::string& work) {
        return rows_.emplace_back(nlohmann::json{{"format", format}, {"threads", threads}, {"work", work}});
    }
    template <class... Values>
    void say(const char* line, Values... values) const {
        if (!quiet_) std::printf(line, values...), std::fflush(stdout);
    }
    const nlohmann::json& rows() const { return rows_; }

  private:
    bool quiet_;
    nlohmann::json rows_ = nlohmann::json::array();
};

/// The same model with channel mixing's values in row groups, which are read whole.
rwkv::Model read_whole(const rwkv::Model& model) {
    const rwkv::model::Weights& from = model.weights();
    rwkv::model::Weights weights;
    const auto norm = [](const rwkv::model::LayerNormWeights& of) {
        return rwkv::model::LayerNormWeights{of.weight.copy(), of.bias.copy(), of.epsilon};
    };
    weights.config = from.config;
    weights.embeddings = from.embeddings;
    weights.pre_ln = norm(from.pre_ln);
    weights.ln_out = norm(from.ln_out);
    weights.head = from.head;
    constexpr auto layout = rwkv::kernels::Layout::row_groups;
    std::size_t bytes = 0;
    for (const auto& block : from.blocks) {
        const rwkv::kernels::WeightMatrix& value = block.feed_forward.value;
        bytes += (rwkv::kernels::weight_bytes(value.format(), layout, value.rows(), value.cols()) + 63) / 64 * 64;
    }
    const std::shared_ptr<std::byte[]> memory = rwkv::core::AlignedBuffer(bytes).share();
    std::byte* at = memory.get();
    for (const auto& block : from.blocks) {
        const auto& [decay, first, mix_k, mix_v, mix_r, key, value, receptance, output] = block.attention;
        const auto& ffn = block.feed_forward;
        rwkv::kernels::WeightMatrix rows = ffn.value;
        if (rows.layout() == rwkv::kernels::Layout::column_major) {
            rwkv::kernels::copy_to_row_groups(rows, at);
            rows = {rows.format(), layout, rows.rows(), rows.cols(), std::shared_ptr<std::byte[]>(memory, at)};
            at += (rows.bytes() + 63) / 64 * 64;
        }
        weights.blocks.push_back(
            {norm(block.ln1),
             norm(block.ln2),
             {decay.copy(), first.copy(), mix_k.copy(), mix_v.copy(), mix_r.copy(), key, value, receptance, output},
             {ffn.time_mix_key.copy(), ffn.time_mix_receptance.copy(), ffn.key, ffn.receptance, std::move(rows)}});
    }
    return rwkv::Model(std::move(weights));
}

void measure_model(const Options& options, const std::string& format, const rwkv::Model& model, Report& report) {
    const double zeros = measure::zero_keys(model);
    report.row(format, 0, "zero keys").update({{"share", zeros}, {"made", !options.shape.empty()}});
    report.say("%-7s %7s %-12s %9.1f%% of channel mixing's keys%s\n", format.c_str(), "", "zero keys", zeros * 100,
               options.shape.empty() ? "" : ", by the offset of random weights");
    std::optional<rwkv::Model> dense;
    if (options.dense) dense = read_whole(model);
    // Reading as many bytes as the weights are, so that what a large cache keeps of them counts on both sides.
    limits::Reader reader(static_cast<std::size_t>(measure::Work(model).bytes()));
    const char* const name = format.c_str();
    for (int threads : options.threads) {
        const auto decode = [&](Index texts) {
            const measure::Decode result = measure::decode(model, threads, options.repeats, reader, texts);
            const std::string work = texts == 1 ? "decode" : "batch " + std::to_string(texts);
            report.row(format, threads, texts == 1 ? "decode" : "batch")
                .update({{"texts", texts},
                         {"tokens_per_second", result.tokens_per_second},
                         {"bytes_per_second", result.bytes_per_second},
                         {"read_bandwidth", result.bandwidth},
                         {"share", result.share},
                         {"cost", result.cost}});
            report.say("%-7s %7d %-12s %10.1f %6.1f GB/s %6.1f GB/s %6.1f%%", name, threads, work.c_str(),
                       result.tokens_per_second, result.bytes_per_second / 1e9, result.bandwidth / 1e9,
                       result.share * 100);
            report.say(texts == 1 ? "\n" : "  a step costs %.2f of one text's\n", result.cost);
            return result.bandwidth;
        };
        const double bandwidth = decode(1);
        if (dense) {
            const double ratio = measure::compare_decoding(model, *dense, threads, options.repeats);
            report.row(format, threads, "against dense").update({{"ratio", ratio}});
            report.say("%-7s %7d %-12s %9.3f times as fast as with all values read\n", name, threads, "against dense",
                       ratio);
        }
        for (const Index texts : options.batches) decode(texts);
        for (const Index tokens : options.prompts) {
            const measure::Prefill result =
                measure::prefill(model, threads, options.repeats, tokens, options.chunk, bandwidth);
            report.row(format, threads, "prefill")
                .update({{"prompt", tokens},
                         {"tokens_per_second", result.tokens_per_second},
                         {"flop_per_second", result.operations_per_second},
                         {"fma_peak", result.peak},
                         {"share", result.share},
                         {"memory_allows", result.allowed}});
            report.say("%-7s %7d %-12s %10.1f %6.0f GF/s %6.0f GF/s %6.1f%%", name, threads,
                       ("prefill " + std::to_string(tokens)).c_str(), result.tokens_per_second,
                       result.operations_per_second / 1e9, result.peak / 1e9, result.share * 100);
            report.say(result.allowed < 1 ? "  memory allows %.1f%%\n" : "\n", result.allowed * 100);
        }
        if (options.positions == 0) continue;
        std::vector<double> memory;
        const auto at = [&](Index) { memory.push_back(peak_memory()); };
        const auto rows = measure::positions(model, threads, options.chunk, options.positions, at);
        for (std::size_t i = 0; i < rows.size(); ++i) {
            report.row(format, threads, "position")
                .update({{"position", rows[i].position},
                         {"prompt_ms", rows[i].prompt_ms},
                         {"decode_ms", rows[i].decode_ms},
                         {"peak_memory_bytes", memory[i]}});
            report.say("%-7s %7d token %-6td %8.3f ms a token of the prompt, %8.3f ms decoding, peak memory %.1f MB\n",
                       name, threads, rows[i].position, rows[i].prompt_ms, rows[i].decode_ms, memory[i] / 1e6);
        }
    }
}

void run(const Options& options) {
    Report report(options.as_json);
    for (const std::string& format : options.formats) {
        const rwkv::WeightFormat weights = *rwkv::weight_format_of(format);
        if (!options.shape.empty()) {
            measure_model(options, format, synthetic::model(options.shape, weights, 0, options.zero_keys / 100),
                          report);
            continue;
        }
        std::vector<double> seconds;
        const auto load = [&] {
            return rwkv::load_model(options.directory, {.format = weights, .mapped = options.mapped});
        };
        for (int i = 0; i < options.repeats; ++i) seconds.push_back(measure::seconds_of(load));
        report.row(format, 0, "load").update({{"seconds", measure::median(seconds)}, {"mapped", options.mapped}});
        report.say("%-7s %7s %-12s %10.4f s\n", format.c_str(), "", "load", measure::median(seconds));
        measure_model(options, format, load(), report);
    }
    const std::string_view target = rwkv::kernels::chosen_target().name;
    if (options.as_json)
        std::printf("%s\n", nlohmann::json{{"processor", processor()},
                                           {"target", target},
                                           {"model", options.shape.empty() ? options.directory : options.shape},
                                           {"peak_memory_bytes", peak_memory()},
                                           {"rows", report.rows()}}
                                .dump(1)
                                .c_str());
    else
        std::printf("%s, kernels %.*s\n", processor().c_str(), static_cast<int>(target.size()), target.data());
}

}  // namespace

int main(int argc, char** argv) {
    CLI::App app("Measures decoding and prompt reading against the limits of this machine, measured beside them.");
    Options options;
    const std::vector<std::string> formats(rwkv::weight_format_names.begin(), rwkv::weight_format_names.end());
    auto* what = app.add_option_group("model");
    options.directory = demo_model();
    what->add_option("-m,--model", options.directory, "a model directory")->type_name("DIR")->capture_default_str();
    what->add_option("--shape", options.shape, "random weights of this shape")
        ->check(CLI::IsMember({"169m", "430m", "1b5"}).description(""))
        ->type_name("169m|430m|1b5");
    what->require_option(options.directory.empty() ? 1 : 0, 1);
    app.add_option(
           "--zero-keys", options.zero_keys,
           "with --shape: the share of channel mixing's keys that are zero, in percent (about 80 in trained models)")
        ->check(CLI::Range(1.0, 99.0).description(""))
        ->type_name("PERCENT")
        ->capture_default_str();
    app.add_flag("--dense", options.dense,
                 "also decode with all of channel mixing's values read, by turns, and print how much slower that is");
    app.add_option("--format", options.formats, "weight formats: stored (a model's), f32, f16, bf16, q8, q4")
        ->check(CLI::IsMember(formats).description(""))
        ->delimiter(',')
        ->type_name("FORMAT,…");
    app.add_flag("--mapped", options.mapped, "map the files of a model where they are of the format");
    app.add_option("-t,--threads", options.threads, "thread counts")
        ->check(CLI::Range(1, 1024).description(""))
        ->delimiter(',')
        ->type_name("N,…")
        ->capture_default_str();
    app.add_option("--prompt", options.prompts, "lengths of the prompts")
        ->check(CLI::Range(1, 1 << 24).description(""))
        ->delimiter(',')
        ->type_name("N,…")
        ->capture_default_str();
    app.add_option("--batch", options.batches, "numbers of texts continued at once")
        ->check(CLI::Range(2, 1 << 16).description(""))
        ->delimiter(',')
        ->type_name("N,…");
    app.add_option("--positions", options.positions, "time tokens up to this position of a text")
        ->check(CLI::Range(1, 1 << 30).description(""))
        ->type_name("N");
    app.add_option("--chunk", options.chunk, "tokens read together")
        ->check(CLI::Range(1, 1 << 16).description(""))
        ->type_name("N")
        ->capture_default_str();
    app.add_option("--repeats", options.repeats, "runs of which the median counts")
        ->check(CLI::Range(1, 100000).description(""))
        ->type_name("N")
        ->capture_default_str();
    app.add_flag("--json", options.as_json, "print one JSON object instead of the table");
    app.callback([&] {
        if (!options.shape.empty() && std::ranges::count(options.formats, "stored"))
            throw CLI::ValidationError("--format", "random weights are not stored anywhere: name another one");
    });
    return terminal::run(app, argc, argv, [&] { run(options); });
}
