#pragma once

#include <filesystem>
#include <optional>
#include <string>
#include <system_error>

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

RWKV_INLINE std::optional<std::filesystem::path> find_tokenizer(const std::filesystem::path& directory) {
    const auto file = checkpoint::find_tokenizer_file(directory);
    return file ? std::optional(file->path) : std::nullopt;
}

RWKV_INLINE Tokenizer load_tokenizer(const std::filesystem::path& path) {
    std::error_code ignored;
    const bool is_directory = std::filesystem::is_directory(path, ignored);
    const auto file = is_directory ? checkpoint::find_tokenizer_file(path) : checkpoint::classify_tokenizer_file(path);
    if (!file)
        // Hugging Face's directories of World models may have the vocabulary as a JSON of texts, so without every token
        // that is not UTF-8.
        core::fail<FileError>(path.string(), {}, {"tokenizer.json or rwkv_vocab_v20230424.txt"},
                              {io::is_present(path / "rwkv_vocab_v20230424.json")
                                   ? "rwkv_vocab_v20230424.json, which lacks tokens that the .txt has"
                                   : "neither"});
    const std::string where = file->path.string();
    const std::string text = checkpoint::read_tokenizer_text(*file);
    if (file->kind == checkpoint::TokenizerKind::world_vocabulary) return text::read_world_vocabulary(text, where);
    return text::read_tokenizer_json(io::parse_json(text, where).root, where);
}

RWKV_INLINE const PromptFormat& guess_prompt_format(const std::filesystem::path& directory) {
    const auto tokenizer = checkpoint::find_tokenizer_file(directory);
    const bool is_world = tokenizer && tokenizer->kind == checkpoint::TokenizerKind::world_vocabulary;
    return prompt_format(is_world ? "world" : "raven");
}

}  // namespace rwkv::inline RWKV_ABI
