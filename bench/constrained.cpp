// What a constraint costs and gains while a model generates: tokens per second of text that is held to a schema of
// function calls, and of text that is held to an expression which forces nothing, each beside free text of as many
// tokens, by turns.
#include <algorithm>
#include <cstdint>
#include <cstdio>
#include <memory>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

#include <CLI/CLI.hpp>

#include <rwkv/constraint.hpp>
#include <rwkv/rwkv.hpp>

#include "../examples/demo_model.hpp"
#include "../examples/terminal.hpp"
#include "measure.hpp"
#include "synthetic.hpp"

namespace {

using rwkv::Index;

constexpr const char* function_calls = R"({"oneOf": [
  {"type": "object", "additionalProperties": false, "required": ["name", "arguments"], "properties": {
    "name": {"const": "get_weather"},
    "arguments": {"type": "object", "additionalProperties": false, "required": ["location", "unit", "days"], "properties": {
      "location": {"type": "string", "maxLength": 24},
      "unit": {"enum": ["celsius", "fahrenheit"]},
      "days": {"type": "integer", "minimum": 1, "maximum": 14}}}}},
  {"type": "object", "additionalProperties": false, "required": ["name", "arguments"], "properties": {
    "name": {"const": "set_reminder"},
    "arguments": {"type": "object", "additionalProperties": false, "required": ["date", "title", "priority"], "properties": {
      "date": {"type": "string", "format": "date"},
      "title": {"type": "string", "maxLength": 40},
      "priority": {"enum": ["low", "normal", "high"]}}}}},
  {"type": "object", "additionalProperties": false, "required": ["name", "arguments"], "properties": {
    "name": {"const": "convert_currency"},
    "arguments": {"type": "object", "additionalProperties": false, "required": ["amount", "from", "to"], "properties": {
      "amount": {"type": "number", "minimum": 0},
      "from": {"type": "string", "pattern": "^[A-Z]{3}$"},
      "to": {"type": "string", "pattern": "^[A-Z]{3}$"}}}}}]})";

struct Options {
    std::string directory = demo_model(), shape, tokenizer;
    std::vector<std::string> formats{"q8"};
    std::vector<int> threads{1};
    Index tokens = 200;
    int repeats = 9;
};

void run(const Options& options) {
    const rwkv::Tokenizer tokenizer =
        rwkv::load_tokenizer(options.tokenizer.empty() ? options.directory : options.tokenizer);
    const rwkv::TokenVocabulary vocabulary(tokenizer);
    const std::vector<std::pair<const char*, rwkv::Constraint>> cases{
        {"function call", rwkv::json_schema(function_calls)}, {"any text", rwkv::regex("(.|\n)*")}};
    std::printf("weights of %s; by turns, medians of %d\n",
                options.shape.empty() ? options.directory.c_str() : (options.shape + " are random").c_str(),
                options.repeats);
    std::printf("%-6s %7s %-14s %7s %7s %12s %12s %7s\n", "format", "threads", "text", "tokens", "forced", "free, 1/s",
                "held, 1/s", "ratio");
    for (const std::string& format : options.formats) {
        const rwkv::WeightFormat weights = *rwkv::weight_format_of(format);
        const rwkv::Model model =
            options.shape.empty()
                ? rwkv::load_model(options.directory, {.format = weights})
                : synthetic::model(options.shape, weights, static_cast<Index>(tokenizer.vocab_size() + 63) / 64 * 64);
        for (const int threads : options.threads) {
            rwkv::Generator generator(model, tokenizer, {.threads = threads});
            for (const auto& [name, constraint] : cases) {
                const auto compiled = rwkv::token_constraint(constraint, vocabulary);
                std::vector<double> free_speed, held_speed, ratio, tokens, forced;
                Index length = options.tokens;                // of free text: that of the latest held one
                for (int i = -1; i < options.repeats; ++i) {  // the first turn finds masks, and counts for nothing
                    rwkv::GenerationOptions held{.max_new_tokens = options.tokens};
                    held.sampling.temperature = 0.8f;
                    held.sampling.seed = static_cast<std::uint64_t>(i + 2);
                    rwkv::GenerationOptions free = held;
                    held.sampling.constraint = compiled;
                    // Every token of a free text has to be drawn; so has one of any text, but for the end.
                    free.sampling.suppress_tokens = {model.config().eos_token_id};
                    if (constraint.matches("")) held.sampling.suppress_tokens = free.sampling.suppress_tokens;
                    free.max_new_tokens = length;
                    const auto speed = [&](const rwkv::GenerationOptions& some, rwkv::Generation& text) {
                        generator.reset();
                        const double seconds =
                            measure::seconds_of([&] { text = generator.generate("Once upon a time", some); });
                        return static_cast<double>(text.tokens.size()) / seconds;
                    };
                    rwkv::Generation text, free_text;
                    const double before = i % 2 != 0 ? speed(free, free_text) : 0;  // in turn, one or the other first
                    const double of_held = speed(held, text);
                    const double of_free = i % 2 != 0 ? before : speed(free, free_text);
                    length = std::ssize(text.tokens);
                    rwkv::Matcher matcher(constraint, vocabulary);
                    double count = 0;
                    for (const rwkv::TokenId token : text.tokens) {
                        count += matcher.forced_bytes(1).empty() ? 0 : 1;
                        if (!matcher.accept(token)) throw std::logic_error("a token that the constraint forbids");
                    }
                    if (i < 0) continue;
                    tokens.push_back(static_cast<double>(length));
                    forced.push_back(count / tokens.back());
                    held_speed.push_back(of_held);
                    free_speed.push_back(of_free);
                    ratio.push_back(of_held / of_free);
                }
                std::printf("%-6s %7d %-14s %7.0f %5.0f %% %12.1f %12.1f %6.3fx\n", format.c_str(), threads, name,
                            measure::median(tokens), 100 * measure::median(forced), measure::median(free_speed),
                            measure::median(held_speed), measure::median(ratio));
                std::fflush(stdout);
            }
        }
    }
}

}  // namespace

int main(int argc, char** argv) {
    CLI::App app("Measures generation under a constraint beside free text, by turns.");
    Options options;
    app.add_option("-m,--model", options.directory, "the model")->type_name("PATH");
    app.add_option("--shape", options.shape, "random weights of this shape in its place: 169m, 430m, 1b5")
        ->check(CLI::IsMember({"169m", "430m", "1b5"}).description(""))
        ->type_name("SHAPE");
    add_tokenizer_option(app, options.tokenizer);
    app.add_option("--format", options.formats, "weight formats")
        ->check(CLI::IsMember(rwkv::weight_format_names).description(""))
        ->delimiter(',')
        ->capture_default_str();
    app.add_option("-t,--threads", options.threads, "thread counts")->delimiter(',')->capture_default_str();
    app.add_option("-n,--tokens", options.tokens, "the length of a text, where the constraint does not end it")
        ->check(CLI::Range(2, 1 << 20).description(""))
        ->capture_default_str();
    app.add_option("--repeats", options.repeats, "turns of which the median counts")
        ->check(CLI::Range(1, 100000).description(""))
        ->capture_default_str();
    return terminal::run(app, argc, argv, [&] { run(options); });
}
