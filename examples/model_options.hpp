#pragma once

#include <algorithm>
#include <string>
#include <vector>

#include <CLI/CLI.hpp>

#include <rwkv/rwkv.hpp>

#include "adapter_option.hpp"
#include "demo_model.hpp"
#include "numbers.hpp"
#include "processors.hpp"
#include "terminal.hpp"
#include "threads_option.hpp"

inline std::vector<std::string> format_names() {
    return {rwkv::weight_format_names.begin(), rwkv::weight_format_names.end()};
}

/// The options of every program that runs a model: which one, in what format, and how it is computed.
struct ModelOptions {
    std::string model;
    std::string tokenizer;
    std::string format = "stored";
    std::vector<rwkv::Adapter> adapters;
    bool mapped = false;
    bool no_rescale = false;
    std::string mode = "parallel";
    rwkv::Index chunk = rwkv::WorkspaceOptions{}.chunk;
    int threads = processors::allowed_cores();
    CLI::Option* threads_option = nullptr;

    void add_to(CLI::App& app) {
        app.footer(terminal::exit_codes);
        add_model_option(app, model, "model directory (config.json, weights, tokenizer), or a file with weights");
        add_tokenizer_option(app, tokenizer);
        app.add_option(
               "--format", format,
               "format of the weights in memory: stored (as in the file), f32, f16, bf16, q8 (8 bits) or q4 (4 bits)")
            ->check(CLI::IsMember(format_names()).description(""))
            ->type_name("FORMAT")
            ->capture_default_str();
        add_adapter_option(app, adapters);
        app.add_flag("--mapped", mapped, "memory-map weights that are stored in this format");
        app.add_option("--mode", mode, "read the prompt token by token (rnn) or many tokens at once (parallel)")
            ->check(CLI::IsMember({"rnn", "parallel"}).description(""))
            ->type_name("MODE")
            ->capture_default_str();
        numbers::add_integer<rwkv::Index>(app, "--chunk", chunk, 1, 1 << 16, "maximum number of tokens read at once");
        threads_option = add_threads_option(app, threads);
    }

    /// Loads the model, with a progress bar on a terminal and warnings about its files on standard error.
    rwkv::Model load() const { return load_as(format); }

    /// The tokenizer that was given, or lies beside the model and fits it; a note on standard error where it may be
    /// another model's. The model's files are looked at first: what is wrong with them is said before what is not
    /// there.
    rwkv::Tokenizer load_tokenizer() const {
        const rwkv::Config config = rwkv::load_config(model);
        const std::string& path = tokenizer.empty() ? model : tokenizer;
        rwkv::Tokenizer loaded = rwkv::load_tokenizer(path, config);
        rwkv::check_tokenizer(loaded, config, path);
        const std::string mismatch = rwkv::describe_mismatch(loaded, config);
        if (!mismatch.empty()) std::fprintf(stderr, "note: %s\n", mismatch.c_str());
        return loaded;
    }

    /// How the model is loaded, with a progress bar on a terminal.
    rwkv::LoadOptions load_options() const {
        return {.format = *rwkv::weight_format_of(format),
                .rescale = !no_rescale,
                .threads = reading_threads(),
                .mapped = mapped,
                .adapters = adapters,
                .progress = terminal::progress()};
    }

    /// The same model in another format.
    rwkv::Model load_as(const std::string& other) const {
        rwkv::LoadOptions loading = load_options();
        loading.format = *rwkv::weight_format_of(other);
        rwkv::Model loaded = rwkv::load_model(model, loading);
        if (!loaded.has_head())
            throw rwkv::ModelError(model, "head.weight", "a model with a head (as of RwkvForCausalLM)", "none");
        for (const std::string& warning : loaded.warnings()) std::fprintf(stderr, "note: %s\n", warning.c_str());
        return loaded;
    }

    /// A workspace for prompts of up to `prompt` tokens, with no more scratch memory than these need.
    rwkv::WorkspaceOptions workspace(std::size_t prompt) const {
        const auto max_chunk = static_cast<rwkv::Index>(std::max<std::size_t>(prompt, 1));
        return {.threads = threads, .chunk = mode == "rnn" ? 1 : std::min(chunk, max_chunk)};
    }
};
