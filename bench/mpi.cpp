// A model that several processes share: what a pass takes, what its parts take, and what follows for other models.
//   mpirun -n 2 rwkv_bench_mpi --shape 169m --format q8

#include <mpi.h>

#include <algorithm>
#include <chrono>
#include <cstdint>
#include <cstdio>
#include <filesystem>
#include <memory>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include <CLI/CLI.hpp>

#include <rwkv/mpi.hpp>
#include <rwkv/rwkv.hpp>

#include "../examples/terminal.hpp"
#include "loading_memory.hpp"
#include "measure.hpp"
#include "synthetic.hpp"
#include "synthetic_file.hpp"
#include "synthetic_options.hpp"

namespace {

using rwkv::Index;

struct Options {
    std::string model, shape = "169m", format = "q8";
    int threads = 1, repeats = 100;
    std::vector<Index> batch{1, 8};
    std::vector<std::string> predict{"14b"};
    bool by_turns = false;
};

/// Ranks that can also exchange nothing: what is computed then is wrong, but takes as long as it does without waiting
/// for others.
class BenchRanks final : public rwkv::RankGroup {
  public:
    explicit BenchRanks(std::shared_ptr<rwkv::MpiRanks> ranks)
        : RankGroup(ranks->rank(), ranks->size()), ranks_(std::move(ranks)) {}

    void exchange(bool exchanges) noexcept { exchanges_ = exchanges; }
    void all_gather(rwkv::MatrixView<float> columns) noexcept override {
        if (exchanges_) ranks_->all_gather(columns);
    }
    void all_combine(rwkv::MatrixView<float> columns) noexcept override {
        if (exchanges_) ranks_->all_combine(columns);
    }
    void agree(const std::string& where, std::uint64_t number, const std::string& error) override {
        ranks_->agree(where, number, error);
    }

  private:
    std::shared_ptr<rwkv::MpiRanks> ranks_;
    bool exchanges_ = true;
};

/// Layers and hidden size of the published models.
std::pair<Index, Index> sizes_of(const std::string& shape) {
    return std::map<std::string, std::pair<Index, Index>>{{"169m", {12, 768}}, {"430m", {24, 1024}},
                                                          {"1b5", {24, 2048}}, {"3b", {32, 2560}},
                                                          {"7b", {32, 4096}},  {"14b", {40, 5120}}}
        .at(shape);
}

class Bench {
  public:
    explicit Bench(const Options& options)
        : options_(options),
          mpi_(std::make_shared<rwkv::MpiRanks>(MPI_COMM_WORLD)),
          ranks_(std::make_shared<BenchRanks>(mpi_)) {}

    void run() {
        std::string directory = options_.model;
        if (directory.empty()) directory = write_model();
        const rwkv::Model model = load(directory);
        if (options_.model.empty()) remove_model(directory);
        for (const Index texts : options_.batch) pass(model, texts);
    }

  private:
    bool speaks() const { return mpi_->rank() == 0; }

    std::string write_model() const {
        const auto directory = std::filesystem::temp_directory_path() / ("rwkv_bench_mpi-" + options_.shape);
        if (speaks()) {
            std::filesystem::create_directories(directory);
            synthetic::write_model(directory, synthetic::shape_of(options_.shape));
        }
        MPI_Barrier(MPI_COMM_WORLD);
        return directory.string();
    }
    void remove_model(const std::string& directory) const {
        MPI_Barrier(MPI_COMM_WORLD);
        if (speaks()) std::filesystem::remove_all(directory);
    }

