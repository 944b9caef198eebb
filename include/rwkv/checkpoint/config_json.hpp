#pragma once

#include <cmath>
#include <cstdint>
#include <limits>
#include <string>
#include <string_view>
#include <utility>

#include <nlohmann/json.hpp>

#include <rwkv/core/config.hpp>
#include <rwkv/core/error.hpp>
#include <rwkv/core/message.hpp>
#include <rwkv/core/quote.hpp>
#include <rwkv/core/tensor.hpp>
#include <rwkv/io/byte_source.hpp>
#include <rwkv/io/json.hpp>
#include <rwkv/version.hpp>

namespace rwkv::inline RWKV_ABI::checkpoint {

/// Upper bounds for what a config.json may ask for: beyond any model, and such that all matrices of a model together
/// (less than layers × 8 × size × size × 8 bytes) are less than 2^63 bytes, so that no sum of sizes a loader forms
/// needs a check of its own.
inline constexpr Index max_model_size = Index{1} << 22U;
inline constexpr Index max_model_layers = 4096;
/// The largest config.json that is read, in bytes.
inline constexpr std::uint64_t max_config_bytes = 16'000'000;

namespace detail {

/// Reads the fields of one config.json. A wrong JSON type is a FormatError, a value no model can have a
/// ModelError.
class ConfigReader {
  public:
    ConfigReader(const nlohmann::json& root, const std::string& where) : root_(root), where_(where) {}

    /// An integer from `smallest` to `largest`; `absent` when missing or null.
    Index integer(const char* field, Index absent, Index smallest, Index largest) const {
        const nlohmann::json* value = find(field);
        if (!value) return checked(field, absent, smallest, largest);
        const std::string wanted = range(smallest, largest);
        if (!value->is_number_integer()) core::fail<FormatError>(where_, {field}, {wanted}, {io::describe(*value)});
        const auto* number = value->get_ptr<const nlohmann::json::number_unsigned_t*>();
        if (!number || *number > static_cast<std::uint64_t>(largest))
            core::fail<ModelError>(where_, {field}, {wanted}, {io::describe(*value)});
        return checked(field, static_cast<Index>(*number), smallest, largest);
    }

    bool boolean(const char* field, bool absent) const {
        const nlohmann::json* value = find(field);
        if (!value) return absent;
        if (!value->is_boolean()) core::fail<FormatError>(where_, {field}, {"true or false"}, {io::describe(*value)});
        return value->get<bool>();
    }

    /// A number whose float is positive and finite.
    double positive(const char* field, double absent) const {
        const nlohmann::json* value = find(field);
        if (!value) return absent;
        if (!value->is_number())
            core::fail<FormatError>(where_, {field}, {"a positive number"}, {io::describe(*value)});
        const auto number = value->get<double>();
        if (!(number >= (std::numeric_limits<float>::min)() && number <= (std::numeric_limits<float>::max)()))
            core::fail<ModelError>(where_, {field}, {"a positive number in the range of float"},
                                   {io::describe(*value)});
        return number;
    }

    /// That the field is absent, null, or this string.
    void require(const char* field, std::string_view wanted) const {
        const nlohmann::json* value = find(field);
        if (!value) return;
        const auto* text = value->get_ptr<const nlohmann::json::string_t*>();
        if (!text) core::fail<FormatError>(where_, {field}, {core::Quoted{wanted}}, {io::describe(*value)});
        if (*text != wanted) core::fail<ModelError>(where_, {field}, {core::Quoted{wanted}}, {core::Quoted{*text}});
    }

  private:
    const nlohmann::json* find(const char* field) const {
        const auto member = root_.find(field);
        return member == root_.end() || member->is_null() ? nullptr : &*member;
    }

    static std::string range(Index smallest, Index largest) {
        return "an integer from " + std::to_string(smallest) + " to " + std::to_string(largest);
    }

