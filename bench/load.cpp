// Many clients of one model: what a Scheduler makes of the machine, and what it costs.

#include <sys/resource.h>
#include <time.h>

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
#include "synthetic_options.hpp"

namespace {

using rwkv::Index;
using Clock = std::chrono::steady_clock;

double seconds_since(Clock::time_point start) {
    return std::chrono::duration<double>(Clock::now() - start).count();
}

/// That this thread has run.
double thread_seconds() {
    timespec time{};
    ::clock_gettime(CLOCK_THREAD_CPUTIME_ID, &time);
    return static_cast<double>(time.tv_sec) + 1e-9 * static_cast<double>(time.tv_nsec);
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
    int rounds = 5;
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

    /// The time between two tokens of a running text: alone, which shows how quiet the machine is, and while a long
    /// prompt is read, by turns.
    void fairness() {
        for (const Index clients : options_.clients) {
            rwkv::Scheduler scheduler(model_, scheduler_options());
            std::vector<double> alone, beside, rounds_alone, rounds_beside;
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
            const auto longest_since = [](const std::vector<double>& seconds, std::size_t begin) {
                return *std::max_element(seconds.begin() + static_cast<std::ptrdiff_t>(begin), seconds.end());
            };
            double prompt_seconds = 1;
            for (int round = 0; round < options_.rounds; ++round) {
                gaps = &alone;
                const std::size_t alone_begin = alone.size(), beside_begin = beside.size();
                auto start = Clock::now();
                while (seconds_since(start) < std::min(prompt_seconds, 2.0)) scheduler.step();
                gaps = &beside;
                start = Clock::now();
                const rwkv::RequestHandle prompt =
                    scheduler.submit({.tokens = some_prompt(model_, options_.prompt, 99), .options = generation(1)});
                while (!prompt.done()) scheduler.step();
                prompt_seconds = seconds_since(start);
                const double median =
                    measure::median({alone.begin() + static_cast<std::ptrdiff_t>(alone_begin), alone.end()});
                rounds_alone.push_back(longest_since(alone, alone_begin) / median);
                rounds_beside.push_back(longest_since(beside, beside_begin) / median);
            }
            const double median = measure::median(alone);
            const auto print = [&](const char* when, std::vector<double> seconds, const std::vector<double>& rounds) {
                std::sort(seconds.begin(), seconds.end());
                const double own = measure::median(seconds), most = seconds[seconds.size() * 99 / 100];
                std::printf(
                    "%3td running, %s: %zu times between tokens, median %.2f ms; 99 %% below %.2f ms, longest %.2f ms: "
                    "%.2f and %.2f times the median alone, %.2f and %.2f times their own; longest of each round",
                    clients, when, seconds.size(), 1e3 * own, 1e3 * most, 1e3 * seconds.back(), most / median,
                    seconds.back() / median, most / own, seconds.back() / own);
                for (const double longest : rounds) std::printf(" %.2f", longest);
                std::printf("\n");
                std::fflush(stdout);
            };
            print("alone", alone, rounds_alone);
            print("beside a prompt", beside, rounds_beside);
            std::printf("%3td running: %td tokens of a prompt in %.2f s\n", clients, options_.prompt, prompt_seconds);
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
        std::vector<double> seconds, own_seconds;
        rwkv::Sequence sequence(model_.config());
        rwkv::Conversation found{rwkv::State(model_.config()), {}, {}};
        for (Index i = 0; i < options_.conversations; ++i) {
            std::vector<rwkv::TokenId> tokens =
                some_prompt(model_, 200, static_cast<std::size_t>(i * 7919 % options_.conversations));
            tokens.push_back(1);
            const double before_resuming = thread_seconds();
            seconds.push_back(measure::seconds_of([&] {
                const auto match = cache.find(tokens, found.state, found.logits);
                if (match.length != 200) std::abort();
                found.tokens = tokens;
                sequence.resume(found);
                sequence.begin(std::span<const rwkv::TokenId>(), {.max_new_tokens = 1});
            }));
            own_seconds.push_back(thread_seconds() - before_resuming);
        }
        const auto longest = [](const std::vector<double>& all) { return *std::max_element(all.begin(), all.end()); };
        std::printf(
            "%zu conversations: %.3f GB counted, %.3f GB more of the process; to resume one: %.3f ms, longest %.3f ms, "
            "of processor time %.3f ms; longer than 1 ms: %td\n",
            cache.size(), static_cast<double>(cache.bytes()) / 1e9, (after - before) / 1e9,
            1e3 * measure::median(seconds), 1e3 * longest(seconds), 1e3 * longest(own_seconds),
            std::count_if(seconds.begin(), seconds.end(), [](double one) { return one > 1e-3; }));
    }

    Options options_;
    rwkv::Model model_;
    mutable std::uint64_t generated_ = 0;
};

}  // namespace

int main(int argc, char** argv) {
    CLI::App app("Measures many requests run together, on random weights of a published shape.");
    Options options;
    synthetic::add_model_options(app, options.shape, options.format, options.threads);
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
    app.add_option("--rounds", options.rounds, "prompts read beside running texts, one after the other")
        ->check(CLI::Range(1, 1000).description(""))
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