    rwkv::Model load(const std::string& directory) {
        std::size_t peak = 0;
        rwkv::Model model = memory::watch_loading(
            [&] {
                return rwkv::load_model(
                    directory,
                    {.format = *rwkv::weight_format_of(options_.format), .threads = options_.threads, .ranks = ranks_});
            },
            peak);
        std::vector<std::uint64_t> numbers(static_cast<std::size_t>(2 * mpi_->size()));
        const std::uint64_t own[2] = {memory::held_bytes(model), peak};
        MPI_Gather(own, 2, MPI_UINT64_T, numbers.data(), 2, MPI_UINT64_T, 0, MPI_COMM_WORLD);
        for (int rank = 0; speaks() && rank < mpi_->size(); ++rank) {
            const std::uint64_t held = numbers[static_cast<std::size_t>(2 * rank)],
                                most = numbers[static_cast<std::size_t>(2 * rank + 1)];
            std::printf("rank %d of %d: %.1f MB of weights; loading took %.1f MB at most\n", rank, mpi_->size(),
                        static_cast<double>(held) / 1e6, static_cast<double>(most) / 1e6);
        }
        return model;
    }

    /// Median seconds of some work that all ranks do together, by the clock of the first.
    template <class Work>
    double median_of(int repeats, const Work& work) const {
        std::vector<double> seconds;
        for (int i = 0; i < 3; ++i) work();
        for (int i = 0; i < repeats; ++i) {
            MPI_Barrier(MPI_COMM_WORLD);
            seconds.push_back(measure::seconds_of(work));
        }
        return measure::median(seconds);
    }

    /// Waits for all ranks without taking their processors from them.
    static void wait_asleep() {
        MPI_Request all{};
        MPI_Ibarrier(MPI_COMM_WORLD, &all);
        for (int are_there = 0; are_there == 0;) {
            MPI_Test(&all, &are_there, MPI_STATUS_IGNORE);
            if (are_there == 0) std::this_thread::sleep_for(std::chrono::milliseconds(1));
        }
    }

    /// Median seconds of some work of each rank's own, of the slowest of them.
    template <class Work>
    double longest_median_of(int repeats, const Work& work) const {
        if (!options_.by_turns) return longest_of_ranks(median_of(repeats, work));
        std::vector<double> seconds;
        for (int rank = 0; rank < mpi_->size(); ++rank) {
            wait_asleep();
            if (rank != mpi_->rank()) continue;
            for (int i = 0; i < 3; ++i) work();
            for (int i = 0; i < repeats; ++i) seconds.push_back(measure::seconds_of(work));
        }
        wait_asleep();
        return longest_of_ranks(measure::median(seconds));
    }

    /// All wait for the slowest rank.
    static double longest_of_ranks(double seconds) {
        MPI_Allreduce(MPI_IN_PLACE, &seconds, 1, MPI_DOUBLE, MPI_MAX, MPI_COMM_WORLD);
        return seconds;
    }

    /// The seconds that gathering, or combining, a matrix of [rows × columns] takes.
    double exchange_seconds(Index rows, Index columns, bool gathers = true) const {
        if (mpi_->size() == 1) return 0;
        std::vector<float> memory(static_cast<std::size_t>(rows * columns));
        const rwkv::MatrixView<float> view(memory.data(), rows, columns, rows);
        constexpr int count = 20;  // one after the other, as in a pass
        return median_of(9,
                         [&] {
                             for (int i = 0; i < count; ++i) gathers ? mpi_->all_gather(view) : mpi_->all_combine(view);
                         }) /
               count;
    }

    /// Of all exchanges of a pass.
    double exchanging(Index layers, Index hidden, Index vocab, Index texts) const {
        return exchange_seconds(hidden, texts, false) +
               static_cast<double>(layers) *
                   (3 * exchange_seconds(hidden, texts) + exchange_seconds(4 * hidden, texts)) +
               exchange_seconds(vocab, texts);
    }

