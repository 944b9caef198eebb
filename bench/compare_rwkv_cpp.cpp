// Decoding and prompts by this library and by rwkv.cpp, by turns, with the same model: tokens a second of both, and how
// many times as fast ours is. rwkv.cpp is a library that the reader has built or installed (bench/README.md).

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <cstdio>
#include <functional>
#include <memory>
#include <span>
#include <stdexcept>
#include <string>
#include <vector>

#include <rwkv.h>
#include <CLI/CLI.hpp>

#include <rwkv/rwkv.hpp>

#include "../examples/terminal.hpp"
#include "measure.hpp"

namespace {

using rwkv::Index;

struct Options {
    std::string directory, file, format = "stored";
    std::vector<int> threads{1, 2};
    std::vector<Index> prompts{16, 64, 512};
    Index chunk = 64;
    int repeats = 9;
    double tolerance = 0;
};

/// rwkv.cpp with a model and a sequence.
class Theirs {
  public:
    /// Throws: std::runtime_error if the file cannot be loaded.
    Theirs(const std::string& file, int threads)
        : context_(rwkv_init_from_file(file.c_str(), static_cast<std::uint32_t>(threads), 0)) {
        if (!context_) throw std::runtime_error(file + ": rwkv.cpp cannot load it");
        state_.resize(rwkv_get_state_len(context_.get()));
        logits_.resize(rwkv_get_logits_len(context_.get()));
        reset();
    }

    [[nodiscard]] std::size_t vocab_size() const { return rwkv_get_n_vocab(context_.get()); }
    [[nodiscard]] std::size_t hidden_size() const { return rwkv_get_n_embed(context_.get()); }
    [[nodiscard]] std::size_t layers() const { return rwkv_get_n_layer(context_.get()); }

    /// Back to before the first token.
    void reset() { rwkv_init_state(context_.get(), state_.data()); }

    /// The logits after one token more.
    const std::vector<float>& decode(std::uint32_t token) {
        check(rwkv_eval(context_.get(), token, state_.data(), state_.data(), logits_.data()));
        return logits_;
    }

    /// The logits after these tokens, read in chunks.
    const std::vector<float>& read(const std::vector<std::uint32_t>& tokens, std::size_t chunk) {
        check(rwkv_eval_sequence_in_chunks(context_.get(), tokens.data(), tokens.size(), chunk, state_.data(),
                                           state_.data(), logits_.data()));
        return logits_;
    }

  private:
    struct Free {
        void operator()(rwkv_context* context) const noexcept { rwkv_free(context); }
    };

    static void check(bool succeeded) {
        if (!succeeded) throw std::runtime_error("rwkv.cpp cannot compute the pass");
    }

    std::unique_ptr<rwkv_context, Free> context_;
    std::vector<float> state_, logits_;
};

/// Some tokens in both libraries' types.
struct Text {
    std::vector<rwkv::TokenId> ours;
    std::vector<std::uint32_t> theirs;

    Text(const rwkv::Model& model, Index tokens) {
        for (Index i = 0; i < tokens; ++i) {
            ours.push_back(measure::some_token(model, static_cast<std::size_t>(i)));
            theirs.push_back(static_cast<std::uint32_t>(ours.back()));
        }
    }
};

/// Our logits and theirs after the same tokens, compared.
class Agreement {
  public:
    void add(std::span<const float> ours, const std::vector<float>& theirs) {
        double error = 0, square = 0;
        for (std::size_t i = 0; i < ours.size(); ++i) {
            const double difference = double(ours[i]) - double(theirs[i]);
            error += difference * difference;
            square += double(ours[i]) * double(ours[i]);
        }
        // Where a logit is no number, nothing compares as small enough.
        const double relative = std::sqrt(error / square);
        if (!(relative <= largest_)) largest_ = relative;
    }
    /// The largest root mean square of a difference of logits, as a share of that of the logits.
    [[nodiscard]] double largest() const noexcept { return largest_; }

