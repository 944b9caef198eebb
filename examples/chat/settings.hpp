#pragma once

#include <cstdio>
#include <sstream>
#include <string>
#include <string_view>

#include <CLI/CLI.hpp>

#include <rwkv/rwkv.hpp>

namespace settings {

/// visit(name, value) for each setting that can be changed while chatting.
template <class Options, class Visit>
void each(Options& options, Visit&& visit) {
    visit("temperature", options.temperature);
    visit("top_k", options.top_k);
    visit("top_p", options.top_p);
    visit("min_p", options.min_p);
    visit("typical_p", options.typical_p);
    visit("presence_penalty", options.presence_penalty);
    visit("frequency_penalty", options.frequency_penalty);
    visit("penalty_decay", options.penalty_decay);
    visit("repetition_penalty", options.repetition_penalty);
    visit("no_repeat_ngram_size", options.no_repeat_ngram_size);
    visit("mirostat_tau", options.mirostat_tau);
    visit("mirostat_eta", options.mirostat_eta);
    visit("max_new_tokens", options.max_new_tokens);
    visit("seed", options.seed);
}

/// All of them, a line each.
inline std::string list(const rwkv::GenerationOptions& options) {
    std::ostringstream text;
    each(options, [&](const char* name, const auto& value) { text << name << ' ' << value << '\n'; });
    return text.str();
}

/// Changes one. Throws ArgumentError, and nothing is changed, where there is none of that name or the value will not
/// do.
inline void set(rwkv::GenerationOptions& options, const std::string& name, const std::string& value) {
    rwkv::GenerationOptions changed = options;
    std::string names;
    bool found = false;
    each(changed, [&](const std::string& known, auto& setting) {
        names += (names.empty() ? "" : ", ") + known;
        if (known != name) return;
        found = true;
        if (!CLI::detail::lexical_cast(value, setting))
            throw rwkv::ArgumentError("/set", name, "a number", rwkv::core::quoted(value));
    });
    if (!found) throw rwkv::ArgumentError("/set", "", names, rwkv::core::quoted(name));
    if (changed.max_new_tokens < 0) throw rwkv::ArgumentError("/set", name, "0 or more", value);
    rwkv::Sampler check(changed);
    options = changed;
}

}  // namespace settings