    void pass(const rwkv::Model& model, Index texts) {
        const rwkv::Config& config = model.config();
        rwkv::Workspace workspace(config, {.threads = options_.threads, .chunk = texts});
        std::vector<rwkv::State> states;
        std::vector<rwkv::State*> batch;
        std::vector<rwkv::TokenId> tokens;
        for (Index i = 0; i < texts; ++i) {
            states.emplace_back(config);
            tokens.push_back(measure::some_token(model, static_cast<std::size_t>(i)));
        }
        for (rwkv::State& state : states) batch.push_back(&state);
        const auto step = [&] {
            model.forward_batch(tokens, batch, workspace, [](Index, std::span<const float>) { return true; });
        };
        const rwkv::MpiRanks::Traffic before = mpi_->traffic();
        step();
        const rwkv::MpiRanks::Traffic once = mpi_->traffic();
        const double measured = median_of(options_.repeats, step);
        const rwkv::MpiRanks::Traffic all = mpi_->traffic();
        ranks_->exchange(false);
        const double computing = longest_median_of(options_.repeats, step);
        ranks_->exchange(true);
        const double exchanges = exchanging(config.num_hidden_layers, config.hidden_size, config.vocab_size, texts);
        const measure::Work work(model);
        const double speed = work.bytes() / computing;
        if (speaks()) {
            std::printf(
                "%3td texts: %.2f ms a pass, %.2f of them exchanging and waiting: %llu exchanges, %s received; "
                "predicted %.2f = %.2f computing (%.2f GB/s of this rank's weights) + %.2f exchanging: measured %.2f "
                "times that\n",
                texts, 1e3 * measured, 1e3 * (all.seconds - once.seconds) / (options_.repeats + 3),
                static_cast<unsigned long long>(once.exchanges - before.exchanges),
                terminal::size_of(once.bytes - before.bytes).c_str(), 1e3 * (computing + exchanges), 1e3 * computing,
                speed / 1e9, 1e3 * exchanges, measured / (computing + exchanges));
        }
        if (texts > 1) return;
        for (const std::string& shape : options_.predict) {
            const auto [layers, hidden] = sizes_of(shape);
            const double weights = static_cast<double>(hidden) * (13.0 * static_cast<double>(layers * hidden) +
                                                                  static_cast<double>(config.vocab_size));
            const double bytes = weights * work.bytes() / (work.block_weights + work.head_weights) / mpi_->size();
            const double reading = bytes / speed, gathering = exchanging(layers, hidden, config.vocab_size, 1);
            if (speaks())
                std::printf(
                    "%s in %s on %d ranks like these, predicted: %.1f ms a token = %.1f computing (%.2f GB each) "
                    "+ %.1f exchanging\n",
                    shape.c_str(), options_.format.c_str(), mpi_->size(), 1e3 * (reading + gathering), 1e3 * reading,
                    bytes / 1e9, 1e3 * gathering);
        }
    }

    Options options_;
    std::shared_ptr<rwkv::MpiRanks> mpi_;
    std::shared_ptr<BenchRanks> ranks_;
};

}  // namespace

int main(int argc, char** argv) {
    int provided = 0;
    MPI_Init_thread(&argc, &argv, MPI_THREAD_FUNNELED, &provided);
    CLI::App app(
        "Measures a model that the processes of mpirun share: loading, passes, and what their parts take one by one.\n"
        "What the parts add up to is compared with the passes, and computed for models of other sizes.");
    Options options;
    app.add_option("--model", options.model, "directory of a model; none: one of random weights is written")
        ->type_name("DIR");
    synthetic::add_model_options(app, options.shape, options.format, options.threads);
    app.add_option("--batch", options.batch, "numbers of texts at once")
        ->check(CLI::Range(1, 1024).description(""))
        ->delimiter(',')
        ->type_name("N,…")
        ->capture_default_str();
    app.add_flag("--by-turns", options.by_turns,
                 "measure what computing takes one rank after the other: with more ranks than processors");
    app.add_option("--repeats", options.repeats, "passes, of which the median counts")
        ->check(CLI::Range(1, 1 << 20).description(""))
        ->type_name("N")
        ->capture_default_str();
    app.add_option("--predict", options.predict, "models to predict")
        ->check(CLI::IsMember({"169m", "430m", "1b5", "3b", "7b", "14b"}).description(""))
        ->delimiter(',')
        ->type_name("SHAPE,…")
        ->capture_default_str();
    const int result = terminal::run(app, argc, argv, [&] { Bench(options).run(); });
    // The others may be waiting for this one.
    if (result != 0 && result != 2) MPI_Abort(MPI_COMM_WORLD, result);
    MPI_Finalize();
    return result;
}
