// Continues a text.

#include <cstdio>
#include <iostream>
#include <iterator>
#include <optional>
#include <string>

#include "ids.hpp"
#include "model_options.hpp"

int main(int argc, char** argv) {
    CLI::App app(
        "Continues a text with an RWKV-4 model. The text goes to standard output as it is made, the speed to\n"
        "standard error. Greedy unless a temperature is given. Without --prompt or --prompt-file the prompt is\n"
        "read from standard input.");
    ModelOptions options;
    rwkv::GenerationOptions generation;
    std::string prompt, prompt_file;
    bool ids = false;
    options.add_to(app);
    auto* prompt_option = app.add_option("-p,--prompt", prompt, "text to continue")->type_name("TEXT");
    auto* file_option = app.add_option("--prompt-file", prompt_file, "file with the text to continue, all of it")
                            ->type_name("F")
                            ->excludes(prompt_option);
    app.add_option("-n,--max-new-tokens", generation.max_new_tokens, "most tokens to add")
        ->check(CLI::Range(rwkv::Index(0), rwkv::Index(1) << 40).description(""))
        ->type_name("N")
        ->capture_default_str();
    app.add_option("--temperature", generation.temperature, "0: greedy; 1: as the model has it; above: wilder")
        ->type_name("T")
        ->capture_default_str();
    app.add_option("--top-k", generation.top_k, "draw from the K likeliest only; 0: all")
        ->type_name("K")
        ->capture_default_str();
    app.add_option("--top-p", generation.top_p, "draw from the likeliest that make up P of the probability")
        ->type_name("P")
        ->capture_default_str();
    app.add_option("--seed", generation.seed, "of the random numbers")->type_name("S")->capture_default_str();
    app.add_flag("--ids", ids, "the prompt is token ids, and so is what is printed; needs no tokenizer");
    return terminal::run(app, argc, argv, [&] {
        constexpr std::uint64_t largest_prompt = std::uint64_t(1) << 30;
        if (*file_option) {
            prompt = rwkv::io::read_text(prompt_file, largest_prompt);
        } else if (!*prompt_option) {
            prompt.assign(std::istreambuf_iterator<char>(std::cin), {});
        }
        std::optional<rwkv::Tokenizer> tokenizer;
        if (!ids) tokenizer = rwkv::load_tokenizer(options.model);
        const std::vector<rwkv::TokenId> tokens = ids ? parse_ids(prompt, "prompt") : tokenizer->encode(prompt);
        if (tokens.empty()) throw rwkv::ArgumentError("prompt", "", "at least one token", "none");

        const rwkv::Model model = options.load();
        generation.progress = terminal::progress_bar();
        rwkv::Generation result;
        if (ids) {
            rwkv::Generator generator(model, options.workspace(tokens.size()));
            result = generator.generate(tokens, generation, [first = true](rwkv::TokenId id) mutable {
                std::printf(first ? "%d" : " %d", id);
                first = false;
                return terminal::output_arrived();
            });
        } else {
            rwkv::Generator generator(model, *tokenizer, options.workspace(tokens.size()));
            result = generator.generate(prompt, generation, [](std::string_view piece) {
                std::fwrite(piece.data(), 1, piece.size(), stdout);
                return terminal::output_arrived();
            });
        }
        std::printf("\n");
        std::fflush(stdout);  // before the line below, where both go to one terminal
        const auto speed = [](rwkv::Index steps, double seconds) {
            char text[32] = "-";
            if (steps > 0 && seconds > 0)
                std::snprintf(text, sizeof text, "%.1f", static_cast<double>(steps) / seconds);
            return std::string(text);
        };
        std::fprintf(stderr, "prompt %td tokens, %s/s; generated %td tokens, %s/s\n", result.prompt_tokens,
                     speed(result.prompt_tokens, result.prompt_seconds).c_str(), std::ssize(result.tokens),
                     speed(result.decode_steps, result.decode_seconds).c_str());
    });
}
