#pragma once

#include <cstddef>
#include <limits>
#include <string>
#include <vector>

#include <CLI/CLI.hpp>

#include <rwkv/generation/options.hpp>

/// The options every program that writes text has: how long, drawn how, and where it ends. Their values are checked by
/// the library.
inline void add_sampling_options(CLI::App& app, rwkv::GenerationOptions& options) {
    const std::string sampling = "Sampling", penalties = "Penalties", end = "Where the text ends";
    const auto add = [&](const std::string& group, const char* name, auto& value, const char* help, const char* type) {
        app.add_option(name, value, help)->type_name(type)->capture_default_str()->group(group);
    };
    app.add_option("-n,--max-new-tokens", options.max_new_tokens, "most tokens to add")
        ->check(CLI::Range(rwkv::Index(0), std::numeric_limits<rwkv::Index>::max()).description(""))
        ->type_name("N")
        ->capture_default_str()
        ->group(end);
    app.add_option("--stop", options.stop_strings, "end before this text; may be given several times")
        ->type_name("TEXT")
        ->allow_extra_args(false)
        ->group(end);
    app.add_option("--stop-token-ids", options.stop_token_ids,
                   "end at these tokens, as at the model's own eos_token_id")
        ->type_name("ID")
        ->group(end);

    add(sampling, "--temperature", options.temperature, "0: greedy; 1: as the model has it; above: wilder", "T");
    add(sampling, "--top-k", options.top_k, "draw from the K likeliest only; 0: all", "K");
    add(sampling, "--top-p", options.top_p, "draw from the likeliest that make up P of the probability", "P");
    add(sampling, "--min-p", options.min_p, "draw from those at least P times as likely as the likeliest", "P");
    add(sampling, "--typical-p", options.typical_p, "draw from the least unexpected that make up P", "P");
    add(sampling, "--mirostat-tau", options.mirostat_tau, "steer for so many bits of surprise a token; 0: do not",
        "BITS");
    add(sampling, "--mirostat-eta", options.mirostat_eta, "and how fast", "RATE");
    app.add_option_function<std::string>(
           "--order",
           [&options](const std::string& name) {
               options.order = name == "rwkv" ? rwkv::SamplingOrder::rwkv : rwkv::SamplingOrder::hugging_face;
           },
           "cut before temperature (rwkv) or after it (hugging-face)")
        ->check(CLI::IsMember({"rwkv", "hugging-face"}).description(""))
        ->type_name("ORDER")
        ->default_str("rwkv")
        ->group(sampling);
    add(sampling, "--seed", options.seed, "of the random numbers", "S");

    add(penalties, "--presence-penalty", options.presence_penalty, "off the logits of tokens drawn before", "X");
    add(penalties, "--frequency-penalty", options.frequency_penalty, "likewise, times how often", "X");
    add(penalties, "--penalty-decay", options.penalty_decay, "what is left of such a count after each token", "X");
    add(penalties, "--repetition-penalty", options.repetition_penalty, "divides the logits of tokens in prompt or text",
        "X");
    add(penalties, "--no-repeat-ngram-size", options.no_repeat_ngram_size,
        "no N tokens come twice in a row; 0: they may", "N");
    app.add_option("--suppress-tokens", options.suppress_tokens, "never draw these tokens")
        ->type_name("ID")
        ->group(penalties);
    app.add_option_function<std::vector<std::string>>(
           "--logit-bias",
           [&options](const std::vector<std::string>& biases) {
               for (const std::string& bias : biases) {
                   const std::size_t equals = bias.find('=');
                   rwkv::TokenId token = 0;
                   float value = 0;
                   if (equals == bias.npos || !CLI::detail::lexical_cast(bias.substr(0, equals), token) ||
                       !CLI::detail::lexical_cast(bias.substr(equals + 1), value))
                       throw CLI::ValidationError("--logit-bias", "expected ID=NUMBER, found " + bias);
                   options.logit_bias[token] = value;
               }
           },
           "add to the logits of tokens; -inf forbids")
        ->type_name("ID=X")
        ->group(penalties);
}
