#pragma once

#include <filesystem>
#include <optional>
#include <string>

#include <rwkv/checkpoint/model_files.hpp>
#include <rwkv/fwd.hpp>
#include <rwkv/io/byte_source.hpp>
#include <rwkv/text/tokenizer.hpp>
#include <rwkv/version.hpp>

namespace rwkv::inline RWKV_ABI {

/// The tokenizer's file that belongs to a model, given by its directory or by the file with its weights:
/// tokenizer.json, 20B_tokenizer.json or another name that ends so, or rwkv_vocab_v20230424.txt, or nothing. Where a
/// World vocabulary lies beside another one, the `vocab_size` of config.json decides. Throws: ModelError where that is
/// not there either.
[[nodiscard]] std::optional<std::filesystem::path> find_tokenizer(const std::filesystem::path& model);

/// Loads the tokenizer of a model, given by its directory or by the file with its weights; or the file given: a
/// tokenizer.json or (ending in .txt) a World vocabulary.
///
/// Throws: FileError, FormatError or ModelError, naming the file and what is wrong in it.
[[nodiscard]] Tokenizer load_tokenizer(const std::filesystem::path& path);

/// Loads the tokenizer from where an application keeps it: the file itself, or the one among the files of a model.
[[nodiscard]] Tokenizer load_tokenizer(const ByteSource& file);
[[nodiscard]] Tokenizer load_tokenizer(const ModelFiles& files);

/// The same for a model that is at hand: where a World vocabulary lies beside another one, the one that fits the number
/// of the model's outputs.
[[nodiscard]] Tokenizer load_tokenizer(const std::filesystem::path& path, const Config& config);
[[nodiscard]] Tokenizer load_tokenizer(const ModelFiles& files, const Config& config);

/// What speaks against using the tokenizer with a model, in a sentence, or nothing: far fewer tokens than the model has
/// outputs, as with GPT-NeoX's 50277 for the 65536 of a World model, whose text is then gibberish. (More tokens than
/// outputs are refused where the two are used together.)
[[nodiscard]] std::string describe_mismatch(const Tokenizer& tokenizer, const Config& config);

/// The prompt format that goes with a model, given by its directory or by the file with its weights (see
/// text/prompt_format.hpp): "world" where its tokenizer is a World vocabulary, and "raven" for all others, plain models
/// included, which continue a dialogue of Bob and Alice as any text.
[[nodiscard]] const PromptFormat& guess_prompt_format(const std::filesystem::path& model);
[[nodiscard]] const PromptFormat& guess_prompt_format(const ModelFiles& files);
[[nodiscard]] const PromptFormat& guess_prompt_format(const Tokenizer& tokenizer);

}  // namespace rwkv::inline RWKV_ABI

#ifndef RWKV_COMPILED
#include <rwkv/checkpoint/load_tokenizer.inl>
#endif
