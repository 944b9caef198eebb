#pragma once

#include <string>

#include <nlohmann/json.hpp>

#include <rwkv/text/tokenizer.hpp>
#include <rwkv/version.hpp>

namespace rwkv::inline RWKV_ABI::text {

/// The tokenizer that a parsed tokenizer.json describes: byte-level BPE with the GPT-2 pattern, with NFC or without a
/// normalizer. `where` names the file in messages; the JSON is not needed afterwards. With `split_special_tokens`,
/// which tokenizer_config.json may say, special tokens that are spelt in a text are encoded as text. Throws FormatError
/// where the file is not a tokenizer.json, and ModelError, naming it, for a component or an option that this library
/// does not have.
[[nodiscard]] Tokenizer read_tokenizer_json(const nlohmann::json& file, const std::string& where,
                                            bool split_special_tokens = false);

}  // namespace rwkv::inline RWKV_ABI::text

#ifndef RWKV_COMPILED
#include <rwkv/text/tokenizer_json.inl>
#endif
