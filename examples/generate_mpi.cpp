// Continues a text with a model that several processes share by rows, for models larger than one machine:
//   mpirun -n 2 generate_mpi --model DIR --prompt TEXT

#include <mpi.h>

#include <cstdint>
#include <cstdio>
#include <exception>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include <rwkv/mpi.hpp>

#include "model_options.hpp"
#include "sampling_options.hpp"
#include "text_input.hpp"

namespace {

/// MPI, for the life of the program.
class Mpi {
  public:
    Mpi(int& argc, char**& argv) {
        int provided = 0;
        MPI_Init_thread(&argc, &argv, MPI_THREAD_FUNNELED, &provided);
        MPI_Comm_rank(MPI_COMM_WORLD, &rank_);
    }
    ~Mpi() { MPI_Finalize(); }
    Mpi(const Mpi&) = delete;
    Mpi& operator=(const Mpi&) = delete;

    /// Whether this is the process that reads and writes.
    bool speaks() const noexcept { return rank_ == 0; }

    /// What the process that speaks has.
    std::string broadcast(std::string text) const {
        std::uint64_t size = text.size();
        MPI_Bcast(&size, 1, MPI_UINT64_T, 0, MPI_COMM_WORLD);
        text.resize(size);
        MPI_Bcast(text.data(), static_cast<int>(size), MPI_BYTE, 0, MPI_COMM_WORLD);
        return text;
    }

  private:
    int rank_ = 0;
};

/// "12.3 ms a token, 4.5 of them exchanging: 98 exchanges, 640.0 kB"
void print_costs(const char* what, rwkv::Index tokens, double seconds, const rwkv::MpiRanks::Traffic& before,
                 const rwkv::MpiRanks::Traffic& after) {
    if (tokens == 0) return;
    const auto each = [&](double number) { return number / static_cast<double>(tokens); };
    std::fprintf(
        stderr, "%s %td tokens: %.2f ms a token, of which %.2f exchanging; %.1f exchanges, %s a token\n", what, tokens,
        1e3 * each(seconds), 1e3 * each(after.seconds - before.seconds),
        each(static_cast<double>(after.exchanges - before.exchanges)),
        terminal::size_of(static_cast<std::uint64_t>(each(static_cast<double>(after.bytes - before.bytes)))).c_str());
}

void generate(const Mpi& mpi, const ModelOptions& options, const std::string& prompt,
              const rwkv::GenerationOptions& generation) {
    const auto ranks = std::make_shared<rwkv::MpiRanks>(MPI_COMM_WORLD);
    const rwkv::Tokenizer tokenizer = options.load_tokenizer();
    const std::vector<rwkv::TokenId> tokens = text_input::encode(tokenizer, prompt, "prompt");
    if (tokens.empty()) throw rwkv::ArgumentError("prompt", "", "at least one token", "none");
    rwkv::LoadOptions load = options.load_options();
    load.ranks = ranks;
    if (!mpi.speaks()) load.progress = {};
    rwkv::Generator generator(rwkv::load_model(options.model, load), tokenizer, options.workspace(tokens.size()));

    const rwkv::MpiRanks::Traffic start = ranks->traffic();
    const rwkv::Generation read = generator.generate(tokens, {.max_new_tokens = 0});
    const rwkv::MpiRanks::Traffic middle = ranks->traffic();
    const rwkv::Generation result = generator.generate("", generation, [&](std::string_view piece) {
        if (!mpi.speaks()) return true;
        std::fwrite(piece.data(), 1, piece.size(), stdout);
        // The others would wait for this one.
        if (!terminal::output_arrived()) throw std::runtime_error("cannot write to standard output");
        return true;
    });
    if (!mpi.speaks()) return;
    std::printf("\n");
    print_costs("prompt", read.prompt_tokens, read.prompt_seconds, start, middle);
    print_costs("generated", result.decode_steps, result.decode_seconds, middle, ranks->traffic());
}

}  // namespace

int main(int argc, char** argv) {
    const Mpi mpi(argc, argv);
    CLI::App app(
        "Continues a text with an RWKV-4 model that is split across the processes of mpirun: each holds some rows of\n"
        "every matrix, so the model can be larger than one machine. The text is the same as on one machine. Every\n"
        "machine needs the model's files at the same path. Without --prompt, the prompt is read from standard input.");
    ModelOptions options;
    rwkv::GenerationOptions generation;
    std::string prompt;
    options.threads = 1;
    options.add_to(app);
    options.threads_option->description("number of threads of each process; 0: one for each processor that it may use");
    auto* prompt_option = app.add_option("-p,--prompt", prompt, "the text to continue")->type_name("TEXT");
    add_sampling_options(app, generation);
    const int result = terminal::run(app, argc, argv, [&] {
        check_sampling_options(generation);
        if (!*prompt_option && mpi.speaks()) prompt = text_input::read("-", std::uint64_t(1) << 30, "the prompt");
        prompt = mpi.broadcast(prompt);
        if (mpi.speaks()) draw_seed(app, generation);
        MPI_Bcast(&generation.sampling.seed, 1, MPI_UINT64_T, 0, MPI_COMM_WORLD);
        generate(mpi, options, prompt, generation);
    });
    // The others may be waiting for this one.
    if (result != 0 && result != 2) MPI_Abort(MPI_COMM_WORLD, result);
    return result;
}
