#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <memory>
#include <optional>
#include <string>
#include <utility>

#include <rwkv/checkpoint/model_files.hpp>
#include <rwkv/checkpoint/model_location.hpp>
#include <rwkv/io/byte_source.hpp>
#include <rwkv/io/file.hpp>
#include <rwkv/version.hpp>

namespace rwkv::inline RWKV_ABI::checkpoint {

/// The format of a tokenizer's file.
enum class TokenizerKind {
    json,              ///< tokenizer.json of Hugging Face's tokenizers
    world_vocabulary,  ///< a list of tokens, as of RWKV World models
};

/// The file of a tokenizer.
struct TokenizerFile {
    TokenizerKind kind;
    std::shared_ptr<const ByteSource> source;
};

/// The name that a directory's tokenizer of that kind has.
inline const char* usual_name(TokenizerKind kind) noexcept {
    return kind == TokenizerKind::json ? "tokenizer.json" : "rwkv_vocab_v20230424.txt";
}

/// What a file that was given itself is: by its name, or where that says nothing by its first byte, since a World
/// vocabulary begins with an id.
inline TokenizerKind tokenizer_kind(const ByteSource& source) {
    if (source.name().ends_with(".txt")) return TokenizerKind::world_vocabulary;
    std::byte first{};
    if (!source.name().ends_with(".json") && source.size() > 0) source.read(0, {&first, 1});
    return first >= std::byte{'0'} && first <= std::byte{'9'} ? TokenizerKind::world_vocabulary : TokenizerKind::json;
}

/// The file of that path. Throws: FileError.
inline TokenizerFile given_tokenizer_file(const std::filesystem::path& path) {
    auto source = std::make_shared<const io::InputFile>(path);
    const TokenizerKind kind = tokenizer_kind(*source);
    return {kind, std::move(source)};
}

/// The kind of the tokenizer that lies beside a model: tokenizer.json, or else rwkv_vocab_v20230424.txt, or nothing.
inline std::optional<TokenizerKind> find_tokenizer_kind(const ModelFiles& files) {
    for (const TokenizerKind kind : {TokenizerKind::json, TokenizerKind::world_vocabulary})
        if (files.contains(usual_name(kind))) return kind;
    return std::nullopt;
}

/// That tokenizer. Throws: FileError where the file cannot be opened.
inline std::optional<TokenizerFile> find_tokenizer_file(const ModelFiles& files) {
    const auto kind = find_tokenizer_kind(files);
    return kind ? std::optional(TokenizerFile{*kind, open_file(files, usual_name(*kind))}) : std::nullopt;
}

/// The whole file. Throws: FileError; FormatError for one of more than 256 MiB.
inline std::string read_tokenizer_text(const ByteSource& source) {
    constexpr std::uint64_t max_tokenizer_bytes = 256U << 20U;
    return io::read_text(source, max_tokenizer_bytes);
}

}  // namespace rwkv::inline RWKV_ABI::checkpoint
