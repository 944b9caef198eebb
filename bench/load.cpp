// Many clients of one model: what a Scheduler makes of the machine, and what it costs.

#include <sys/resource.h>

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <memory>
#include <string>
#include <vector>

#include <CLI/CLI.hpp>

#include <rwkv/rwkv.hpp>
#include <rwkv/scheduler.hpp>

#include "../examples/terminal.hpp"
#include "measure.hpp"
#include "synthetic.hpp"

namespace {

using rwkv::Index;
using Clock = std::chrono::steady_clock;

double seconds_since(Clock::time_point start) {
    return std::chrono::duration<double>(Clock::now() - start).count();
}

double peak_memory() {
    rusage usage{};
    ::getrusage(RUSAGE_SELF, &usage);
    return static_cast<double>(usage.ru_maxrss) * 1024;
}

struct Options {
    std::string shape = "169m";
    std::string format = "q8";
    int threads = 2;
    std::vector<Index> clients{1, 8, 32};
    Index tokens = 64, prompt = 4000, conversations = 0;
    std::string only;
    bool sampled = false;
};

std::vector<rwkv::TokenId> some_prompt(const rwkv::Model& model, Index count, std::size_t seed) {
    std::vector<rwkv::TokenId> tokens;
    for (Index i = 0; i < count; ++i)
        tokens.push_back(measure::some_token(model, static_cast<std::size_t>(i) * 31 + seed * 7919));
    return tokens;
}

class Load {
  public:
    Load(const Options& options, rwkv::Model model) : options_(options), model_(std::move(model)) {}

    void run() {
        const auto wants = [&](const char* name) { return options_.only.empty() || options_.only == name; };
        if (wants("throughput")) throughput();
        if (wants("overhead")) overhead();
        if (wants("fairness")) fairness();
        if (wants("cached")) cached();
        if (options_.conversations > 0) conversations();
    }

  private:
    rwkv::SchedulerOptions scheduler_options() const {
        return {.workspace = {.threads = options_.threads}, .max_running = 64};
    }

    rwkv::GenerationOptions generation(Index tokens) const {
        // No token ends the text.
        rwkv::GenerationOptions options{.max_new_tokens = tokens,
                                        .sampling = {.suppress_tokens = {model_.config().eos_token_id}}};
        if (options_.sampled) {
            options.sampling.temperature = 1.0f;
            options.sampling.top_p = 0.85f;
        }
        return options;
    }

    /// Tokens a second of all clients together, once all of them generate.
    double tokens_per_second(rwkv::Scheduler& scheduler, Index clients, Index tokens) const {
        std::vector<rwkv::RequestHandle> handles;
        for (Index i = 0; i < clients; ++i)
            handles.push_back(scheduler.submit(
                {.tokens = some_prompt(model_, 8, static_cast<std::size_t>(i)), .options = generation(tokens + 4)}));
        while (scheduler.counts().generated_tokens < generated_ + static_cast<std::uint64_t>(4 * clients))
            scheduler.step();
        const auto before = scheduler.counts().generated_tokens;
        const auto start = Clock::now();
        while (scheduler.step()) {
        }
        const double seconds = seconds_since(start);
        generated_ = scheduler.counts().generated_tokens;
        return static_cast<double>(generated_ - before) / seconds;
    }

    void throughput() {
        rwkv::Scheduler scheduler(model_, scheduler_options());
        generated_ = 0;
        std::vector<std::vector<double>> speed(options_.clients.size());
        for (int repeat = 0; repeat < 5; ++repeat)
            for (std::size_t i = 0; i < options_.clients.size(); ++i)
                speed[i].push_back(tokens_per_second(scheduler, options_.clients[i], options_.tokens));
        for (std::size_t i = 0; i < options_.clients.size(); ++i)
            std::printf("%3td clients: %8.1f tokens/s, %5.2f times one client's\n", options_.clients[i],
                        measure::median(speed[i]), measure::median(speed[i]) / measure::median(speed[0]));
    }

