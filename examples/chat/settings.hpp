#pragma once

#include <concepts>
#include <cstdint>
#include <limits>
#include <sstream>
#include <string>
#include <string_view>
#include <type_traits>

#include <rwkv/rwkv.hpp>

#include "../numbers.hpp"
#include "../sampling_options.hpp"

namespace settings {

/// visit(name, value) for each setting that can be changed while chatting.
template <class Options, class Visit>
void each(Options& options, Visit&& visit) {
    visit("temperature", options.sampling.temperature);
    visit("top_k", options.sampling.top_k);
    visit("top_p", options.sampling.top_p);
    visit("min_p", options.sampling.min_p);
    visit("typical_p", options.sampling.typical_p);
    visit("presence_penalty", options.sampling.presence_penalty);
    visit("frequency_penalty", options.sampling.frequency_penalty);
    visit("penalty_decay", options.sampling.penalty_decay);
    visit("repetition_penalty", options.sampling.repetition_penalty);
    visit("no_repeat_ngram_size", options.sampling.no_repeat_ngram_size);
    visit("mirostat_tau", options.sampling.mirostat_tau);
    visit("mirostat_eta", options.sampling.mirostat_eta);
    visit("max_new_tokens", options.max_new_tokens);
    visit("seed", options.sampling.seed);
    visit("speculate", options.speculation.max_draft_tokens);
}

/// All of them, a line each.
inline std::string list(const rwkv::GenerationOptions& options) {
    std::ostringstream text;
    each(options, [&](const char* name, const auto& value) { text << name << ' ' << value << '\n'; });
    return text.str();
}

/// Reads the value of one; false where it is no number of its kind.
inline bool parse(const std::string& text, std::uint64_t& seed) {
    if (text == "-1") return seed = random_seed(), true;
    return numbers::parse(text, seed);
}
template <class Number>
bool parse(const std::string& text, Number& number) {
    return numbers::parse(text, number) && (std::floating_point<Number> || number >= 0);
}

/// Changes one. Throws: ArgumentError, and nothing is changed, for an unknown name or a value out of range.
inline void set(rwkv::GenerationOptions& options, const std::string& name, const std::string& value) {
    rwkv::GenerationOptions changed = options;
    std::string names;
    bool found = false;
    each(changed, [&](const std::string& known, auto& setting) {
        names += (names.empty() ? "" : ", ") + known;
        if (known != name) return;
        found = true;
        if (parse(value, setting)) return;
        using Number = std::remove_reference_t<decltype(setting)>;
        std::string expected = "a number";
        if constexpr (std::integral<Number>)
            expected = numbers::description<Number>(0, std::numeric_limits<Number>::max());
        throw rwkv::ArgumentError("/set", name, expected, rwkv::core::quoted(value));
    });
    if (!found) throw rwkv::ArgumentError("/set", "", names, rwkv::core::quoted(name));
    rwkv::Sampler check(changed.sampling);
    if (changed.speculation.max_draft_tokens > rwkv::max_draft_tokens)
        throw rwkv::ArgumentError("/set", name, numbers::description<rwkv::Index>(0, rwkv::max_draft_tokens), value);
    options = changed;
}

}  // namespace settings
