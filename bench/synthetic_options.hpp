#pragma once

#include <string>

#include <CLI/CLI.hpp>

namespace synthetic {

/// The options of a program that runs one model of random weights: its shape, its format, the threads of a pass.
inline void add_model_options(CLI::App& app, std::string& shape, std::string& format, int& threads) {
    app.add_option("--shape", shape, "of random weights")
        ->check(CLI::IsMember({"169m", "430m", "1b5"}).description(""))
        ->type_name("169m|430m|1b5")
        ->capture_default_str();
    app.add_option("--format", format, "weight format")
        ->check(CLI::IsMember({"f32", "f16", "bf16", "q8", "q4"}).description(""))
        ->type_name("FORMAT")
        ->capture_default_str();
    app.add_option("-t,--threads", threads, "threads of a pass")
        ->check(CLI::Range(1, 1024).description(""))
        ->type_name("N")
        ->capture_default_str();
}

}  // namespace synthetic