    /// A pass of the scheduler against forward_batch, and against forward_batch with the same sampling.
    void overhead() {
        for (const Index clients : options_.clients) {
            rwkv::Scheduler scheduler(model_, scheduler_options());
            rwkv::Workspace workspace(model_.config(), {.threads = options_.threads});
            std::vector<rwkv::Sequence> sequences;
            std::vector<rwkv::State*> states;
            std::vector<rwkv::TokenId> tokens;
            for (Index i = 0; i < clients; ++i) {
                const auto prompt = some_prompt(model_, 8, static_cast<std::size_t>(i));
                scheduler.submit({.tokens = prompt, .options = generation(1 << 20)});
                rwkv::Sequence& sequence = sequences.emplace_back(model_.config());
                sequence.begin(prompt, generation(1 << 20));
                sequence.accept(model_.forward(sequence.pending(), sequence.state(), workspace));
            }
            for (rwkv::Sequence& sequence : sequences) states.push_back(&sequence.state());
            while (scheduler.counts().generated_tokens < static_cast<std::uint64_t>(2 * clients)) scheduler.step();
            const auto batch = [&](bool samples) {
                tokens.clear();
                for (const rwkv::Sequence& sequence : sequences) tokens.push_back(sequence.pending().front());
                model_.forward_batch(tokens, states, workspace, [&](Index i, std::span<const float> logits) {
                    if (samples) sequences[static_cast<std::size_t>(i)].accept(logits);
                    return true;
                });
            };
            std::vector<double> own, passes, sampled;
            const auto start = Clock::now();
            do {
                // The first of each finds the other's states in the caches, and is not counted.
                scheduler.step();
                own.push_back(measure::seconds_of([&] { scheduler.step(); }));
                batch(true);
                sampled.push_back(measure::seconds_of([&] { batch(true); }));
                passes.push_back(measure::seconds_of([&] { batch(false); }));
            } while (seconds_since(start) < 4);
            const double pass = measure::median(passes), with_sampling = measure::median(sampled);
            std::printf("%3td clients: forward_batch %6.2f ms, with sampling %6.2f ms, scheduler %6.2f ms: %+.2f %%\n",
                        clients, 1e3 * pass, 1e3 * with_sampling, 1e3 * measure::median(own),
                        100 * (measure::median(own) / with_sampling - 1));
        }
    }

    /// The time between two tokens of a running text, before and while a long prompt is read.
    void fairness() {
        for (const Index clients : {Index{1}, Index{8}}) {
            rwkv::Scheduler scheduler(model_, scheduler_options());
            std::vector<double> quiet, busy;
            std::vector<double>* gaps = nullptr;
            Clock::time_point last;
            const auto on_step = [&](const rwkv::Step&) {
                const auto now = Clock::now();
                if (gaps) gaps->push_back(std::chrono::duration<double>(now - last).count());
                last = now;
                return true;
            };
            std::vector<rwkv::RequestHandle> handles;
            for (Index i = 0; i < clients; ++i) {
                rwkv::Request request{.tokens = some_prompt(model_, 8, static_cast<std::size_t>(i)),
                                      .options = generation(1 << 20)};
                if (i == 0) request.on_step = on_step;
                handles.push_back(scheduler.submit(std::move(request)));
            }
            for (int i = 0; i < 20; ++i) scheduler.step();
            gaps = &quiet;
            for (int i = 0; i < 200; ++i) scheduler.step();
            for (int round = 0; round < 3; ++round) {
                gaps = &busy;
                const auto start = Clock::now();
                const auto before = busy.size();
                const rwkv::RequestHandle prompt =
                    scheduler.submit({.tokens = some_prompt(model_, options_.prompt, 99), .options = generation(1)});
                while (!prompt.done()) scheduler.step();
                const double seconds = seconds_since(start);
                std::vector<double> all = quiet, now(busy.begin() + static_cast<std::ptrdiff_t>(before), busy.end());
                all.insert(all.end(), busy.begin(), busy.end());
                std::sort(now.begin(), now.end());
                std::printf(
                    "%3td running: time between tokens alone %5.2f ms; while %td tokens are read (%.2f s, %zu "
                    "passes) median %5.2f ms, longest %5.2f ms: %.2f times that alone\n",
                    clients, 1e3 * measure::median(quiet), options_.prompt, seconds, now.size(),
                    1e3 * measure::median(now), 1e3 * now.back(), now.back() / measure::median(quiet));
            }
        }
    }

