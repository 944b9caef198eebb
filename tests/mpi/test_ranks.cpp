// For mpirun: processes that share a model compute the numbers of one machine, bit by bit; and what loading takes.
//   test_ranks bits MODEL_DIR...
//   test_ranks memory EMPTY_DIR

#include <mpi.h>

#include <cstdio>
#include <exception>
#include <memory>
#include <span>
#include <stdexcept>
#include <string>
#include <string_view>
#include <vector>

#include <rwkv/mpi.hpp>
#include <rwkv/rwkv.hpp>

#include "../../bench/loading_memory.hpp"
#include "../../bench/synthetic_file.hpp"

namespace {

using namespace rwkv;

/// Logits of tokens one by one, of prompts of several lengths, of batches of up to nine texts that go on token by
/// token, and of ragged ones.
std::vector<float> all_logits(const Model& model) {
    std::vector<float> all;
    const auto keep = [&](std::span<const float> logits) {
        all.insert(all.end(), logits.begin(), logits.end());
        return true;
    };
    const auto token = [&](Index i) { return static_cast<TokenId>(i * 31 % model.config().vocab_size); };
    std::vector<TokenId> tokens;
    for (Index i = 0; i < 70; ++i) tokens.push_back(token(i));
    Workspace workspace(model.config(), {.threads = 1, .chunk = 64});
    State state(model.config());
    for (Index i = 0; i < 5; ++i) keep(model.forward(token(i), state, workspace));
    for (const std::size_t length : {std::size_t{3}, std::size_t{17}, tokens.size()})
        keep(model.forward(std::span(tokens).first(length), state, workspace));
    for (const Index texts : {2, 9}) {
        std::vector<State> states;
        std::vector<State*> batch;
        for (Index i = 0; i < texts; ++i) states.emplace_back(model.config());
        for (State& one : states) batch.push_back(&one);
        for (Index step = 0; step < 4; ++step) {
            std::vector<TokenId> next;
            for (Index i = 0; i < texts; ++i) next.push_back(token(7 * i + step));
            model.forward_batch(next, batch, workspace,
                                [&](Index, std::span<const float> logits) { return keep(logits); });
        }
        std::vector<SequenceTokens> ragged;
        for (Index i = 0; i < texts; ++i)
            ragged.push_back(
                {std::span(tokens).subspan(static_cast<std::size_t>(i), static_cast<std::size_t>(1 + 5 * i)),
                 batch[static_cast<std::size_t>(i)], i % 2 == 0 ? LogitsFor::last : LogitsFor::all});
        model.forward(ragged, workspace, [&](Index, Index, std::span<const float> logits) { return keep(logits); });
    }
    return all;
}

void check_bits(const std::string& directory, const std::shared_ptr<MpiRanks>& ranks) {
    for (const WeightFormat format : {WeightFormat::stored, WeightFormat::f16, WeightFormat::q8, WeightFormat::q4}) {
        const std::vector<float> alone = all_logits(load_model(directory, {.format = format, .threads = 1}));
        const MpiRanks::Traffic before = ranks->traffic();
        const std::vector<float> shared =
            all_logits(load_model(directory, {.format = format, .threads = 1, .ranks = ranks}));
        if (ranks->size() > 1 && ranks->traffic().exchanges == before.exchanges)
            throw std::runtime_error("no exchange");
        if (shared != alone)
            throw std::runtime_error(directory + ", " + std::string(name(format)) + ": rank " +
                                     std::to_string(ranks->rank()) + " of " + std::to_string(ranks->size()) +
                                     " has other logits than one machine");
        if (ranks->rank() == 0)
            std::printf("%d ranks, %s: %zu logits are those of one machine\n", ranks->size(),
                        std::string(name(format)).c_str(), alone.size());
    }
}

/// What loading takes beside the weights that a rank holds: 64 MB at most.
void check_memory(const std::string& directory, const std::shared_ptr<MpiRanks>& ranks) {
    Config config;
    config.num_hidden_layers = 12;
    config.hidden_size = config.attention_hidden_size = 768;
    config.intermediate_size = 4 * 768;
    if (ranks->rank() == 0) synthetic::write_model(directory, config);
    MPI_Barrier(MPI_COMM_WORLD);
    for (const WeightFormat format : {WeightFormat::stored, WeightFormat::f32, WeightFormat::q8, WeightFormat::q4}) {
        std::size_t peak = 0;
        const Model model = memory::watch_loading(
            [&] { return load_model(directory, {.format = format, .threads = 1, .ranks = ranks}); }, peak);
        const double held = static_cast<double>(memory::held_bytes(model)) / 1e6,
                     most = static_cast<double>(peak) / 1e6;
        std::printf("rank %d of %d, %s: %.1f MB of weights, loading took %.1f MB at most\n", ranks->rank(),
                    ranks->size(), std::string(name(format)).c_str(), held, most);
        if (most > held + 64) throw std::runtime_error("loading takes more than 64 MB beside the weights");
        if (most < 0.9 * held)
            throw std::runtime_error("loading takes less than the weights: the peak is not measured");
    }
}

}  // namespace

int main(int argc, char** argv) {
    int provided = 0;
    MPI_Init_thread(&argc, &argv, MPI_THREAD_FUNNELED, &provided);
    try {
        const auto ranks = std::make_shared<MpiRanks>(MPI_COMM_WORLD);
        if (argc < 3) throw std::runtime_error("expected bits or memory, and a directory");
        for (int i = 2; i < argc; ++i) {
            if (std::string_view(argv[1]) == "bits")
                check_bits(argv[i], ranks);
            else
                check_memory(argv[i], ranks);
        }
    } catch (const std::exception& error) {
        std::fprintf(stderr, "FAILED: %s\n", error.what());
        MPI_Abort(MPI_COMM_WORLD, 1);
    }
    MPI_Finalize();
    return 0;
}