    /// Also for what is implied by other fields: a default may be too large for them, or too small.
    Index checked(const char* field, Index value, Index smallest, Index largest) const {
        if (value < smallest || value > largest)
            core::fail<ModelError>(where_, {field}, {range(smallest, largest)}, {value});
        return value;
    }

    const nlohmann::json& root_;
    const std::string& where_;
};

}  // namespace detail

/// Parses the text of a Hugging Face config.json of an RWKV-4 model; `where` names it in messages.
///
/// A field that is missing or null has the default of `RwkvConfig`; unknown fields are ignored; `model_type`
/// may be missing but must not be another architecture's. Special tokens are one id within the vocabulary:
/// the list that some other architectures allow for `eos_token_id` is refused, since no RWKV-4 model has one
/// and dropping ids of it would be silent. Throws FormatError for bad JSON or a field of the wrong type,
/// ModelError for a value no model can have; both name the field.
inline Config parse_config(std::string_view text, const std::string& where) {
    const io::JsonDocument document = io::parse_json(text, where);
    const nlohmann::json& root = document.root;
    if (!root.is_object()) core::fail<FormatError>(where, {}, {"a JSON object"}, {io::describe(root)});
    const detail::ConfigReader fields(root, where);
    fields.require("model_type", "rwkv");

    Config config;
    config.vocab_size = fields.integer("vocab_size", config.vocab_size, 1, max_model_size);
    config.context_length =
        fields.integer("context_length", config.context_length, 1, (std::numeric_limits<std::int32_t>::max)());
    config.hidden_size = fields.integer("hidden_size", config.hidden_size, 1, max_model_size);
    config.num_hidden_layers = fields.integer("num_hidden_layers", config.num_hidden_layers, 1, max_model_layers);
    config.attention_hidden_size = fields.integer("attention_hidden_size", config.hidden_size, 1, max_model_size);
    config.intermediate_size = fields.integer("intermediate_size", 4 * config.hidden_size, 1, max_model_size);
    config.layer_norm_epsilon = fields.positive("layer_norm_epsilon", config.layer_norm_epsilon);
    config.rescale_every = fields.integer("rescale_every", config.rescale_every, 0, max_model_size);
    config.tie_word_embeddings = fields.boolean("tie_word_embeddings", config.tie_word_embeddings);
    const Index last_token = config.vocab_size - 1;
    config.bos_token_id = static_cast<TokenId>(fields.integer("bos_token_id", config.bos_token_id, 0, last_token));
    config.eos_token_id = static_cast<TokenId>(fields.integer("eos_token_id", config.eos_token_id, 0, last_token));
    return config;
}

/// Reads and parses a config.json. Throws FileError besides.
inline Config read_config(const ByteSource& source) {
    return parse_config(io::read_text(source, max_config_bytes), source.name());
}

/// The text of a config.json with every field of `RwkvConfig`: of a model of that class ("RwkvForCausalLM"), stored in
/// that type ("float16"). `parse_config` reads the same config back.
inline std::string config_text(const Config& config, std::string_view architecture, std::string_view torch_dtype) {
    std::string text = "{\n  \"architectures\": [\n    " + io::json_text(architecture) + "\n  ]";
    const auto add = [&](const char* name, const auto& value) {
        text.append(",\n  \"").append(name).append("\": ").append(io::json_text(value));
    };
    add("attention_hidden_size", config.attention_hidden_size);
    add("bos_token_id", config.bos_token_id);
    add("context_length", config.context_length);
    add("eos_token_id", config.eos_token_id);
    add("hidden_size", config.hidden_size);
    add("intermediate_size", config.intermediate_size);
    add("layer_norm_epsilon", config.layer_norm_epsilon);
    add("model_type", "rwkv");
    add("num_hidden_layers", config.num_hidden_layers);
    add("rescale_every", config.rescale_every);
    add("tie_word_embeddings", config.tie_word_embeddings);
    add("torch_dtype", torch_dtype);
    add("use_cache", true);
    add("vocab_size", config.vocab_size);
    return text + "\n}\n";
}

}  // namespace rwkv::inline RWKV_ABI::checkpoint