    /// The first token of a prompt that was seen before.
    void cached() {
        rwkv::SchedulerOptions with_cache = scheduler_options();
        with_cache.cache = std::make_shared<rwkv::PrefixCache>(model_.config());
        rwkv::Scheduler scheduler(model_, with_cache);
        std::vector<double> first, turn;
        auto prompt = some_prompt(model_, options_.prompt, 5);
        const auto seconds_to_first_token = [&] {
            double seconds = 0;
            const auto start = Clock::now();
            scheduler.submit({.tokens = prompt, .options = generation(1), .on_step = [&](const rwkv::Step&) {
                                  seconds = seconds_since(start);
                                  return true;
                              }});
            while (scheduler.step()) {
            }
            return seconds;
        };
        const double cold = seconds_to_first_token();
        for (int i = 1; i < 20; ++i) first.push_back(seconds_to_first_token());
        for (int i = 0; i < 20; ++i) {
            prompt.push_back(static_cast<rwkv::TokenId>(i + 1));
            turn.push_back(seconds_to_first_token());
        }
        std::printf(
            "first token of %td tokens: %.1f ms; seen before: %.3f ms (longest %.3f); one token more: %.2f ms\n",
            options_.prompt, 1e3 * cold, 1e3 * measure::median(first),
            1e3 * *std::max_element(first.begin(), first.end()), 1e3 * measure::median(turn));
    }

    /// States of many conversations, and how long it takes to go on with one.
    void conversations() {
        const double before = peak_memory();
        rwkv::PrefixCache cache(model_.config(), {.max_bytes = 2'000'000'000});
        rwkv::State state(model_.config());
        std::vector<float> logits;
        for (Index i = 0; i < options_.conversations; ++i) {
            state.numerator()(0, 0) = static_cast<float>(i);
            cache.insert(some_prompt(model_, 200, static_cast<std::size_t>(i)), state);
        }
        const double after = peak_memory();
        std::vector<double> seconds;
        rwkv::Sequence sequence(model_.config());
        rwkv::Conversation found{rwkv::State(model_.config()), {}, {}};
        for (Index i = 0; i < options_.conversations; ++i) {
            std::vector<rwkv::TokenId> tokens =
                some_prompt(model_, 200, static_cast<std::size_t>(i * 7919 % options_.conversations));
            tokens.push_back(1);
            seconds.push_back(measure::seconds_of([&] {
                const auto match = cache.find(tokens, found.state, found.logits);
                if (match.length != 200) std::abort();
                found.tokens = tokens;
                sequence.resume(found);
                sequence.begin(std::span<const rwkv::TokenId>(), {.max_new_tokens = 1});
            }));
        }
        std::printf(
            "%zu conversations: %.3f GB counted, %.3f GB more of the process; to resume one: %.3f ms, longest %.3f "
            "ms\n",
            cache.size(), static_cast<double>(cache.bytes()) / 1e9, (after - before) / 1e9,
            1e3 * measure::median(seconds), 1e3 * *std::max_element(seconds.begin(), seconds.end()));
    }

    Options options_;
    rwkv::Model model_;
    mutable std::uint64_t generated_ = 0;
};

}  // namespace

int main(int argc, char** argv) {
    CLI::App app("Measures many requests run together, on random weights of a published shape.");
    Options options;
    app.add_option("--shape", options.shape, "of the weights")
        ->check(CLI::IsMember({"169m", "430m", "1b5"}).description(""))
        ->type_name("169m|430m|1b5")
        ->capture_default_str();
    app.add_option("--format", options.format, "weight format")
        ->check(CLI::IsMember({"f32", "f16", "bf16", "q8", "q4"}).description(""))
        ->type_name("FORMAT")
        ->capture_default_str();
    app.add_option("-t,--threads", options.threads, "threads of a pass")
        ->check(CLI::Range(1, 1024).description(""))
        ->type_name("N")
        ->capture_default_str();
    app.add_option("--clients", options.clients, "numbers of requests at once")
        ->check(CLI::Range(1, 64).description(""))
        ->delimiter(',')
        ->type_name("N,…")
        ->capture_default_str();
    app.add_option("--tokens", options.tokens, "tokens generated for each")
        ->check(CLI::Range(1, 1 << 20).description(""))
        ->type_name("N")
        ->capture_default_str();
    app.add_option("--prompt", options.prompt, "tokens of the long prompt")
        ->check(CLI::Range(1, 1 << 20).description(""))
        ->type_name("N")
        ->capture_default_str();
    app.add_option("--conversations", options.conversations, "states kept and resumed")
        ->check(CLI::Range(1, 1 << 24).description(""))
        ->type_name("N");
    app.add_option("--only", options.only, "one measurement")
        ->check(CLI::IsMember({"throughput", "overhead", "fairness", "cached", "conversations"}).description(""))
        ->type_name("throughput|overhead|fairness|cached|conversations");
    app.add_flag("--sampled", options.sampled, "draw tokens at random (temperature 1, top-p 0.85)");
    return terminal::run(app, argc, argv, [&] {
        Load(options, synthetic::model(options.shape, *rwkv::weight_format_of(options.format))).run();
    });
}
