#pragma once

#include <cstdint>
#include <filesystem>
#include <string>
#include <system_error>

#include <rwkv/error.hpp>
#include <rwkv/io/file.hpp>
#include <rwkv/io/json.hpp>
#include <rwkv/text/tokenizer.hpp>
#include <rwkv/text/tokenizer_json.hpp>
#include <rwkv/text/world_tokenizer.hpp>

namespace rwkv {

/// Loads the tokenizer of a model directory, or the file named: a tokenizer.json or (ending in .txt) a World
/// vocabulary. A directory's tokenizer.json goes before its rwkv_vocab_v20230424.txt. Throws FileError,
/// FormatError or ModelError, saying what is wrong where.
inline Tokenizer load_tokenizer(const std::filesystem::path& path) {
    constexpr std::uint64_t largest_file = 256U << 20U;
    constexpr const char* world = "rwkv_vocab_v20230424.txt";
    std::filesystem::path file = path;
    std::error_code ignored;
    if (std::filesystem::is_directory(path, ignored)) {
        file = path / "tokenizer.json";
        if (!std::filesystem::exists(file, ignored)) file = path / world;
        if (!std::filesystem::exists(file, ignored))
            throw FileError(path.string(), "", std::string("tokenizer.json or ") + world, "neither");
    }
    const std::string where = file.string();
    const std::string text = io::read_text(file, largest_file);
    if (file.extension() == ".txt") return text::read_world_vocabulary(text, where);
    return text::read_tokenizer_json(io::parse_json(text, where).root, where);
}

}  // namespace rwkv
