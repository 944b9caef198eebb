#pragma once

#include <cstddef>
#include <limits>
#include <string>
#include <vector>

#include <CLI/CLI.hpp>

#include <rwkv/generation/options.hpp>

/// Adds the options of every program that generates text: length, sampling and where the text ends. The library checks
/// their values.
inline void add_sampling_options(CLI::App& app, rwkv::GenerationOptions& options) {
    const std::string sampling_group = "Sampling", penalties = "Penalties", end = "Where the text ends";
    rwkv::SamplingOptions& sampling = options.sampling;
    const auto add = [&](const std::string& group, const char* name, auto& value, const char* help, const char* type) {
        app.add_option(name, value, help)->type_name(type)->capture_default_str()->group(group);
    };
    app.add_option("-n,--max-new-tokens", options.max_new_tokens, "the maximum number of new tokens")
        ->check(CLI::Range(rwkv::Index(0), std::numeric_limits<rwkv::Index>::max()).description(""))
        ->type_name("N")
        ->capture_default_str()
        ->group(end);
    app.add_option("--stop", options.stop_strings, "end the text before this string; may be given several times")
        ->type_name("TEXT")
        ->allow_extra_args(false)
        ->group(end);
    app.add_option("--stop-token-ids", options.stop_token_ids,
                   "tokens that end the text, besides the model's eos_token_id")
        ->type_name("ID")
        ->group(end);

    add(sampling_group, "--temperature", sampling.temperature,
        "0: greedy; 1: the model's probabilities; higher: more varied", "T");
    add(sampling_group, "--top-k", sampling.top_k, "keep the K most likely tokens; 0: all", "K");
    add(sampling_group, "--top-p", sampling.top_p, "keep the most likely tokens that make up P of the probability",
        "P");
    add(sampling_group, "--min-p", sampling.min_p, "keep tokens at least P times as likely as the most likely", "P");
    add(sampling_group, "--typical-p", sampling.typical_p,
        "keep the tokens nearest to the expected surprise that make up P", "P");
    add(sampling_group, "--mirostat-tau", sampling.mirostat_tau,
        "the mean surprise of a token that Mirostat aims at; 0: off", "BITS");
    add(sampling_group, "--mirostat-eta", sampling.mirostat_eta, "the rate of its adjustment", "RATE");
    app.add_option_function<std::string>(
           "--order",
           [&sampling](const std::string& name) {
               sampling.order = name == "rwkv" ? rwkv::SamplingOrder::rwkv : rwkv::SamplingOrder::hugging_face;
           },
           "filter before temperature (rwkv) or after it (hugging-face)")
        ->check(CLI::IsMember({"rwkv", "hugging-face"}).description(""))
        ->type_name("ORDER")
        ->default_str("rwkv")
        ->group(sampling_group);
    add(sampling_group, "--seed", sampling.seed, "seed of the random numbers", "S");

    add(penalties, "--presence-penalty", sampling.presence_penalty, "subtracted from the logits of tokens drawn before",
        "X");
    add(penalties, "--frequency-penalty", sampling.frequency_penalty,
        "subtracted from the logits of tokens drawn before, once for each time drawn", "X");
    add(penalties, "--penalty-decay", sampling.penalty_decay, "multiplies that number after each token", "X");
    add(penalties, "--repetition-penalty", sampling.repetition_penalty,
        "divides the logits of tokens in prompt or text", "X");
    add(penalties, "--no-repeat-ngram-size", sampling.no_repeat_ngram_size,
        "draw no sequence of N tokens for the second time; 0: off", "N");
    app.add_option("--suppress-tokens", sampling.suppress_tokens, "never draw these tokens")
        ->type_name("ID")
        ->group(penalties);
    app.add_option_function<std::vector<std::string>>(
           "--logit-bias",
           [&sampling](const std::vector<std::string>& biases) {
               for (const std::string& bias : biases) {
                   const std::size_t equals = bias.find('=');
                   rwkv::TokenId token = 0;
                   float value = 0;
                   if (equals == bias.npos || !CLI::detail::lexical_cast(bias.substr(0, equals), token) ||
                       !CLI::detail::lexical_cast(bias.substr(equals + 1), value))
                       throw CLI::ValidationError("--logit-bias", "expected ID=NUMBER, found " + bias);
                   sampling.logit_bias[token] = value;
               }
           },
           "added to the logits of tokens; -inf forbids")
        ->type_name("ID=X")
        ->group(penalties);
}
