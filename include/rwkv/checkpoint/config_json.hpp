#pragma once

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <limits>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

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

/// The largest config.json that is read, in bytes.
inline constexpr std::uint64_t max_config_bytes = 16'000'000;

namespace detail {

/// Reads the fields of one config.json. A wrong JSON type is a FormatError, a value no model can have a
/// ModelError.
template <class = nlohmann::json>
class ConfigReader {
  public:
    ConfigReader(const nlohmann::json& root, const std::string& where) : root_(root), where_(where) {}

    /// An integer from `smallest` to `largest`; `absent` when missing or null.
    Index integer(const char* field, Index absent, Index smallest, Index largest) const {
        const nlohmann::json* value = find(field);
        if (!value) return checked(field, absent, smallest, largest);
        const Index number = whole(field, *value, smallest, largest);
        if (number < smallest || number > largest)
            core::fail<ModelError>(where_, {field}, {range(smallest, largest)}, {io::describe(*value)});
        return number;
    }

    /// Any integer, brought to the next one between `smallest` and `largest`; `absent` when missing or null.
    Index clamped(const char* field, Index absent, Index smallest, Index largest) const {
        const nlohmann::json* value = find(field);
        if (!value) return absent;
        return std::clamp(whole(field, *value, limits::lowest(), (limits::max)()), smallest, largest);
    }

    /// The ids of one token or of a list of them; {0} when missing or null. Ids that no token of the vocabulary has are
    /// left out, as a model never meets them.
    std::vector<TokenId> tokens(const char* field, Index vocab_size) const {
        const nlohmann::json* value = find(field);
        if (!value) return {0};
        std::vector<TokenId> ids;
        const auto add = [&](const nlohmann::json& item) {
            const Index id = whole(field, item, limits::lowest(), (limits::max)());
            if (id >= 0 && id < vocab_size) ids.push_back(static_cast<TokenId>(id));
        };
        if (const auto* list = value->get_ptr<const nlohmann::json::array_t*>())
            for (const nlohmann::json& item : *list) add(item);
        else
            add(*value);
        return ids;
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
        constexpr double min = 0x1p-126, max = 0x1.FFFFFEp127;  // of float
        if (!(number >= min && number <= max))
            core::fail<ModelError>(where_, {field}, {"a positive number in the range of float"},
                                   {io::describe(*value)});
        return number;
    }

    /// That the field is absent, null, or this string.
    void need(const char* field, std::string_view wanted) const {
        const nlohmann::json* value = find(field);
        if (!value) return;
        const auto* text = value->get_ptr<const nlohmann::json::string_t*>();
        if (!text) core::fail<FormatError>(where_, {field}, {core::Quoted{wanted}}, {io::describe(*value)});
        if (*text != wanted) core::fail<ModelError>(where_, {field}, {core::Quoted{wanted}}, {core::Quoted{*text}});
    }

    /// That the weights are not quantized by transformers, which would then say here by what.
    void refuse_quantization() const {
        const nlohmann::json* value = find("quantization_config");
        if (!value || value->empty()) return;
        std::string found = io::describe(*value);
        if (value->is_object()) {
            const auto method = value->find("quant_method");
            const auto* name = method == value->end() ? nullptr : method->get_ptr<const nlohmann::json::string_t*>();
            // Older versions of transformers knew bitsandbytes alone, and did not name it.
            found = "weights quantized by " + (name ? core::quoted(*name) : "bitsandbytes");
        }
        core::fail<ModelError>(where_, {"quantization_config"}, {"weights that are not quantized by transformers"},
                               {found, ": save the model dequantized"});
    }

    /// That it is no message of a server: {"error": "Repository not found"}.
    void refuse_answer() const {
        const nlohmann::json* error = find("error");
        const auto* text = error ? error->get_ptr<const nlohmann::json::string_t*>() : nullptr;
        if (text && !find("hidden_size") && !find("vocab_size"))
            core::fail<FormatError>(where_, {}, {"a config"},
                                    {"a server's answer: ", core::Quoted{*text}, " (a failed download)"});
    }

  private:
    using limits = std::numeric_limits<Index>;

    const nlohmann::json* find(const char* field) const {
        const auto member = root_.find(field);
        return member == root_.end() || member->is_null() ? nullptr : &*member;
    }

