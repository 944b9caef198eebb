#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <system_error>

#include <rwkv/error.hpp>
#include <rwkv/io/file.hpp>
#include <rwkv/io/json.hpp>
#include <rwkv/io/model_files.hpp>
#include <rwkv/text/tokenizer.hpp>
#include <rwkv/text/tokenizer_json.hpp>
#include <rwkv/text/world_tokenizer.hpp>

namespace rwkv {

/// The tokenizer's file in a model directory: tokenizer.json, or else rwkv_vocab_v20230424.txt, or nothing.
inline std::optional<std::filesystem::path> find_tokenizer(const std::filesystem::path& directory) {
    for (const char* name : {"tokenizer.json", "rwkv_vocab_v20230424.txt"})
        if (io::is_present(directory / name)) return directory / name;
    return std::nullopt;
}

/// Loads the tokenizer of a model directory, or the file named: a tokenizer.json or (ending in .txt) a World
/// vocabulary. Throws FileError, FormatError or ModelError, saying what is wrong where.
inline Tokenizer load_tokenizer(const std::filesystem::path& path) {
    constexpr std::uint64_t largest_file = 256U << 20U;
    std::filesystem::path file = path;
    std::error_code ignored;
    if (std::filesystem::is_directory(path, ignored)) {
        const auto found = find_tokenizer(path);
        if (!found) throw FileError(path.string(), "", "tokenizer.json or rwkv_vocab_v20230424.txt", "neither");
        file = *found;
    }
    const std::string where = file.string();
    const std::string text = io::read_text(file, largest_file);
    if (file.extension() == ".txt") return text::read_world_vocabulary(text, where);
    return text::read_tokenizer_json(io::parse_json(text, where).root, where);
}

}  // namespace rwkv
