#pragma once

#include <map>
#include <string>

#include <CLI/CLI.hpp>

#include <rwkv/rwkv.hpp>

#include "terminal.hpp"

/// The options every program that runs a model has: which, in what format, and how it is computed.
struct ModelOptions {
    std::string model;
    rwkv::WeightFormat format = rwkv::WeightFormat::stored;
    bool no_rescale = false;
    std::string mode = "parallel";
    rwkv::Index chunk = rwkv::WorkspaceOptions{}.chunk;
    int threads = 1;

    void add_to(CLI::App& app) {
        const std::map<std::string, rwkv::WeightFormat> formats{{"stored", rwkv::WeightFormat::stored},
                                                                {"f32", rwkv::WeightFormat::f32},
                                                                {"f16", rwkv::WeightFormat::f16},
                                                                {"bf16", rwkv::WeightFormat::bf16}};
        app.add_option("-m,--model", model, "directory of the model: config.json and its safetensors")
            ->required()
            ->type_name("DIR");
        app.add_option("--format", format, "hold the weights as stored, f32, f16 or bf16")
            ->transform(CLI::CheckedTransformer(formats).description(""))
            ->type_name("FORMAT");
        app.add_option("--mode", mode, "read a prompt token by token (rnn) or many together (parallel)")
            ->check(CLI::IsMember({"rnn", "parallel"}).description(""))
            ->type_name("MODE")
            ->capture_default_str();
        app.add_option("--chunk", chunk, "tokens read together in parallel mode")
            ->check(CLI::Range(1, 1 << 16).description(""))
            ->type_name("N")
            ->capture_default_str();
        app.add_option("-t,--threads", threads, "threads to compute with")
            ->check(CLI::Range(1, 1024).description(""))
            ->type_name("N")
            ->capture_default_str();
    }

    /// Loads the model, with a bar on a terminal and what was odd about its files on standard error.
    rwkv::Model load() const {
        rwkv::Model loaded =
            rwkv::load_model(model, {.format = format, .rescale = !no_rescale, .progress = terminal::progress_bar()});
        for (const std::string& warning : loaded.warnings()) std::fprintf(stderr, "note: %s\n", warning.c_str());
        return loaded;
    }

    rwkv::WorkspaceOptions workspace() const { return {.threads = threads, .chunk = mode == "rnn" ? 1 : chunk}; }
};
