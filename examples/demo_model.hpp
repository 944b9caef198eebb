#pragma once

#include <filesystem>
#include <string>

#include <CLI/CLI.hpp>

#include "hub_name.hpp"

/// The model that comes with the library, where a program finds it: in the source tree it was built from. Else empty.
inline std::string demo_model() {
    return std::filesystem::is_directory(RWKV_DEMO_MODEL) ? RWKV_DEMO_MODEL : "";
}

/// The option --tokenizer.
inline CLI::Option* add_tokenizer_option(CLI::App& app, std::string& tokenizer) {
    return app
        .add_option("--tokenizer", tokenizer,
                    "tokenizer.json or World vocabulary (.txt) to use instead of the one beside the model")
        ->type_name("FILE");
}

/// The option --model, which has to be given unless there is the demo model.
inline CLI::Option* add_model_option(CLI::App& app, std::string& model, const std::string& help) {
    model = demo_model();
    CLI::Option* option = app.add_option("-m,--model", model, help)->type_name("PATH")->each(&refuse_hub_name);
    return model.empty() ? option->required() : option->capture_default_str();
}