  private:
    double largest_ = 0;
};

/// What formats lose is more than what orders of addition do.
double default_tolerance(const rwkv::Model& model) {
    using rwkv::WeightFormat;
    switch (model.weights().blocks.front().attention.key.format()) {
        case WeightFormat::q4:
            return 0.3;
        case WeightFormat::q8:
            return 0.05;
        case WeightFormat::f32:
            return 1e-3;
        default:
            return 0.01;
    }
}

/// Throws: std::runtime_error if the two models are not the same: of another shape, or with other logits after some
/// tokens one by one and after a prompt.
void check_same(const rwkv::Model& model, const Options& options) {
    Theirs theirs(options.file, options.threads.front());
    const rwkv::Config& config = model.config();
    const auto shape = [](auto layers, auto hidden, auto vocab) {
        return std::to_string(layers) + " layers of " + std::to_string(hidden) + " features, " + std::to_string(vocab) +
               " tokens";
    };
    const std::string our_shape = shape(config.num_hidden_layers, config.hidden_size, config.vocab_size),
                      their_shape = shape(theirs.layers(), theirs.hidden_size(), theirs.vocab_size());
    if (our_shape != their_shape)
        throw std::runtime_error("not the same model: " + options.directory + " has " + our_shape + ", " +
                                 options.file + " has " + their_shape);
    const Text text(model, 40);
    rwkv::Workspace workspace(config, {.threads = options.threads.front()});
    rwkv::State state(config);
    Agreement agreement;
    for (std::size_t i = 0; i < text.ours.size(); ++i)
        agreement.add(model.forward(text.ours[i], state, workspace), theirs.decode(text.theirs[i]));
    state.reset(), theirs.reset();
    agreement.add(model.forward(text.ours, state, workspace),
                  theirs.read(text.theirs, static_cast<std::size_t>(options.chunk)));
    const double tolerance = options.tolerance > 0 ? options.tolerance : default_tolerance(model);
    std::printf("logits differ by %.2g of their size (root mean squares), at most %.2g is allowed\n",
                agreement.largest(), tolerance);
    if (!(agreement.largest() <= tolerance))
        throw std::runtime_error("the two do not compute the same: no times of different things are compared");
}

/// Times the two by turns and prints a line.
void compare(const Options& options, int threads, const std::string& work, double tokens,
             const std::function<void()>& ours, const std::function<void()>& theirs) {
    const int our_count = measure::enough(ours), their_count = measure::enough(theirs);
    const auto speed = [&](int count, const std::function<void()>& run) {
        return tokens * count / measure::seconds_of([&] {
                   for (int i = 0; i < count; ++i) run();
               });
    };
    std::vector<double> our_speeds, their_speeds, ratios;
    for (int i = 0; i < options.repeats; ++i) {
        our_speeds.push_back(speed(our_count, ours));
        their_speeds.push_back(speed(their_count, theirs));
        ratios.push_back(our_speeds.back() / their_speeds.back());
    }
    std::printf("%7d %-12s %10.1f %10.1f %8.2f × rwkv.cpp  (%.2f to %.2f)\n", threads, work.c_str(),
                measure::median(our_speeds), measure::median(their_speeds), measure::median(ratios),
                *std::ranges::min_element(ratios), *std::ranges::max_element(ratios));
    std::fflush(stdout);
}

void run(const Options& options) {
    const rwkv::Model model = rwkv::load_model(options.directory, {.format = *rwkv::weight_format_of(options.format)});
    check_same(model, options);
    const std::string_view target = rwkv::kernels::chosen_target().name;
    std::printf("ours: kernels %.*s; theirs: %s\n\n", static_cast<int>(target.size()), target.data(),
                rwkv_get_system_info_string());
    std::printf("%7s %-12s %10s %10s\n", "threads", "tokens/s of", "ours", "theirs");
    for (const int threads : options.threads) {
        Theirs theirs(options.file, threads);
        rwkv::Workspace single(model.config(), {.threads = threads, .chunk = 1});
        rwkv::State state(model.config());
        std::size_t our_step = 0, their_step = 0;
        compare(
            options, threads, "decode", 1,
            [&] { static_cast<void>(model.forward(measure::some_token(model, ++our_step), state, single)); },
            [&] { theirs.decode(static_cast<std::uint32_t>(measure::some_token(model, ++their_step))); });
        rwkv::Workspace workspace(model.config(), {.threads = threads});
        for (const Index tokens : options.prompts) {
            const Text text(model, tokens);
            compare(
                options, threads, "prompt " + std::to_string(tokens), static_cast<double>(tokens),
                [&] {
                    state.reset();
                    static_cast<void>(model.forward(text.ours, state, workspace));
                },
                [&] {
                    theirs.reset();
                    theirs.read(text.theirs, static_cast<std::size_t>(std::min(tokens, options.chunk)));
                });
        }
    }
}

}  // namespace

int main(int argc, char** argv) {
    CLI::App app(
        "Times this library and rwkv.cpp with the same model, by turns, once their logits have been found to agree.");
    Options options;
    const std::vector<std::string> formats(rwkv::weight_format_names.begin(), rwkv::weight_format_names.end());
    app.add_option("-m,--model", options.directory, "the model for this library")->type_name("DIR")->required();
    app.add_option("--theirs", options.file, "the same model converted for rwkv.cpp")
        ->check(CLI::ExistingFile.description(""))
        ->type_name("FILE")
        ->required();
    app.add_option("--format", options.format, "our weight format, which should have as many bits as theirs")
        ->check(CLI::IsMember(formats).description(""))
        ->type_name("stored|f32|f16|bf16|q8|q4")
        ->capture_default_str();
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
    app.add_option("--chunk", options.chunk, "tokens that rwkv.cpp reads together")
        ->check(CLI::Range(1, 1 << 16).description(""))
        ->type_name("N")
        ->capture_default_str();
    app.add_option("--repeats", options.repeats, "runs of which the median counts")
        ->check(CLI::Range(1, 100000).description(""))
        ->type_name("N")
        ->capture_default_str();
    app.add_option("--tolerance", options.tolerance,
                   "how far logits may differ, root mean squares; 0: 0.001 for f32, 0.01, 0.05, 0.3 for 16, 8, 4 bits")
        ->check(CLI::Range(0.0, 10.0).description(""))
        ->type_name("R")
        ->capture_default_str();
    return terminal::run(app, argc, argv, [&] { run(options); });
}
