#pragma once

#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <limits>
#include <random>
#include <string>
#include <vector>

#include <CLI/CLI.hpp>

#include <rwkv/generation/options.hpp>
#include <rwkv/generation/sampler.hpp>
#include <rwkv/text/stop_strings.hpp>

#include "numbers.hpp"

/// Adds the options of every program that generates text: length, sampling and where the text ends.
/// `check_sampling_options` checks the values that are numbers of the right kind.
inline void add_sampling_options(CLI::App& app, rwkv::GenerationOptions& options) {
    const std::string sampling_group = "Sampling", penalties = "Penalties", end = "Where the text ends";
    rwkv::SamplingOptions& sampling = options.sampling;
    const auto add = [&](const std::string& group, const char* name, float& value, const char* help, const char* type) {
        numbers::add_real(app, name, value, help)->type_name(type)->group(group);
    };
    constexpr int max_int = std::numeric_limits<int>::max();
    const auto ids = [&app](const std::string& name, std::vector<rwkv::TokenId>& tokens, const char* help) {
        return app
            .add_option_function<std::vector<std::string>>(
                name,
                [name, &tokens](const std::vector<std::string>& words) {
                    for (const std::string& word : words)
                        tokens.push_back(numbers::parse_argument<rwkv::TokenId>(name, word, 0, max_int));
                },
                help)
            ->type_name("ID");
    };
    numbers::add_integer<rwkv::Index>(app, "-n,--max-new-tokens", options.max_new_tokens, 0,
                                      std::numeric_limits<rwkv::Index>::max(), "maximum number of new tokens")
        ->group(end);
    app.add_option("--stop", options.stop_strings, "end the text before this string; may be repeated")
        ->type_name("TEXT")
        ->allow_extra_args(false)
        ->group(end);
    ids("--stop-token-ids", options.stop_token_ids, "tokens that end the text, in addition to the model's eos_token_id")
        ->group(end);

    numbers::add_integer<rwkv::Index>(app, "--speculate", options.speculation.max_draft_tokens, 0,
                                      rwkv::max_draft_tokens,
                                      "speculative decoding: guess up to N tokens from repetitions in prompt and "
                                      "text, and verify them in one pass; 0: off")
        ->type_name("N")
        ->group("Speculation");

    add(sampling_group, "--temperature", sampling.temperature,
        "0: greedy; 1: the model's probabilities; higher: more varied", "T");
    numbers::add_integer(app, "--top-k", sampling.top_k, 0, max_int, "keep the K most likely tokens; 0: all")
        ->type_name("K")
        ->group(sampling_group);
    add(sampling_group, "--top-p", sampling.top_p, "keep the most likely tokens with a total probability of P", "P");
    add(sampling_group, "--min-p", sampling.min_p, "keep tokens at least P times as likely as the most likely one",
        "P");
    add(sampling_group, "--typical-p", sampling.typical_p,
        "locally typical sampling: keep the tokens nearest to the expected surprise, with a total "
        "probability of P",
        "P");
    add(sampling_group, "--mirostat-tau", sampling.mirostat_tau,
        "target of Mirostat 2.0 for the mean surprise of a token; 0: off", "BITS");
    add(sampling_group, "--mirostat-eta", sampling.mirostat_eta, "learning rate of Mirostat", "RATE");
    app.add_option_function<std::string>(
           "--order",
           [&sampling](const std::string& name) {
               sampling.order = name == "rwkv" ? rwkv::SamplingOrder::rwkv : rwkv::SamplingOrder::hugging_face;
           },
           "apply the filters before the temperature (rwkv) or after it (hugging-face)")
        ->check(CLI::IsMember({"rwkv", "hugging-face"}).description(""))
        ->type_name("ORDER")
        ->default_str("rwkv")
        ->group(sampling_group);
    app.add_option_function<std::string>(
           "--seed",
           [&sampling](const std::string& text) {
               if (text == "-1") return;  // draw_seed
               constexpr std::uint64_t max_seed = std::numeric_limits<std::uint64_t>::max();
               if (!numbers::parse(text, sampling.seed))
                   throw CLI::ValidationError("--seed", "expected " + numbers::description<std::uint64_t>(0, max_seed) +
                                                            ", or -1 for another each time, found " + text);
           },
           "seed of the random numbers; default or -1: a new one each time, which is printed")
        ->type_name("S")
        ->group(sampling_group);

    add(penalties, "--presence-penalty", sampling.presence_penalty,
        "subtract X from the logits of tokens generated before", "X");
    add(penalties, "--frequency-penalty", sampling.frequency_penalty,
        "subtract X from the logits of tokens generated before, once for each occurrence", "X");
    add(penalties, "--penalty-decay", sampling.penalty_decay,
        "multiply these counts of occurrences by X after each token", "X");
    add(penalties, "--repetition-penalty", sampling.repetition_penalty,
        "divide positive logits of tokens in the prompt or the text by X, multiply negative ones", "X");
    numbers::add_integer(app, "--no-repeat-ngram-size", sampling.no_repeat_ngram_size, 0, max_int,
                         "generate no sequence of N tokens twice; 0: off")
        ->group(penalties);
    ids("--suppress-tokens", sampling.suppress_tokens, "never generate these tokens")->group(penalties);
    app.add_option_function<std::vector<std::string>>(
           "--logit-bias",
           [&sampling](const std::vector<std::string>& biases) {
               for (const std::string& bias : biases) {
                   const std::size_t equals = bias.find('=');
                   rwkv::TokenId token = 0;
                   float value = 0;
                   if (equals == bias.npos || !numbers::parse(bias.substr(0, equals), token) || token < 0 ||
                       !numbers::parse(bias.substr(equals + 1), value))
                       throw CLI::ValidationError("--logit-bias", "expected ID=NUMBER, with an ID from 0 to " +
                                                                      std::to_string(max_int) + ", found " + bias);
                   sampling.logit_bias[token] = value;
               }
           },
           "add X to the logit of a token; -inf forbids it")
        ->type_name("ID=X")
        ->group(penalties);
}

