#pragma once

#include <cstdlib>
#include <string>
#include <vector>

#include <CLI/CLI.hpp>

#include <rwkv/load_model.hpp>

/// "lora" or "lora:0.5": what follows the last colon is the scale where it is a number, and else a part of the path.
inline rwkv::Adapter adapter_of(const std::string& text) {
    const std::size_t colon = text.rfind(':');
    if (colon == text.npos || colon == 0 || colon + 1 == text.size()) return {text};
    const char* const number = text.c_str() + colon + 1;
    char* end = nullptr;
    const float scale = std::strtof(number, &end);
    if (end != text.c_str() + text.size()) return {text};
    return {text.substr(0, colon), scale};
}

/// Adds the option for adapters that are merged into the model.
inline void add_adapter_option(CLI::App& app, std::vector<rwkv::Adapter>& adapters) {
    app.add_option_function<std::vector<std::string>>(
           "--adapter",
           [&adapters](const std::vector<std::string>& texts) {
               for (const std::string& text : texts) adapters.push_back(adapter_of(text));
           },
           "merge a LoRA adapter into the model: PEFT's directory, or RWKV-LM-LoRA's .pth with its lora_alpha / "
           "lora_r; once for each")
        ->expected(1)
        ->allow_extra_args(false)
        ->multi_option_policy(CLI::MultiOptionPolicy::TakeAll)
        ->type_name("PATH[:SCALE]");
}