    /// The number of a JSON integer, or of a float without a fraction, as Python writes an integer that was computed.
    Index whole(const char* field, const nlohmann::json& value, Index smallest, Index largest) const {
        using json = nlohmann::json;
        const auto* natural = value.get_ptr<const json::number_unsigned_t*>();
        if (natural && *natural <= static_cast<std::uint64_t>((limits::max)())) return static_cast<Index>(*natural);
        if (const auto* integer = value.get_ptr<const json::number_integer_t*>(); integer && !natural)
            return static_cast<Index>(*integer);
        constexpr double exact = 9007199254740992.0;  // 2^53: every integer up to here is a double
        const auto* real = value.get_ptr<const json::number_float_t*>();
        if (real && std::fabs(*real) <= exact && std::trunc(*real) == *real) return static_cast<Index>(*real);
        const std::string wanted = smallest == limits::lowest() ? "an integer" : range(smallest, largest);
        const std::string found = io::describe(value);
        if (natural || (real && std::trunc(*real) == *real)) core::fail<ModelError>(where_, {field}, {wanted}, {found});
        core::fail<FormatError>(where_, {field}, {wanted}, {found});
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

/// The text with Python's NaN, Infinity and -Infinity, which JSON does not have, as strings: in a field that is not
/// read they do no harm, and where a number is read a string is refused by name.
inline std::string quote_non_finite(std::string_view text) {
    std::string result;
    result.reserve(text.size() + 16);
    bool in_string = false;
    for (std::size_t i = 0; i < text.size();) {
        std::size_t length = 1;
        if (in_string && text[i] == '\\')
            length = (std::min)(std::size_t(2), text.size() - i);
        else if (text[i] == '"')
            in_string = !in_string;
        else if (!in_string)
            for (const std::string_view word : {"NaN", "Infinity", "-Infinity"})
                if (text.substr(i).starts_with(word)) length = word.size();
        const bool quoted = length > 2;
        if (quoted) result += '"';
        result += text.substr(i, length);
        if (quoted) result += '"';
        i += length;
    }
    return result;
}

}  // namespace detail

/// Parses the text of a Hugging Face config.json of an RWKV-4 model; `where` names it in messages.
///
/// A field that is missing or null has the default of `RwkvConfig`; unknown fields are ignored; `model_type` may be
/// missing but must not be another architecture's. As in transformers a negative `rescale_every` is 0, `context_length`
/// any integer, `eos_token_id` may be a list, fields that are not read may be NaN or infinite, and special tokens
/// outside the vocabulary (−1, for example) are none. An integer may be written as a float, 12.0. Throws FormatError
/// for bad JSON or a field of the wrong type, ModelError for a value no model can have and for weights quantized by
/// transformers; all name the field.
inline Config parse_config(std::string_view text, const std::string& where) {
    std::string quoted;
    if (text.find("NaN") != text.npos || text.find("Infinity") != text.npos)
        text = quoted = detail::quote_non_finite(text);
    const io::JsonDocument document = io::parse_json(text, where);
    const nlohmann::json& root = document.root;
    if (!root.is_object()) core::fail<FormatError>(where, {}, {"a JSON object"}, {io::describe(root)});
    const detail::ConfigReader<> fields(root, where);
    fields.refuse_answer();
    fields.need("model_type", "rwkv");
    fields.refuse_quantization();

    Config config;
    config.vocab_size = fields.integer("vocab_size", config.vocab_size, 1, max_model_size);
    config.context_length =
        fields.clamped("context_length", config.context_length, 0, (std::numeric_limits<std::int32_t>::max)());
    config.hidden_size = fields.integer("hidden_size", config.hidden_size, 1, max_model_size);
    config.num_hidden_layers = fields.integer("num_hidden_layers", config.num_hidden_layers, 1, max_model_layers);
    config.attention_hidden_size = fields.integer("attention_hidden_size", config.hidden_size, 1, max_model_size);
    config.intermediate_size = fields.integer("intermediate_size", 4 * config.hidden_size, 1, max_model_size);
    config.layer_norm_epsilon = fields.positive("layer_norm_epsilon", config.layer_norm_epsilon);
    config.rescale_every = fields.clamped("rescale_every", config.rescale_every, 0, max_model_size);
    config.tie_word_embeddings = fields.boolean("tie_word_embeddings", config.tie_word_embeddings);
    const std::vector<TokenId> begin = fields.tokens("bos_token_id", config.vocab_size);
    const std::vector<TokenId> end = fields.tokens("eos_token_id", config.vocab_size);
    config.bos_token_id = begin.empty() ? -1 : begin[0];
    config.eos_token_id = end.empty() ? -1 : end[0];
    if (end.size() > 1) config.other_eos_token_ids.assign(end.begin() + 1, end.end());
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
    if (config.other_eos_token_ids.empty()) {
        add("eos_token_id", config.eos_token_id);
    } else {
        text.append(",\n  \"eos_token_id\": [").append(io::json_text(config.eos_token_id));
        for (const TokenId id : config.other_eos_token_ids) text.append(", ").append(io::json_text(id));
        text += ']';
    }
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
