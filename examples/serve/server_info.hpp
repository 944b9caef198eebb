#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "chat_prompt.hpp"
#include "request.hpp"
#include "response.hpp"
#include "service.hpp"

// What is answered without the model: what it is called, its tokens, what may be asked.

namespace serve {

namespace detail {

/// A regular expression for the integers from 0 to `max`, as they are written.
inline std::string integers_up_to(std::int64_t max) {
    const std::string digits = std::to_string(max);
    const auto any = [](std::size_t count) { return "[0-9]{" + std::to_string(count) + "}"; };
    std::string pattern = "^(0|" + digits;
    if (digits.size() > 1) pattern += "|[1-9][0-9]{0," + std::to_string(digits.size() - 2) + "}";
    for (std::size_t i = 0; i < digits.size(); ++i) {
        const char least = i == 0 ? '1' : '0';
        if (digits[i] <= least) continue;
        pattern += "|" + digits.substr(0, i) + "[" + least + "-" + static_cast<char>(digits[i] - 1) + "]" +
                   any(digits.size() - i - 1);
    }
    return pattern + ")$";
}

}  // namespace detail

/// The OpenAPI document, with the limits of this server and its model.
inline Json described(const Service& service, std::string_view document) {
    Json json = Json::parse(document);
    Json& schemas = json["components"]["schemas"];
    const std::int64_t last = service.config().vocab_size - 1, choices = service.options().limits.max_choices;
    schemas["TokenId"]["maximum"] = last;
    schemas["Sampling"]["properties"]["n"]["maximum"] = choices;
    schemas["Sampling"]["properties"]["logit_bias"]["propertyNames"]["pattern"] = detail::integers_up_to(last);
    return json;
}

/// The model as /v1/models has it.
inline Json model_info(const Service& service, std::int64_t started) {
    return {{"id", service.options().model_name},
            {"object", "model"},
            {"created", started},
            {"owned_by", "rwkv.hpp"},
            {"max_model_len", service.options().limits.max_prompt_tokens}};
}

/// What evaluations ask of a tokenizer.
inline Json tokenizer_info(const Service& service) {
    const rwkv::Config& config = service.config();
    const rwkv::Tokenizer& tokenizer = service.tokenizer();
    const auto text = [&](rwkv::TokenId token) {
        if (token < 0 || !tokenizer.contains(token)) return Json();
        return Json(rwkv::text::lossy_utf8(tokenizer.token_bytes(token)));
    };
    return {{"tokenizer_class", "rwkv.hpp"},
            {"vocab_size", tokenizer.vocab_size()},
            {"model_vocab_size", config.vocab_size},
            {"bos_token", text(config.bos_token_id)},
            {"bos_token_id", config.bos_token_id},
            {"eos_token", text(config.eos_token_id)},
            {"eos_token_id", config.eos_token_id},
            {"pad_token", text(config.eos_token_id)},
            {"unk_token", nullptr},
            {"add_bos_token", false},
            {"prompt_format", service.options().format.name},
            {"model_max_length", service.options().limits.max_prompt_tokens}};
}

inline Json tokenize(const Service& service, const TokenizeRequest& request) {
    const std::string prompt =
        request.messages.empty() ? request.text : chat_prompt(service.options().format, request.messages);
    const std::vector<rwkv::TokenId> tokens = service.tokenizer().encode(prompt);
    Json json = {
        {"tokens", tokens}, {"count", tokens.size()}, {"max_model_len", service.options().limits.max_prompt_tokens}};
    if (!request.with_pieces) return json;
    json["token_strs"] = Json::array();
    for (const rwkv::TokenId token : tokens)
        json["token_strs"].push_back(rwkv::text::lossy_utf8(bytes_of(service.tokenizer(), token)));
    return json;
}

inline Json detokenize(const Service& service, const std::vector<rwkv::TokenId>& tokens) {
    std::string bytes;
    for (const rwkv::TokenId token : tokens) bytes += bytes_of(service.tokenizer(), token);
    const std::string text = rwkv::text::lossy_utf8(bytes);
    return {{"prompt", text}, {"content", text}};
}

}  // namespace serve
