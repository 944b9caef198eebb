#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <utility>

#include <rwkv/io/file.hpp>
#include <rwkv/version.hpp>

namespace rwkv::inline RWKV_ABI::checkpoint {

/// The format of a tokenizer's file.
enum class TokenizerKind {
    json,              ///< tokenizer.json of Hugging Face's tokenizers
    world_vocabulary,  ///< a list of tokens, as of RWKV World models
};

/// The file of a tokenizer. What it is is decided here, once, by its name.
struct TokenizerFile {
    TokenizerKind kind;
    std::filesystem::path path;
};

/// The name that a directory's tokenizer of that kind has.
inline const char* usual_name(TokenizerKind kind) noexcept {
    return kind == TokenizerKind::json ? "tokenizer.json" : "rwkv_vocab_v20230424.txt";
}

/// A file given by name: a World vocabulary if it ends in .txt, or else a tokenizer.json.
inline TokenizerFile classify_tokenizer_file(const std::filesystem::path& path) {
    return {path.extension() == ".txt" ? TokenizerKind::world_vocabulary : TokenizerKind::json, path};
}

/// The tokenizer of a model directory: tokenizer.json, or else rwkv_vocab_v20230424.txt, or nothing.
inline std::optional<TokenizerFile> find_tokenizer_file(const std::filesystem::path& directory) {
    for (const TokenizerKind kind : {TokenizerKind::json, TokenizerKind::world_vocabulary})
        if (auto path = directory / usual_name(kind); io::is_present(path)) return TokenizerFile{kind, std::move(path)};
    return std::nullopt;
}

/// The whole file. Throws: FileError; FormatError for one of more than 256 MiB.
inline std::string read_tokenizer_text(const TokenizerFile& file) {
    constexpr std::uint64_t max_tokenizer_bytes = 256U << 20U;
    return io::read_text(file.path, max_tokenizer_bytes);
}

}  // namespace rwkv::inline RWKV_ABI::checkpoint
