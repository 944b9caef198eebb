#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include <CLI/CLI.hpp>

#include <rwkv/constraint.hpp>
#include <rwkv/core/config.hpp>
#include <rwkv/generation/options.hpp>
#include <rwkv/text/tokenizer.hpp>

#include "text_input.hpp"

/// The options --json-schema, --grammar and --regex, of which one may be given.
struct ConstraintOption {
    std::string schema, grammar, regex;

    void add_to(CLI::App& app) {
        auto* schema_option =
            app.add_option("--json-schema", schema, "file with a JSON Schema that the text must match");
        auto* grammar_option =
            app.add_option("--grammar", grammar, "file with a GBNF grammar (as in llama.cpp) that the text must match");
        auto* regex_option = app.add_option("--regex", regex, "regular expression that the whole text must match");
        schema_option->type_name("FILE")->group(group)->excludes(grammar_option)->excludes(regex_option);
        grammar_option->type_name("FILE")->group(group)->excludes(regex_option);
        regex_option->type_name("REGEX")->group(group);
        // As of a variable of the shell that is not set: any text would do.
        for (CLI::Option* const option : {schema_option, grammar_option, regex_option})
            option->check([](const std::string& value) {
                return value.empty() ? std::string("expected what the text must match, found nothing") : std::string();
            });
    }

    /// The value of the option of that name, with _ for -; null where there is none.
    std::string* named(const std::string& name) {
        return name == "json_schema" ? &schema : name == "grammar" ? &grammar : name == "regex" ? &regex : nullptr;
    }

    /// The constraint, if one was given. Throws: as rwkv::json_schema, grammar and regex; what reading a file throws.
    std::optional<rwkv::Constraint> read() const {
        constexpr std::uint64_t largest = std::uint64_t(1) << 24;
        if (!schema.empty()) return rwkv::json_schema(text_input::read(schema, largest, "the schema"));
        if (!grammar.empty()) return rwkv::grammar(text_input::read(grammar, largest, "the grammar"));
        if (!regex.empty()) return rwkv::regex(regex);
        return std::nullopt;
    }

    /// Puts it into the options.
    static void use(const rwkv::Constraint& constraint, const rwkv::Tokenizer& tokenizer, const rwkv::Config& config,
                    rwkv::GenerationOptions& options) {
        std::vector<rwkv::TokenId> end_tokens = options.stop_token_ids;
        if (config.eos_token_id >= 0) end_tokens.push_back(config.eos_token_id);
        end_tokens.insert(end_tokens.end(), config.other_eos_token_ids.begin(), config.other_eos_token_ids.end());
        options.sampling.constraint =
            rwkv::token_constraint(constraint, rwkv::TokenVocabulary(tokenizer, std::move(end_tokens)));
    }

    static constexpr const char* group = "Structured output";
};
