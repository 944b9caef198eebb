// What a model directory or a file of tensors holds, and whether it is sound.

#include <cstdio>
#include <filesystem>
#include <string>

#include <CLI/CLI.hpp>

#include <rwkv/checkpoint/checkpoint.hpp>
#include <rwkv/checkpoint/export_plan.hpp>
#include <rwkv/checkpoint/tokenizer_file.hpp>
#include <rwkv/core/quote.hpp>
#include <rwkv/io/pytorch.hpp>
#include <rwkv/rwkv.hpp>

#include "demo_model.hpp"
#include "hub_name.hpp"
#include "terminal.hpp"

namespace {

void print_tensors(const rwkv::checkpoint::Checkpoint& checkpoint) {
    std::uint64_t bytes = 0;
    std::printf("tensors\n");
    for (const rwkv::checkpoint::CheckpointTensor& tensor : checkpoint.tensors()) {
        std::printf("  %-52s %-5s %-16s %s\n", rwkv::core::quoted(tensor.info.name).c_str(),
                    std::string(rwkv::core::name(tensor.info.dtype)).c_str(),
                    rwkv::core::to_string(tensor.info.shape).c_str(), terminal::size_of(tensor.info.bytes).c_str());
        bytes += tensor.info.bytes;
    }
    std::printf("  %zu tensors in %zu file%s, %s\n", checkpoint.tensors().size(), checkpoint.file_count(),
                checkpoint.file_count() == 1 ? "" : "s", terminal::size_of(bytes).c_str());
    if (!checkpoint.metadata().empty()) std::printf("metadata\n");
    for (const auto& [key, value] : checkpoint.metadata())
        std::printf("  %s: %s\n", rwkv::core::quoted(key).c_str(), rwkv::core::quoted(value).c_str());
}

void print_config(const rwkv::Config& config) {
    std::printf("config\n");
    const auto line = [](const char* name, rwkv::Index value) { std::printf("  %-22s %td\n", name, value); };
    line("vocab_size", config.vocab_size);
    line("context_length", config.context_length);
    line("hidden_size", config.hidden_size);
    line("num_hidden_layers", config.num_hidden_layers);
    line("attention_hidden_size", config.attention_hidden_size);
    line("intermediate_size", config.intermediate_size);
    std::printf("  %-22s %g\n", "layer_norm_epsilon", config.layer_norm_epsilon);
    line("rescale_every", config.rescale_every);
    std::printf("  %-22s %s\n", "tie_word_embeddings", config.tie_word_embeddings ? "true" : "false");
    line("bos_token_id", config.bos_token_id);
    line("eos_token_id", config.eos_token_id);
}

void inspect_model(const std::filesystem::path& directory, const std::string& given) {
    const rwkv::checkpoint::CheckpointPlan plan(directory, rwkv::WeightFormat::stored, rwkv::io::read_pytorch_tensors);
    print_config(plan.config());
    print_tensors(plan.checkpoint());
    const rwkv::State state(plan.config());
    const rwkv::Workspace workspace(plan.config(), {.threads = 1, .chunk = 1});
    const auto state_bytes = (2 * state.hidden_size() + 3 * state.attention_hidden_size()) * state.num_hidden_layers() *
                             static_cast<rwkv::Index>(sizeof(float));
    std::printf("memory\n  %-22s %s\n  %-22s %s\n  %-22s %s\n", "weights",
                terminal::size_of(plan.bytes_in_memory()).c_str(), "state",
                terminal::size_of(static_cast<std::uint64_t>(state_bytes)).c_str(), "workspace (rnn)",
                terminal::size_of(workspace.bytes()).c_str());
    for (const std::string& warning : plan.warnings()) std::printf("note: %s\n", warning.c_str());
    rwkv::checkpoint::check_weights(plan, terminal::progress());
    const rwkv::checkpoint::ModelLocation location(directory);
    if (!given.empty() || rwkv::checkpoint::find_tokenizer_among(*location.files, plan.config().vocab_size)) {
        const rwkv::Tokenizer tokenizer =
            given.empty() ? rwkv::load_tokenizer(directory, plan.config()) : rwkv::load_tokenizer(given);
        rwkv::check_tokenizer(tokenizer, plan.config(), directory.string());
        std::printf("tokenizer\n  %-22s %zu\n", "vocabulary", tokenizer.vocab_size());
        const std::string mismatch = rwkv::describe_mismatch(tokenizer, plan.config());
        if (!mismatch.empty()) std::printf("note: %s\n", mismatch.c_str());
    } else {
        std::printf("tokenizer\n  none\n");
    }
}

void inspect_file(const std::filesystem::path& path) {
    const auto checkpoint = rwkv::checkpoint::Checkpoint::open(path, rwkv::io::read_pytorch_tensors);
    print_tensors(checkpoint);
    for (const std::string& warning : checkpoint.warnings()) std::printf("note: %s\n", warning.c_str());
}

}  // namespace

int main(int argc, char** argv) {
    CLI::App app(
        "Shows what a model directory, a safetensors file or a PyTorch file contains, and checks all of it.\n"
        "The exit code is 0 if it is sound; otherwise 1, with the reason on standard error.");
    std::string path, tokenizer;
    app.add_option("path", path, "model directory, a .safetensors, .bin or .pth file, or an index")
        ->each(&refuse_hub_name)
        ->required()
        ->type_name("PATH");
    add_tokenizer_option(app, tokenizer);
    return terminal::run(app, argc, argv, [&] {
        std::error_code ignored;  // what is wrong with the path, opening the file will say
        std::filesystem::is_directory(path, ignored) ? inspect_model(path, tokenizer) : inspect_file(path);
        std::printf("sound\n");
    });
}
