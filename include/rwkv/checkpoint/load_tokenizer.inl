#pragma once

#include <filesystem>
#include <optional>
#include <string>
#include <system_error>

#include <nlohmann/json.hpp>

#include <rwkv/checkpoint/directory_files.hpp>
#include <rwkv/checkpoint/tokenizer_file.hpp>
#include <rwkv/core/config.hpp>
#include <rwkv/core/error.hpp>
#include <rwkv/core/inline.hpp>
#include <rwkv/core/message.hpp>
#include <rwkv/io/file.hpp>
#include <rwkv/io/json.hpp>
#include <rwkv/load_tokenizer.hpp>
#include <rwkv/text/prompt_format.hpp>
#include <rwkv/text/tokenizer_json.hpp>
#include <rwkv/text/world_json.hpp>
#include <rwkv/text/world_tokenizer.hpp>

namespace rwkv::inline RWKV_ABI {

namespace checkpoint {

/// Whether a parsed file is a vocab.json, of tokens and their ids. One of them may be "1", as in a World vocabulary.
inline bool is_vocab_json(const nlohmann::json& file) {
    if (!file.is_object() || file.empty()) return false;
    for (const nlohmann::json& id : file)
        if (!id.is_number()) return false;
    return true;
}

inline Tokenizer read_tokenizer(TokenizerKind kind, const ByteSource& source, bool split_special_tokens = false) {
    const std::string text = read_tokenizer_text(source);
    if (kind == TokenizerKind::world_vocabulary) return text::read_world_vocabulary(text, source.name());
    const io::JsonDocument document = io::parse_json(text, source.name());
    if (is_vocab_json(document.root))
        core::fail<FormatError>(source.name(), {}, {"a tokenizer.json"},
                                {"a vocab.json, which is not read here (save the fast tokenizer)"});
    // By its content, since a file that was given may have any name.
    if (kind == TokenizerKind::world_json || text::is_world_json(document.root))
        return text::read_world_json(document.root, source.name());
    return text::read_tokenizer_json(document.root, source.name(), split_special_tokens);
}

/// The tokenizer among the files of a model.
inline Tokenizer load_tokenizer_among(const ModelFiles& files, std::optional<Index> vocab_size) {
    const auto file = find_tokenizer_file(files, vocab_size);
    if (file) return read_tokenizer(file->kind, *file->source, file->split_special_tokens);
    core::fail<FileError>(files.name(), {}, {"tokenizer.json, 20B_tokenizer.json or rwkv_vocab_v20230424.txt"},
                          {files.contains("vocab.json") ? "vocab.json, which is not read here (save the fast tokenizer)"
                                                        : "none of them"});
}

/// The tokenizer of a model given by its path, or the one in the file given.
inline Tokenizer load_tokenizer_at(const std::filesystem::path& path, std::optional<Index> vocab_size) {
    const ModelLocation location(path);
    if (!location.weights || is_weights(path)) return load_tokenizer_among(*location.files, vocab_size);
    const io::InputFile file(path);
    return read_tokenizer(tokenizer_kind(file), file);
}

}  // namespace checkpoint

RWKV_INLINE std::optional<std::filesystem::path> find_tokenizer(const std::filesystem::path& model) {
    const checkpoint::ModelLocation location(model);
    const auto found = checkpoint::find_tokenizer_among(*location.files);
    if (!found) return std::nullopt;
    return std::filesystem::path(location.files->name()) / found->name;
}

RWKV_INLINE Tokenizer load_tokenizer(const ByteSource& source) {
    return checkpoint::read_tokenizer(checkpoint::tokenizer_kind(source), source);
}

RWKV_INLINE Tokenizer load_tokenizer(const ModelFiles& files) {
    return checkpoint::load_tokenizer_among(files, std::nullopt);
}

RWKV_INLINE Tokenizer load_tokenizer(const ModelFiles& files, const Config& config) {
    return checkpoint::load_tokenizer_among(files, config.vocab_size);
}

RWKV_INLINE Tokenizer load_tokenizer(const std::filesystem::path& path) {
    return checkpoint::load_tokenizer_at(path, std::nullopt);
}

RWKV_INLINE Tokenizer load_tokenizer(const std::filesystem::path& path, const Config& config) {
    return checkpoint::load_tokenizer_at(path, config.vocab_size);
}

RWKV_INLINE std::string describe_mismatch(const Tokenizer& tokenizer, const Config& config) {
    const auto tokens = static_cast<Index>(tokenizer.vocab_size());
    if (tokens > config.vocab_size)
        return core::join({"the tokenizer has ", tokens, " tokens and the model ", config.vocab_size,
                           " outputs: tokens from ", config.vocab_size, " on are refused"});
    // Vocabularies are padded to sizes that multiply well, by less than an eighth.
    if (tokens >= config.vocab_size - config.vocab_size / 8) return "";
    const bool is_world = config.vocab_size >= checkpoint::world_vocabulary_size;
    return core::join({"the tokenizer has ", tokens, " tokens and the model ", config.vocab_size,
                       " outputs: it may be another model's",
                       is_world ? " (World models have rwkv_vocab_v20230424.txt)" : ""});
}

RWKV_INLINE const PromptFormat& guess_prompt_format(const ModelFiles& files) {
    const std::vector<checkpoint::NamedTokenizer> found = checkpoint::tokenizers_among(files);
    bool is_world = found.size() == 1 && found[0].kind != checkpoint::TokenizerKind::json;
    if (found.size() > 1)
        is_world = checkpoint::vocab_size_among(files).value_or(0) >= checkpoint::world_vocabulary_size;
    return prompt_format(is_world ? "world" : "raven");
}

RWKV_INLINE const PromptFormat& guess_prompt_format(const std::filesystem::path& model) {
    return guess_prompt_format(*checkpoint::ModelLocation(model).files);
}

RWKV_INLINE const PromptFormat& guess_prompt_format(const Tokenizer& tokenizer) {
    return prompt_format(text::is_world_vocabulary(tokenizer) ? "world" : "raven");
}

}  // namespace rwkv::inline RWKV_ABI