/// Checks what can be checked before a model is there. Throws: CLI::ValidationError, with the option's name and range.
inline void check_sampling_options(const rwkv::GenerationOptions& options) {
    try {
        static_cast<void>(rwkv::Sampler(options.sampling));
    } catch (const rwkv::ArgumentError& error) {
        std::string option = "--" + error.subject();
        for (char& c : option) c = c == '_' ? '-' : c;
        throw CLI::ValidationError(option, "expected " + error.expected() + ", found " + error.found());
    }
    static_cast<void>(rwkv::StopStrings(options.stop_strings));
}

/// Checks that tokens which are named are the model's. Throws: CLI::ValidationError.
inline void check_token_ids(const rwkv::GenerationOptions& options, rwkv::Index vocab_size) {
    const auto check = [&](const char* option, rwkv::TokenId token) {
        static_cast<void>(numbers::parse_argument<rwkv::Index>(option, std::to_string(token), 0, vocab_size - 1));
    };
    for (const rwkv::TokenId token : options.stop_token_ids) check("--stop-token-ids", token);
    for (const rwkv::TokenId token : options.sampling.suppress_tokens) check("--suppress-tokens", token);
    for (const auto& [token, bias] : options.sampling.logit_bias) check("--logit-bias", token);
}

/// A random seed, which is printed so that it can be given again.
inline std::uint64_t random_seed() {
    const std::uint64_t seed = std::random_device()();
    std::fprintf(stderr, "seed: %llu\n", static_cast<unsigned long long>(seed));
    return seed;
}

/// Draws the seed where --seed is -1, or is not given and matters.
inline void draw_seed(const CLI::App& app, rwkv::GenerationOptions& options) {
    const CLI::Option* const option = app.get_option("--seed");
    const bool wanted = option->count() == 0 ? options.sampling.temperature > 0 : option->as<std::string>() == "-1";
    if (wanted) options.sampling.seed = random_seed();
}
