// How fast a model decodes where other work has the processors: with 1, 2, 4 … 64 threads, beside as many spinning
// processes as there are processors, by turns, and against one thread. More threads should never be slower.

#include <sched.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstdio>
#include <exception>
#include <memory>
#include <string>
#include <vector>

#include <CLI/CLI.hpp>

#include <rwkv/rwkv.hpp>

#include "measure.hpp"

namespace {

/// Processes that do nothing but take processors, until it is destroyed.
class Load {
  public:
    explicit Load(int processes) {
        for (int i = 0; i < processes; ++i) {
            const pid_t child = ::fork();
            if (child == 0) {
                ::prctl(PR_SET_PDEATHSIG, SIGKILL);
                for (volatile unsigned count = 0;;) count = count + 1;
            }
            if (child > 0) children_.push_back(child);
        }
    }
    Load(const Load&) = delete;
    Load& operator=(const Load&) = delete;
    ~Load() {
        for (const pid_t child : children_) {
            ::kill(child, SIGKILL);
            ::waitpid(child, nullptr, 0);
        }
    }

  private:
    std::vector<pid_t> children_;
};

/// The calling thread as SCHED_FIFO, ahead of all ordinary threads, until it is destroyed.
class RealTime {
  public:
    RealTime() {
        const sched_param priority{.sched_priority = 50};
        permitted_ = ::sched_setscheduler(0, SCHED_FIFO | SCHED_RESET_ON_FORK, &priority) == 0;
    }
    RealTime(const RealTime&) = delete;
    RealTime& operator=(const RealTime&) = delete;
    ~RealTime() {
        const sched_param priority{};
        if (permitted_) ::sched_setscheduler(0, SCHED_OTHER, &priority);
    }
    bool permitted() const { return permitted_; }

  private:
    bool permitted_;
};

struct Caller {
    explicit Caller(const rwkv::Model& model, int threads)
        : state(model.config()), workspace(model.config(), {.threads = threads}) {}
    rwkv::State state;
    rwkv::Workspace workspace;
    std::vector<double> rates = {};
};

/// Decodes for that long, and adds the tokens per second.
void measure_rate(const rwkv::Model& model, Caller& caller, double seconds) {
    int tokens = 0;
    const double spent = measure::seconds_of([&] {
        const auto end = std::chrono::steady_clock::now() + std::chrono::duration<double>(seconds);
        for (; tokens == 0 || std::chrono::steady_clock::now() < end; ++tokens)
            static_cast<void>(model.forward(rwkv::TokenId(1), caller.state, caller.workspace));
    });
    caller.rates.push_back(tokens / spent);
}

void measure_all(const rwkv::Model& model, const std::string& name, const std::vector<int>& threads, int processes,
                 int rounds, double seconds, bool real_time) {
    std::vector<std::unique_ptr<Caller>> callers;
    for (const int count : threads) callers.push_back(std::make_unique<Caller>(model, count));
    {
        const Load load(processes);
        const auto as = real_time ? std::make_unique<RealTime>() : nullptr;
        if (as && !as->permitted()) {
            std::printf("%-24s skipped: this user may not be SCHED_FIFO\n", name.c_str());
            return;
        }
        for (int round = 0; round < rounds; ++round)
            for (const auto& caller : callers) measure_rate(model, *caller, seconds);
    }
    for (std::size_t i = 0; i < callers.size(); ++i) {
        std::vector<double> ratios = callers[i]->rates;
        for (std::size_t round = 0; round < ratios.size(); ++round) ratios[round] /= callers.front()->rates[round];
        std::printf("%-24s %7d %10.0f %10.2f\n", name.c_str(), threads[i], measure::median(callers[i]->rates),
                    measure::median(ratios));
    }
    std::fflush(stdout);
}

}  // namespace

int main(int argc, char** argv) try {
    std::string directory = RWKV_DEMO_MODEL;
    std::vector<int> threads{1, 2, 4, 8, 16, 32, 64};
    int rounds = 9, load = rwkv::thread_count(0);
    double seconds = 0.3;
    CLI::App app("Decodes beside processes that take the processors, and prints what more threads are worth there.");
    app.add_option("--model", directory, "directory of the model")->capture_default_str();
    app.add_option("--threads", threads, "numbers of threads, the first of which the others are compared with")
        ->delimiter(',');
    app.add_option("--load", load, "spinning processes")->capture_default_str();
    app.add_option("--rounds", rounds, "number of rounds, of which the median is printed")->capture_default_str();
    app.add_option("--seconds", seconds, "of one measurement")->capture_default_str();
    CLI11_PARSE(app, argc, argv);

    const rwkv::Model model = rwkv::load_model(directory, {.format = rwkv::WeightFormat::q8});
    std::printf("%-24s %7s %10s %10s\n", "caller", "threads", "tokens/s", "ratio");
    measure_all(model, "no load", threads, 0, rounds, seconds, false);
    measure_all(model, "load", threads, load, rounds, seconds, false);
    measure_all(model, "load, SCHED_FIFO", threads, load, rounds, seconds, true);
} catch (const std::exception& error) {
    std::fprintf(stderr, "busy: %s\n", error.what());
    return 1;
}
