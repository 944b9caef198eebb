#pragma once

#include <filesystem>
#include <optional>

#include <rwkv/text/tokenizer.hpp>
#include <rwkv/version.hpp>

namespace rwkv::inline RWKV_ABI {

/// The tokenizer's file in a model directory: tokenizer.json, or else rwkv_vocab_v20230424.txt, or nothing.
std::optional<std::filesystem::path> find_tokenizer(const std::filesystem::path& directory);

/// Loads the tokenizer of a model directory, or the file named: a tokenizer.json or (ending in .txt) a World
/// vocabulary. Throws FileError, FormatError or ModelError, saying what is wrong where.
Tokenizer load_tokenizer(const std::filesystem::path& path);

}  // namespace rwkv::inline RWKV_ABI

#ifndef RWKV_COMPILED
#include <rwkv/checkpoint/load_tokenizer.inl>
#endif
