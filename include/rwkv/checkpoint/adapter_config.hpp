#pragma once

#include <cmath>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include <nlohmann/json.hpp>

#include <rwkv/core/error.hpp>
#include <rwkv/core/message.hpp>
#include <rwkv/core/quote.hpp>
#include <rwkv/core/tensor.hpp>
#include <rwkv/io/byte_source.hpp>
#include <rwkv/io/json.hpp>
#include <rwkv/version.hpp>

namespace rwkv::inline RWKV_ABI::checkpoint {

/// How a LoRA adapter is merged, by PEFT's adapter_config.json. Which layers it adapts (`target_modules` and so on) is
/// not read: its tensors tell.
class AdapterConfig {
  public:
    /// Throws: FileError, FormatError; ModelError for an adapter that is more than products added to weights (DoRA, for
    /// example), naming the file and the field.
    explicit AdapterConfig(const ByteSource& file) : where_(file.name()) {
        const io::JsonDocument document = io::parse_json(io::read_text(file, max_bytes), where_);
        if (!document.root.is_object())
            core::fail<FormatError>(where_, {}, {"a JSON object"}, {io::describe(document.root)});
        fields_ = &document.root;
        require_lora();
        divides_by_root_ = is_true("use_rslora");
        rank_ = static_cast<Index>(positive("r", find("r"), true));
        alpha_ = positive("lora_alpha", find("lora_alpha"), false);
        ranks_ = patterns("rank_pattern", true);
        alphas_ = patterns("alpha_pattern", false);
        for (const Pattern& pattern : alphas_)
            if (!is_name(pattern.text))
                core::fail<ModelError>(where_, {"alpha_pattern"}, {"names of modules as they are"},
                                       {"the regular expression ", core::Quoted{pattern.text}});
        fields_ = nullptr;
    }

    /// The rank of the factors of a module ("rwkv.blocks.0.attention.key"); nothing where regular expressions decide,
    /// which are not evaluated.
    std::optional<Index> rank(std::string_view module) const {
        for (const Pattern& pattern : ranks_) {
            if (!is_name(pattern.text)) return std::nullopt;
            if (matches(pattern.text, module)) return static_cast<Index>(pattern.value);
        }
        return rank_;
    }

    /// What the product of a module's factors, of that rank, is multiplied by.
    double scale(std::string_view module, Index rank) const {
        double alpha = alpha_;
        for (const Pattern& pattern : alphas_) {
            if (!matches(pattern.text, module)) continue;
            alpha = pattern.value;
            break;
        }
        const auto divisor = static_cast<double>(rank);
        return alpha / (divides_by_root_ ? std::sqrt(divisor) : divisor);
    }

  private:
    /// A number for the modules that match.
    struct Pattern {
        std::string text;
        double value;
    };

    static constexpr std::size_t max_bytes = std::size_t(1) << 24;

    const nlohmann::json* find(const char* field) const {
        const auto member = fields_->find(field);
        return member == fields_->end() || member->is_null() ? nullptr : &*member;
    }

    bool is_true(const char* field) const {
        const nlohmann::json* const value = find(field);
        const bool* const truth = value ? value->get_ptr<const bool*>() : nullptr;
        if (value && !truth) core::fail<FormatError>(where_, {field}, {"true or false"}, {io::describe(*value)});
        return truth && *truth;
    }

    void require_lora() const {
        const nlohmann::json* const type = find("peft_type");
        if (text_of(type) != "LORA")
            core::fail<ModelError>(where_, {"peft_type"}, {"\"LORA\""}, {type ? io::describe(*type) : "none"});
        // What makes an adapter more than products added to weights, unless it is null, false or empty.
        for (const char* field : {"use_dora", "lora_bias", "use_qalora", "use_bdlora", "layer_replication",
                                  "target_parameters", "monteclora_config", "kasa_config", "arrow_config",
                                  "velora_config", "trainable_token_indices", "alora_invocation_tokens"}) {
            const nlohmann::json* const value = find(field);
            if (!value || (value->is_structured() && value->empty())) continue;
            if (!value->is_boolean() || is_true(field))
                core::fail<ModelError>(where_, {field}, {"an adapter without it"}, {io::describe(*value)});
        }
        // Other initializations (PiSSA, OLoRA …) change the model's weights, too: the adapter is then one of those.
        const nlohmann::json* const start = find("init_lora_weights");
        const std::string_view name = text_of(start);
        if (start && !start->is_boolean() && name != "gaussian" && name != "eva" && name != "orthogonal")
            core::fail<ModelError>(where_, {"init_lora_weights"},
                                   {"true, false, \"gaussian\", \"eva\" or \"orthogonal\", which leave the model's "
                                    "weights as they are"},
                                   {io::describe(*start)});
    }

    static std::string_view text_of(const nlohmann::json* value) {
        const auto* const text = value ? value->get_ptr<const nlohmann::json::string_t*>() : nullptr;
        return text ? std::string_view(*text) : std::string_view();
    }

    /// A number above 0, or a rank: a whole one.
    double positive(const char* field, const nlohmann::json* value, bool is_rank) const {
        constexpr double largest = 1 << 22;
        const double number = value && value->is_number() ? value->get<double>() : 0;
        if (!(number > 0 && number <= largest) || (is_rank && !value->is_number_unsigned()))
            core::fail<ModelError>(where_, {field}, {is_rank ? "a rank, a whole number above 0" : "a number above 0"},
                                   {value ? io::describe(*value) : "none"});
        return number;
    }

    /// The members of an object of numbers, in the order in which PEFT writes and reads them.
    std::vector<Pattern> patterns(const char* field, bool is_rank) const {
        std::vector<Pattern> read;
        const nlohmann::json* const value = find(field);
        if (!value) return read;
        const auto* const object = value->get_ptr<const nlohmann::json::object_t*>();
        if (!object) core::fail<FormatError>(where_, {field}, {"a JSON object"}, {io::describe(*value)});
        for (const auto& [text, number] : *object) read.push_back({text, positive(field, &number, is_rank)});
        return read;
    }

    /// Whether a pattern is the name of a module or its end, perhaps after "^", and no other regular expression.
    static bool is_name(std::string_view pattern) noexcept {
        if (pattern.starts_with('^')) pattern.remove_prefix(1);
        constexpr std::string_view characters = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_.";
        return pattern.find_first_not_of(characters) == pattern.npos;
    }

    /// Whether PEFT applies such a pattern to a module: where it is the module's whole name or ends it after a dot.
    static bool matches(std::string_view pattern, std::string_view module) noexcept {
        if (pattern.starts_with('^')) return pattern.substr(1) == module;
        return module.ends_with(pattern) &&
               (module.size() == pattern.size() || module[module.size() - pattern.size() - 1] == '.');
    }

    std::string where_;
    const nlohmann::json* fields_ = nullptr;  ///< while they are read
    Index rank_ = 0;
    double alpha_ = 0;
    bool divides_by_root_ = false;  ///< rank-stabilized LoRA: alpha / √rank
    std::vector<Pattern> ranks_, alphas_;
};

}  // namespace rwkv::inline RWKV_ABI::checkpoint
