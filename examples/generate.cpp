// Continues a text.

#include <algorithm>
#include <cstdint>
#include <cstdio>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <nlohmann/json.hpp>

#include "constraint_option.hpp"
#include "draft_option.hpp"
#include "ids.hpp"
#include "model_options.hpp"
#include "sampling_options.hpp"
#include "text_input.hpp"

namespace {

nlohmann::json to_json(const rwkv::Generation& generation, bool ids) {
    nlohmann::json json = {{"tokens", generation.tokens},
                           {"log_probabilities", generation.log_probabilities},
                           {"finish_reason", rwkv::name(generation.finish_reason)},
                           {"prompt_tokens", generation.prompt_tokens},
                           {"decode_steps", generation.decode_steps},
                           {"drafted_tokens", generation.drafted_tokens},
                           {"accepted_tokens", generation.accepted_tokens},
                           {"prompt_seconds", generation.prompt_seconds},
                           {"decode_seconds", generation.decode_seconds}};
    if (!ids) json["text"] = generation.text;
    if (!generation.top_logprobs.empty()) {
        json["top_logprobs"] = nlohmann::json::array();
        for (const auto& alternatives : generation.top_logprobs) {
            nlohmann::json& place = json["top_logprobs"].emplace_back(nlohmann::json::array());
            for (const auto& [token, log_probability] : alternatives) place.push_back({token, log_probability});
        }
    }
    return json;
}

void print_speed(const rwkv::Generation& generation) {
    const auto speed = [](rwkv::Index steps, double seconds) {
        char text[32] = "-";
        if (steps > 0 && seconds > 0) std::snprintf(text, sizeof text, "%.1f", static_cast<double>(steps) / seconds);
        return std::string(text);
    };
    std::fprintf(stderr, "prompt %td tokens, %s/s; generated %td tokens, %s/s", generation.prompt_tokens,
                 speed(generation.prompt_tokens, generation.prompt_seconds).c_str(), std::ssize(generation.tokens),
                 speed(generation.decode_steps, generation.decode_seconds).c_str());
    if (generation.drafted_tokens > 0)
        std::fprintf(stderr, "; drafted %td tokens, accepted %td", generation.drafted_tokens,
                     generation.accepted_tokens);
    std::fprintf(stderr, "\n");
}

}  // namespace

int main(int argc, char** argv) {
    CLI::App app(
        "Continues a text with an RWKV-4 model. The text is written to standard output as it is generated, the speed\n"
        "to standard error. Decoding is greedy unless a temperature is given. Without --prompt or --prompt-file, the\n"
        "prompt is read from standard input.");
    ModelOptions options;
    rwkv::GenerationOptions generation;
    std::string prompt, prompt_file;
    bool ids = false, as_json = false;
    int num = 1;
    options.add_to(app);
    auto* prompt_option = app.add_option("-p,--prompt", prompt, "the text to continue")->type_name("TEXT");
    auto* file_option =
        app.add_option("--prompt-file", prompt_file, "file with the text to continue; -: standard input")
            ->type_name("FILE")
            ->excludes(prompt_option);
    numbers::add_integer(app, "--num", num, 1, 1 << 20, "number of continuations, each with the next seed");
    app.add_flag("--ids", ids, "read and write token ids; no tokenizer is needed");
    auto* json_option = app.add_flag("--json", as_json, "print each continuation as a JSON object once it is complete");
    numbers::add_integer(app, "--top-logprobs", generation.top_logprobs, 0, 1 << 20,
                         "report the N most likely tokens at each position")
        ->needs(json_option);
    add_sampling_options(app, generation);
    DraftOption draft;
    draft.add_to(app);
    ConstraintOption constraint_option;
    constraint_option.add_to(app);
    return terminal::run(app, argc, argv, [&] {
        constexpr std::uint64_t largest_prompt = std::uint64_t(1) << 30;
        // Before the model is loaded: bad options need not wait for it.
        check_sampling_options(generation);
        const std::optional<rwkv::Constraint> constraint = constraint_option.read();
        if (constraint && ids)
            throw rwkv::ArgumentError(ConstraintOption::group, "", "none with --ids, which needs no tokenizer", "one");
        std::string where = "prompt";
        if (*prompt_option) {
            prompt.erase(0, prompt.size() - text_input::without_mark(prompt, where).size());
        } else {
            if (!*file_option) prompt_file = "-";
            prompt = text_input::read(prompt_file, largest_prompt, "the prompt");
            where = prompt_file == "-" ? "standard input" : prompt_file;
        }
        std::optional<rwkv::Tokenizer> tokenizer;
        if (!ids) tokenizer = options.load_tokenizer();
        const std::vector<rwkv::TokenId> tokens =
            ids ? parse_ids(prompt, where) : text_input::encode(*tokenizer, prompt, where);
        if (tokens.empty()) throw rwkv::ArgumentError("prompt", "", "at least one token", "none");
        if (ids && !generation.stop_strings.empty())
            throw rwkv::ArgumentError("--stop", "", "none with --ids", std::to_string(generation.stop_strings.size()));

        rwkv::Model model = options.load();
        check_token_ids(generation, model.config().vocab_size);
        if (constraint) ConstraintOption::use(*constraint, *tokenizer, model.config(), generation);
        draw_seed(app, generation);
        // A draft is read in one chunk.
        const auto drafts = static_cast<std::size_t>(generation.speculation.max_draft_tokens);
        rwkv::WorkspaceOptions workspace = options.workspace(std::max(tokens.size(), drafts + 1));
        draft.load(generation.speculation, workspace);
        rwkv::Generator generator = ids ? rwkv::Generator(std::move(model), workspace)
                                        : rwkv::Generator(std::move(model), *tokenizer, workspace);
        // The prompt is read once for all continuations.
        const rwkv::Generation read =
            generator.generate(tokens, {.max_new_tokens = 0,
                                        .speculation = generation.speculation,  // is checked before anything is read
                                        .progress = terminal::progress()});
        std::optional<rwkv::Conversation> start;
        if (num > 1) start = generator.conversation();

        for (int i = 0; i < num; ++i) {
            if (i > 0) {
                generator.resume(*start);
                ++generation.sampling.seed;
            }
            if (num > 1 && !as_json)
                std::printf("%s--- %d of %d, seed %llu\n", i > 0 ? "\n" : "", i + 1, num,
                            static_cast<unsigned long long>(generation.sampling.seed));
            rwkv::Generation result;
            if (ids) {
                result = generator.generate(std::span<const rwkv::TokenId>(), generation,
                                            [&, first = true](rwkv::TokenId id) mutable {
                                                if (!as_json) std::printf(first ? "%d" : " %d", id);
                                                first = false;
                                                return terminal::output_arrived();
                                            });
            } else {
                result = generator.generate("", generation, [&](std::string_view piece) {
                    if (!as_json) std::fwrite(piece.data(), 1, piece.size(), stdout);
                    return terminal::output_arrived();
                });
            }
            result.prompt_tokens = read.prompt_tokens;
            result.prompt_seconds = read.prompt_seconds;
            if (as_json) {
                nlohmann::json json = to_json(result, ids);
                json["seed"] = generation.sampling.seed;
                std::printf("%s", json.dump().c_str());
            }
            std::printf("\n");
            if (!terminal::output_arrived()) break;  // also: before the line below, where both go to one terminal
            if (!as_json) print_speed(result);
        }
    });
}
