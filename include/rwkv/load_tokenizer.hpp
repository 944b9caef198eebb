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

/// Finds the tokenizer file of a model, given by its directory or by the file with its weights: tokenizer.json,
/// 20B_tokenizer.json or another name that ends so, or rwkv_vocab_v20230424.txt. Empty if there is none. If a World
/// vocabulary is beside another tokenizer, the `vocab_size` of config.json decides. Throws: ModelError if that is
/// missing, too.
[[nodiscard]] std::optional<std::filesystem::path> find_tokenizer(const std::filesystem::path& model);

/// Loads the tokenizer of a model, given by its directory or by the file with its weights; or the file given: a
/// tokenizer.json or (ending in .txt) a World vocabulary. Of a tokenizer_config.json beside tokenizer.json,
/// `split_special_tokens` is read and `add_prefix_space` is refused; nothing else in it counts.
///
/// Throws: FileError, FormatError or ModelError, naming the file and what is wrong in it.
[[nodiscard]] Tokenizer load_tokenizer(const std::filesystem::path& path);

/// Loads the tokenizer from where an application keeps it: the file itself, or the one among the files of a model.
[[nodiscard]] Tokenizer load_tokenizer(const ByteSource& file);
[[nodiscard]] Tokenizer load_tokenizer(const ModelFiles& files);

/// The same for a model that is already loaded: if a World vocabulary is beside another tokenizer, the one that fits
/// the model's vocab_size.
[[nodiscard]] Tokenizer load_tokenizer(const std::filesystem::path& path, const Config& config);
[[nodiscard]] Tokenizer load_tokenizer(const ModelFiles& files, const Config& config);

/// A sentence that explains why the tokenizer may not belong to the model, or an empty string. That is so if it has far
/// fewer tokens than the model's vocab_size, as GPT-NeoX's 50277 for a World model's 65536, whose text is then
/// gibberish; or if it has more, as after tokens were added to the tokenizer alone. (With far more it is an error where
/// the two are used together, see check_tokenizer.)
[[nodiscard]] std::string describe_mismatch(const Tokenizer& tokenizer, const Config& config);

/// The prompt format that goes with a model, given by its directory or by the file with its weights (see
/// text/prompt_format.hpp): "world" where its tokenizer is a World vocabulary, and "raven" for all others, including
/// base models, which continue a dialogue of Bob and Alice like any text.
[[nodiscard]] const PromptFormat& guess_prompt_format(const std::filesystem::path& model);
[[nodiscard]] const PromptFormat& guess_prompt_format(const ModelFiles& files);
[[nodiscard]] const PromptFormat& guess_prompt_format(const Tokenizer& tokenizer);

}  // namespace rwkv::inline RWKV_ABI

#ifndef RWKV_COMPILED
#include <rwkv/checkpoint/load_tokenizer.inl>
#endif
