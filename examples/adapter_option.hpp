#pragma once

#include <cmath>
#include <cstddef>
#include <filesystem>
#include <string>
#include <system_error>
#include <vector>

#include <CLI/CLI.hpp>

#include <rwkv/load_model.hpp>

#include "numbers.hpp"

/// "lora" or "lora:0.5": what follows the last colon is the scale where it is a number, and else a part of the path.
/// Throws: CLI::ValidationError where it is neither, since only what stands before the colon is there.
inline rwkv::Adapter adapter_of(const std::string& text) {
    const std::size_t colon = text.rfind(':');
    if (colon == text.npos || colon == 0) return {text};
    const std::string path = text.substr(0, colon), number = text.substr(colon + 1);
    float scale = 0;
    if (numbers::parse(number, scale) && std::isfinite(scale)) return {path, scale};
    std::error_code ignored;
    if (!std::filesystem::exists(text, ignored) && std::filesystem::exists(path, ignored))
        throw CLI::ValidationError("--adapter", "expected a number after " + path + ":, found " + number);
    return {text};
}

/// Adds the option for adapters that are merged into the model.
inline void add_adapter_option(CLI::App& app, std::vector<rwkv::Adapter>& adapters) {
    app.add_option_function<std::vector<std::string>>(
           "--adapter",
           [&adapters](const std::vector<std::string>& texts) {
               for (const std::string& text : texts) adapters.push_back(adapter_of(text));
           },
           "merge a LoRA adapter into the model: a PEFT directory, or a .pth of RWKV-LM-LoRA with the scale "
           "lora_alpha / lora_r; may be repeated")
        ->expected(1)
        ->allow_extra_args(false)
        ->multi_option_policy(CLI::MultiOptionPolicy::TakeAll)
        ->type_name("PATH[:SCALE]");
}
