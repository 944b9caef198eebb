#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <rwkv/checkpoint/config_json.hpp>
#include <rwkv/checkpoint/model_files.hpp>
#include <rwkv/checkpoint/model_location.hpp>
#include <rwkv/checkpoint/weight_files.hpp>
#include <rwkv/core/error.hpp>
#include <rwkv/core/message.hpp>
#include <rwkv/core/tensor.hpp>
#include <rwkv/io/byte_source.hpp>
#include <rwkv/io/file.hpp>
#include <rwkv/io/file_kind.hpp>
#include <rwkv/io/json.hpp>
#include <rwkv/version.hpp>

namespace rwkv::inline RWKV_ABI::checkpoint {

/// The format of a tokenizer's file.
enum class TokenizerKind {
    json,              ///< tokenizer.json of Hugging Face's tokenizers
    world_vocabulary,  ///< a list of tokens, as of RWKV World models
    world_json,        ///< the same in JSON, as of web-rwkv
};

/// The file of a tokenizer.
struct TokenizerFile {
    TokenizerKind kind;
    std::shared_ptr<const ByteSource> source;
    bool split_special_tokens = false;  ///< as tokenizer_config.json beside a tokenizer.json says
};

/// The name that a directory's tokenizer of that kind has.
inline const char* usual_name(TokenizerKind kind) noexcept {
    if (kind == TokenizerKind::json) return "tokenizer.json";
    return kind == TokenizerKind::world_json ? "rwkv_vocab_v20230424.json" : "rwkv_vocab_v20230424.txt";
}

/// What a file that was given itself is: by its name, or where that says nothing by its first byte, since a World
/// vocabulary begins with an id.
inline TokenizerKind tokenizer_kind(const ByteSource& source) {
    const std::string& name = source.name();
    if (name.ends_with(".txt")) return TokenizerKind::world_vocabulary;
    if (name.ends_with(".json"))
        return name.find("rwkv_vocab") == name.npos ? TokenizerKind::json : TokenizerKind::world_json;
    std::byte first{};
    if (source.size() > 0) source.read(0, {&first, 1});
    return first >= std::byte{'0'} && first <= std::byte{'9'} ? TokenizerKind::world_vocabulary : TokenizerKind::json;
}

/// The file of that path. Throws: FileError.
inline TokenizerFile given_tokenizer_file(const std::filesystem::path& path) {
    auto source = std::make_shared<const io::InputFile>(path);
    const TokenizerKind kind = tokenizer_kind(*source);
    return {kind, std::move(source), false};
}

/// The number of outputs that World models have at least: their vocabulary is as large.
inline constexpr Index world_vocabulary_size = 65530;

/// A tokenizer among the files of a model.
struct NamedTokenizer {
    TokenizerKind kind;
    std::string name;
};

/// The tokenizers among the files of a model, the best of each kind: tokenizer.json, 20B_tokenizer.json or the only
/// other one whose name ends so; rwkv_vocab_v20230424.txt or the only other one whose name begins with rwkv_vocab, or
/// the same in JSON.
inline std::vector<NamedTokenizer> tokenizers_among(const ModelFiles& files) {
    const std::vector<std::string> names = files.names();
    std::vector<NamedTokenizer> found;
    for (const TokenizerKind kind : {TokenizerKind::json, TokenizerKind::world_vocabulary, TokenizerKind::world_json}) {
        const bool is_json = kind == TokenizerKind::json;
        const std::string_view end = is_json ? "tokenizer.json" : kind == TokenizerKind::world_json ? ".json" : ".txt";
        const std::string_view first = usual_name(kind), second = is_json ? "20B_tokenizer.json" : first;
        const std::string* best = nullptr;
        int best_rank = 0, unusual = 0;
        for (const std::string& name : names) {
            if (!name.ends_with(end) || (!is_json && !name.starts_with("rwkv_vocab"))) continue;
            const int rank = name == first ? 3 : name == second ? 2 : 1;
            if (rank == 1) ++unusual;
            if (rank <= best_rank) continue;
            best = &name;
            best_rank = rank;
        }
        // The same vocabulary in JSON counts where the usual one is not there.
        if (kind == TokenizerKind::world_json && !found.empty() && found.back().kind == TokenizerKind::world_vocabulary)
            continue;
        if (best && (best_rank > 1 || unusual == 1)) found.push_back({kind, *best});
    }
    return found;
}

/// The `vocab_size` of the config.json among the files, where that can be read.
inline std::optional<Index> vocab_size_among(const ModelFiles& files) try {
    if (!files.contains("config.json")) return std::nullopt;
    return read_config(*open_file(files, "config.json")).vocab_size;
} catch (const Error&) {
    return std::nullopt;
}

/// The tokenizer that lies beside a model, or nothing. Where there is a World vocabulary beside another one, it is the
/// one that fits the number of the model's outputs: `vocab_size`, or unless given what config.json says.
///
/// Throws: ModelError where both are there, and nothing says how many outputs the model has.
inline std::optional<NamedTokenizer> find_tokenizer_among(const ModelFiles& files,
                                                          std::optional<Index> vocab_size = std::nullopt) {
    const std::vector<NamedTokenizer> found = tokenizers_among(files);
    if (found.empty()) return std::nullopt;
    if (found.size() == 1) return found[0];
    if (!vocab_size) vocab_size = vocab_size_among(files);
    if (!vocab_size)
        core::fail<ModelError>(
            files.name(), {"tokenizer"}, {"one, or a config.json that tells which fits"},
            {found[0].name, " and ", found[1].name, ": give the one that is meant, or the model's config with it"});
    return found[*vocab_size >= world_vocabulary_size];
}

/// Whether special tokens that are spelt in a text are encoded as text: the one setting of tokenizer_config.json that
/// is read.
///
/// Throws: FormatError for another value; ModelError where `add_prefix_space` is set, as tokenizer.json's own is
/// refused: transformers' tokenizers, except those of no model in particular, prefer what is said here.
inline bool read_split_special_tokens(const ByteSource& tokenizer_config) {
    constexpr std::uint64_t max_bytes = 64U << 20U;
    const io::JsonDocument document =
        io::parse_json(io::read_text(tokenizer_config, max_bytes), tokenizer_config.name());
    using json = nlohmann::json;
    const auto member = [&](const char* key) {
        const auto found = document.root.find(key);
        return found == document.root.end() ? nullptr : &*found;
    };
    const json* const prefix = member("add_prefix_space");
    const json* const name = member("tokenizer_class");
    const auto* const adds_prefix = prefix ? prefix->get_ptr<const json::boolean_t*>() : nullptr;
    const auto* const tokenizer_class = name ? name->get_ptr<const json::string_t*>() : nullptr;
    const bool is_of_no_model =
        tokenizer_class && (*tokenizer_class == "PreTrainedTokenizerFast" || *tokenizer_class == "TokenizersBackend");
    if (adds_prefix && *adds_prefix && !is_of_no_model)
        core::fail<ModelError>(tokenizer_config.name(), {"add_prefix_space"}, {"false (nothing else is supported)"},
                               {"true"});
    const json* const value = member("split_special_tokens");
    if (!value || value->is_null()) return false;
    if (!value->is_boolean())
        core::fail<FormatError>(tokenizer_config.name(), {"split_special_tokens"}, {"true or false"},
                                {io::describe(*value)});
    return value->get<bool>();
}

/// That tokenizer's file. Throws: FileError where it cannot be opened.
inline std::optional<TokenizerFile> find_tokenizer_file(const ModelFiles& files,
                                                        std::optional<Index> vocab_size = std::nullopt) {
    const auto found = find_tokenizer_among(files, vocab_size);
    if (!found) return std::nullopt;
    TokenizerFile file{found->kind, open_file(files, found->name), false};
    if (file.kind == TokenizerKind::json && files.contains("tokenizer_config.json"))
        file.split_special_tokens = read_split_special_tokens(*open_file(files, "tokenizer_config.json"));
    return file;
}

/// Whether a file given where a tokenizer is wanted is one of a model's weights, by its name or its first bytes.
inline bool is_weights(const std::filesystem::path& path) {
    const std::string name = path.filename().string();
    if (detail::leads_to_weights(name) || name.ends_with(".gguf")) return true;
    if (name.ends_with(".json") || name.ends_with(".txt") || !io::is_present(path)) return false;
    const io::InputFile file(path);
    const std::vector<std::byte> bytes = io::bytes_at(file, 0, (std::min)(file.size(), std::uint64_t(64)));
    const std::string_view first(reinterpret_cast<const char*>(bytes.data()), bytes.size());
    return io::begins_as_safetensors(first) || first.starts_with("PK\x03\x04");
}

/// The whole file. Throws: FileError; FormatError for one of more than 256 MiB, and for one that is known to be of
/// another kind.
inline std::string read_tokenizer_text(const ByteSource& source) {
    constexpr std::uint64_t max_tokenizer_bytes = 256U << 20U;
    std::string text = io::read_text(source, max_tokenizer_bytes);
    const std::string_view kind = io::file_kind(std::string_view(text).substr(0, 64));
    if (!kind.empty()) core::fail<FormatError>(source.name(), {}, {"a tokenizer"}, {kind});
    return text;
}

}  // namespace rwkv::inline RWKV_ABI::checkpoint
