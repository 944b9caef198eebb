#pragma once

#include <filesystem>
#include <optional>
#include <string>
#include <system_error>

#include <rwkv/checkpoint/directory_files.hpp>
#include <rwkv/checkpoint/tokenizer_file.hpp>
#include <rwkv/core/error.hpp>
#include <rwkv/core/inline.hpp>
#include <rwkv/core/message.hpp>
#include <rwkv/io/file.hpp>
#include <rwkv/io/json.hpp>
#include <rwkv/load_tokenizer.hpp>
#include <rwkv/text/prompt_format.hpp>
#include <rwkv/text/tokenizer_json.hpp>
#include <rwkv/text/world_tokenizer.hpp>

namespace rwkv::inline RWKV_ABI {

namespace checkpoint {

inline Tokenizer read_tokenizer(TokenizerKind kind, const ByteSource& source) {
    const std::string text = read_tokenizer_text(source);
    if (kind == TokenizerKind::world_vocabulary) return text::read_world_vocabulary(text, source.name());
    return text::read_tokenizer_json(io::parse_json(text, source.name()).root, source.name());
}

}  // namespace checkpoint

RWKV_INLINE std::optional<std::filesystem::path> find_tokenizer(const std::filesystem::path& directory) {
    const auto kind = checkpoint::find_tokenizer_kind(checkpoint::DirectoryFiles(directory));
    return kind ? std::optional(directory / checkpoint::usual_name(*kind)) : std::nullopt;
}

RWKV_INLINE Tokenizer load_tokenizer(const ByteSource& source) {
    return checkpoint::read_tokenizer(checkpoint::tokenizer_kind(source), source);
}

RWKV_INLINE Tokenizer load_tokenizer(const ModelFiles& files) {
    const auto file = checkpoint::find_tokenizer_file(files);
    if (!file)
        // Hugging Face's directories of World models may have the vocabulary as a JSON of texts, so without every token
        // that is not UTF-8.
        core::fail<FileError>(files.name(), {}, {"tokenizer.json or rwkv_vocab_v20230424.txt"},
                              {files.contains("rwkv_vocab_v20230424.json")
                                   ? "rwkv_vocab_v20230424.json, which lacks tokens that the .txt has"
                                   : "neither"});
    return checkpoint::read_tokenizer(file->kind, *file->source);
}

RWKV_INLINE Tokenizer load_tokenizer(const std::filesystem::path& path) {
    std::error_code ignored;
    if (std::filesystem::is_directory(path, ignored)) return load_tokenizer(checkpoint::DirectoryFiles(path));
    return load_tokenizer(io::InputFile(path));
}

RWKV_INLINE const PromptFormat& guess_prompt_format(const ModelFiles& files) {
    const bool is_world = checkpoint::find_tokenizer_kind(files) == checkpoint::TokenizerKind::world_vocabulary;
    return prompt_format(is_world ? "world" : "raven");
}

RWKV_INLINE const PromptFormat& guess_prompt_format(const std::filesystem::path& directory) {
    return guess_prompt_format(checkpoint::DirectoryFiles(directory));
}

}  // namespace rwkv::inline RWKV_ABI
