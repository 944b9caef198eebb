// Continues a text.

#include <cstdio>
#include <fstream>
#include <iostream>
#include <iterator>
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
    app.add_option("--prompt-file", prompt_file, "file with the text to continue")
        ->type_name("F")
        ->excludes(prompt_option);
    app.add_option("-n,--max-new-tokens", generation.max_new_tokens, "most tokens to add")
        ->check(CLI::NonNegativeNumber.description(""))
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
    CLI11_PARSE(app, argc, argv);

    return terminal::run("generate", [&] {
        constexpr std::uint64_t largest_prompt = std::uint64_t(1) << 30;
        if (!prompt_file.empty()) {
            prompt = rwkv::io::read_text(prompt_file, largest_prompt);
        } else if (prompt_option->empty()) {
            prompt.assign(std::istreambuf_iterator<char>(std::cin), {});
        }
        const rwkv::Model model = options.load();
        generation.progress = terminal::progress_bar();

        rwkv::Generation result;
        if (ids) {
            rwkv::Generator generator(model, options.workspace());
            result =
                generator.generate(parse_ids(prompt, "prompt"), generation, [first = true](rwkv::TokenId id) mutable {
                    std::printf(first ? "%d" : " %d", id);
                    std::fflush(stdout);
                    first = false;
                    return true;
                });
        } else {
            rwkv::Generator generator(model, rwkv::load_tokenizer(options.model), options.workspace());
            result = generator.generate(prompt, generation, [](std::string_view piece) {
                std::fwrite(piece.data(), 1, piece.size(), stdout);
                std::fflush(stdout);
                return true;
            });
        }
        std::printf("\n");
        if (std::fflush(stdout) != 0 || std::ferror(stdout))
            throw rwkv::FileError("standard output", "", "room for the text", "an error");
        const auto speed = [](rwkv::Index tokens, double seconds) {
            return seconds > 0 ? static_cast<double>(tokens) / seconds : 0.0;
        };
        std::fprintf(stderr, "prompt %td tokens, %.1f/s; generated %td tokens, %.1f/s\n", result.prompt_tokens,
                     speed(result.prompt_tokens, result.prompt_seconds), std::ssize(result.tokens),
                     speed(std::ssize(result.tokens), result.decode_seconds));
    });
}
