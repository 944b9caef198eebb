#pragma once

#include <memory>
#include <string>

#include <CLI/CLI.hpp>

#include <rwkv/rwkv.hpp>

#include "model_options.hpp"

/// The option --draft-model, with --draft-format.
struct DraftOption {
    std::string model, format = "stored";

    void add_to(CLI::App& app) {
        auto* option = app.add_option("--draft-model", model,
                                      "smaller model with the same vocabulary that guesses tokens; needs --speculate")
                           ->type_name("PATH")
                           ->group("Speculation");
        app.add_option("--draft-format", format, "format of its weights in memory")
            ->check(CLI::IsMember(format_names()).description(""))
            ->type_name("FORMAT")
            ->needs(option)
            ->group("Speculation")
            ->capture_default_str();
    }

    /// Loads it, if there is one, to compute on the threads of `workspace`, which gets an executor for that.
    void load(rwkv::SpeculationOptions& options, rwkv::WorkspaceOptions& workspace) const {
        if (model.empty()) return;
        if (options.max_draft_tokens == 0) throw CLI::ValidationError("--draft-model", "needs --speculate N");
        workspace.executor = std::make_shared<rwkv::ThreadPool>(workspace.threads);
        options.draft_model = std::make_shared<rwkv::DraftModel>(
            rwkv::load_model(model, {.format = *rwkv::weight_format_of(format), .progress = terminal::progress()}),
            workspace);
    }
};
