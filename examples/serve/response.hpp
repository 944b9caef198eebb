#pragma once

#include <chrono>
#include <cstdint>
#include <cstdio>
#include <random>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <rwkv/generation/generation.hpp>
#include <rwkv/text/tokenizer.hpp>
#include <rwkv/text/utf8.hpp>

#include "api_error.hpp"
#include "inbox.hpp"
#include "json.hpp"

// What clients are sent, in OpenAI's JSON.

namespace serve {

inline Json to_json(const ApiError& error) {
    const auto or_null = [](const std::string& text) { return text.empty() ? Json() : Json(text); };
    return {{"error",
             {{"message", error.what()},
              {"type", error.type()},
              {"param", or_null(error.param())},
              {"code", or_null(error.code())}}}};
}

/// A name that nothing else has: "cmpl-" and 24 characters.
inline std::string new_id(std::string_view prefix) {
    static thread_local std::mt19937_64 random{std::random_device{}()};
    char text[40];
    std::snprintf(text, sizeof text, "%016llx%08llx", static_cast<unsigned long long>(random()),
                  static_cast<unsigned long long>(random() & 0xFFFFFFFFU));
    return std::string(prefix) + text;
}

inline std::int64_t unix_time() {
    return std::chrono::duration_cast<std::chrono::seconds>(std::chrono::system_clock::now().time_since_epoch())
        .count();
}

/// Tokens read, known before and generated.
struct Usage {
    std::int64_t prompt = 0, cached = 0, generated = 0;
};

/// Seconds spent in the queue, on prompts and on new tokens, by all texts of a request.
struct Times {
    double waiting = 0, prompt = 0, decode = 0;
};

inline Json to_json(const Usage& usage) {
    return {{"prompt_tokens", usage.prompt},
            {"completion_tokens", usage.generated},
            {"total_tokens", usage.prompt + usage.generated},
            {"prompt_tokens_details", {{"cached_tokens", usage.cached}}}};
}

/// A token and how likely it was, with others that were.
struct TokenReport {
    rwkv::TokenId token = 0;
    double log_probability = 0;
    bool has_probability = true;  ///< the first token of a prompt has none
    std::vector<rwkv::TokenLogProbability> top = {};
};

/// The bytes of a token; none for an output of the model without a token.
inline std::string bytes_of(const rwkv::Tokenizer& tokenizer, rwkv::TokenId token) {
    return tokenizer.contains(token) ? std::string(tokenizer.token_bytes(token)) : std::string();
}

/// Log-probabilities as /v1/completions has them. Parts of characters are written as OpenAI does: "bytes:\xe2\x80".
class CompletionLogprobs {
  public:
    CompletionLogprobs(const rwkv::Tokenizer& tokenizer, bool with_top) : tokenizer_(tokenizer), with_top_(with_top) {}

    void add(const TokenReport& report) {
        const std::string bytes = bytes_of(tokenizer_, report.token);
        tokens_.push_back(name(bytes));
        offsets_.push_back(offset_);
        offset_ += characters(bytes);
        probabilities_.push_back(report.has_probability ? Json(report.log_probability) : Json());
        Json top;
        if (with_top_ && report.has_probability) {
            top = Json::object();
            for (const rwkv::TokenLogProbability& one : report.top)
                top[name(bytes_of(tokenizer_, one.token))] = one.log_probability;
            const std::string& own = tokens_.back().get_ref<const std::string&>();
            if (!top.contains(own)) top[own] = report.log_probability;
        }
        top_.push_back(std::move(top));
    }
    /// What was added since the last call.
    Json take() {
        Json json = {{"tokens", std::exchange(tokens_, Json::array())},
                     {"token_logprobs", std::exchange(probabilities_, Json::array())},
                     {"top_logprobs", with_top_ ? std::exchange(top_, Json::array()) : Json()},
                     {"text_offset", std::exchange(offsets_, Json::array())}};
        return json;
    }

  private:
    static std::string name(const std::string& bytes) {
        std::string text = rwkv::text::lossy_utf8(bytes);
        if (text == bytes) return text;
        text = "bytes:";
        for (const char c : bytes) {
            char code[8];
            std::snprintf(code, sizeof code, "\\x%02x", static_cast<unsigned>(static_cast<unsigned char>(c)));
            text += code;
        }
        return text;
    }
    static std::int64_t characters(const std::string& bytes) {
        std::int64_t count = 0;
        for (const char c : bytes) count += (static_cast<unsigned char>(c) & 0xC0U) != 0x80U;
        return count;
    }

    const rwkv::Tokenizer& tokenizer_;
    bool with_top_;
    std::int64_t offset_ = 0;
    Json tokens_ = Json::array(), probabilities_ = Json::array(), top_ = Json::array(), offsets_ = Json::array();
};

/// One token's entry as /v1/chat/completions has it.
inline Json chat_logprob(const rwkv::Tokenizer& tokenizer, rwkv::TokenId token, double log_probability) {
    const std::string bytes = bytes_of(tokenizer, token);
    Json codes = Json::array();
    for (const char c : bytes) codes.push_back(static_cast<int>(static_cast<unsigned char>(c)));
    return {{"token", rwkv::text::lossy_utf8(bytes)}, {"logprob", log_probability}, {"bytes", std::move(codes)}};
}

inline Json chat_logprob(const rwkv::Tokenizer& tokenizer, const TokenReport& report) {
    Json json = chat_logprob(tokenizer, report.token, report.log_probability);
    json["top_logprobs"] = Json::array();
    for (const rwkv::TokenLogProbability& one : report.top)
        json["top_logprobs"].push_back(chat_logprob(tokenizer, one.token, one.log_probability));
    return json;
}

/// OpenAI's word for why a text ended.
inline const char* finish_reason(rwkv::FinishReason reason) {
    return reason == rwkv::FinishReason::length ? "length" : "stop";
}

/// One server-sent event.
inline std::string server_sent(const std::string& data) {
    return "data: " + data + "\n\n";
}

}  // namespace serve
