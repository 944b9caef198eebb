#pragma once

#include <filesystem>
#include <optional>

#include <rwkv/checkpoint/model_files.hpp>
#include <rwkv/fwd.hpp>
#include <rwkv/io/byte_source.hpp>
#include <rwkv/text/tokenizer.hpp>
#include <rwkv/version.hpp>

namespace rwkv::inline RWKV_ABI {

/// The tokenizer's file in a model directory: tokenizer.json, or else rwkv_vocab_v20230424.txt, or nothing.
[[nodiscard]] std::optional<std::filesystem::path> find_tokenizer(const std::filesystem::path& directory);

/// Loads the tokenizer of a model directory, or the file given: a tokenizer.json or (ending in .txt) a World
/// vocabulary.
///
/// Throws: FileError, FormatError or ModelError, naming the file and what is wrong in it.
[[nodiscard]] Tokenizer load_tokenizer(const std::filesystem::path& path);

/// Loads the tokenizer from where an application keeps it: the file itself, or the one among the files of a model.
[[nodiscard]] Tokenizer load_tokenizer(const ByteSource& file);
[[nodiscard]] Tokenizer load_tokenizer(const ModelFiles& files);

/// The prompt format that goes with a model directory (see text/prompt_format.hpp): "world" where its tokenizer is a
/// World vocabulary, and "raven" for all others, plain models included, which continue a dialogue of Bob and Alice as
/// any text.
[[nodiscard]] const PromptFormat& guess_prompt_format(const std::filesystem::path& directory);
[[nodiscard]] const PromptFormat& guess_prompt_format(const ModelFiles& files);

}  // namespace rwkv::inline RWKV_ABI

#ifndef RWKV_COMPILED
#include <rwkv/checkpoint/load_tokenizer.inl>
#endif
