#pragma once

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <rwkv/core/error.hpp>
#include <rwkv/core/tensor.hpp>
#include <rwkv/generation/options.hpp>
#include <rwkv/generation/sampler.hpp>

#include "base64.hpp"
#include "json.hpp"
#include "limits.hpp"
#include "message.hpp"
#include "state_picture.hpp"
#include "text_format.hpp"

// What clients send, in OpenAI's JSON, as values of ours. No sockets, no model: any bytes give a request or an
// ApiError.

namespace serve {

/// A text, or its tokens.
struct Prompt {
    std::string text = {};
    std::vector<rwkv::TokenId> tokens = {};
    bool is_tokens = false;
};

/// A request for text, of /v1/completions or /v1/chat/completions.
struct TextRequest {
    bool is_chat = false;
    std::vector<Prompt> prompts = {};    ///< of a completion: at least one
    std::vector<Message> messages = {};  ///< of a chat: at least one
    std::size_t count = 1;               ///< of texts for each prompt
    rwkv::GenerationOptions options = {};
    std::optional<std::uint64_t> seed = {};
    bool stream = false, include_usage = false;
    bool echo = false;
    bool logprobs = false;  ///< options.top_logprobs has the number of alternatives
    Format format = {};
    std::string function = {};  ///< the text is its arguments, in JSON
    bool return_state = false;
    std::vector<std::byte> state = {};  ///< a conversation that goes on; empty: none
    int picture_columns = 0;            ///< of a picture of the state beside each event; 0: none
};

namespace detail {

/// The ids of an array. Throws: ApiError.
inline std::vector<rwkv::TokenId> token_ids(const std::string& name, const Json& array, const Limits& limits) {
    std::vector<rwkv::TokenId> ids;
    ids.reserve(array.size());
    for (const Json& value : array) {
        std::int64_t id = 0;
        if (!Fields::to_integer(value, id) || id < 0 || id >= limits.vocab_size)
            throw bad_request(name + ": expected token ids from 0 to " + std::to_string(limits.vocab_size - 1) +
                                  ", found " + describe(value),
                              name);
        ids.push_back(static_cast<rwkv::TokenId>(id));
    }
    return ids;
}

/// A text, ids, a list of texts or a list of lists of ids. Throws: ApiError, also for an empty list, and for none
/// where one is needed; else that is an empty text.
inline std::vector<Prompt> prompts(const Fields& fields, const char* name, bool is_needed, const Limits& limits) {
    const Json* const value = fields.find(name);
    if (!value && !is_needed) return {Prompt()};
    if (!value)
        throw bad_request(std::string(name) + ": expected a string, an array of strings or token ids, found none",
                          name);
    std::vector<Prompt> all;
    const auto add_ids = [&](const Json& ids) { all.push_back({{}, token_ids(name, ids, limits), true}); };
    if (value->is_string()) {
        all.push_back({value->get<std::string>()});
    } else if (value->is_array() && !value->empty() && value->front().is_number()) {
        add_ids(*value);
    } else if (value->is_array()) {
        if (static_cast<std::int64_t>(value->size()) > limits.max_choices)
            throw bad_request(std::string(name) + ": expected at most " + std::to_string(limits.max_choices) +
                                  " of them, found " + std::to_string(value->size()),
                              name);
        for (const Json& one : *value) {
            if (one.is_string())
                all.push_back({one.get<std::string>()});
            else if (one.is_array())
                add_ids(one);
            else
                fields.wrong(name, "strings or arrays of token ids in the array", one);
        }
    }
    if (all.empty()) fields.wrong(name, "a string, an array of strings or token ids, not empty", *value);
    return all;
}

/// Where texts end.
inline std::vector<std::string> stops(const Fields& fields) {
    const Json* const value = fields.find("stop");
    std::vector<std::string> all;
    if (!value) return all;
    const auto add = [&](const Json& one) {
        if (!one.is_string()) fields.wrong("stop", "a string or an array of strings", one);
        const auto& text = one.get_ref<const std::string&>();
        if (text.empty()) return;  // some clients send it for none
        const auto characters = static_cast<std::size_t>(std::count_if(
            text.begin(), text.end(), [](char c) { return (static_cast<unsigned char>(c) & 0xC0U) != 0x80U; }));
        if (characters > Limits::max_stop_characters || all.size() == Limits::max_stops)
            throw bad_request("stop: expected at most " + std::to_string(Limits::max_stops) + " strings of at most " +
                                  std::to_string(Limits::max_stop_characters) + " characters",
                              "stop");
        all.push_back(text);
    };
    if (value->is_array())
        for (const Json& one : *value) add(one);
    else
        add(*value);
    return all;
}

inline void read_sampling(const Fields& fields, TextRequest& request, const Limits& limits) {
    rwkv::SamplingOptions& sampling = request.options.sampling;
    constexpr float max_penalty = 100, max_int = 1 << 30;
    sampling.temperature = fields.real("temperature", 1, 0, 100);
    sampling.top_p = fields.real("top_p", 1, 0, 1);
    sampling.top_k = static_cast<int>((std::max)(std::int64_t(0), fields.integer("top_k", 0, -1, 1 << 30)));
    sampling.min_p = fields.real("min_p", 0, 0, 1);
    sampling.typical_p = fields.real("typical_p", 1, 0, 1);
    sampling.mirostat_tau = fields.real("mirostat_tau", 0, 0, max_int);
    sampling.mirostat_eta = fields.real("mirostat_eta", sampling.mirostat_eta, 0, 1);
    sampling.presence_penalty = fields.real("presence_penalty", 0, -max_penalty, max_penalty);
    sampling.frequency_penalty = fields.real("frequency_penalty", 0, -max_penalty, max_penalty);
    sampling.penalty_decay = fields.real("penalty_decay", 1, 0, 1);  // OpenAI's penalties do not fade
    sampling.repetition_penalty = fields.real("repetition_penalty", 1, 0.01f, max_penalty);
    sampling.no_repeat_ngram_size = static_cast<int>(fields.integer("no_repeat_ngram_size", 0, 0, 1 << 20));
    if (const Json* const biases = fields.find("logit_bias")) {
        if (!biases->is_object()) fields.wrong("logit_bias", "an object of token ids and numbers", *biases);
        for (const auto& [key, value] : biases->items()) {
            std::int64_t token = -1;
            const Json id = Json::parse(key, nullptr, false);
            if (!id.is_number_unsigned() || !Fields::to_integer(id, token) || token < 0 || token >= limits.vocab_size)
                fields.wrong("logit_bias", "token ids from 0 to " + std::to_string(limits.vocab_size - 1) + " as keys",
                             Json(key));
            sampling.logit_bias[static_cast<rwkv::TokenId>(token)] = fields.real_of("logit_bias", value, -100, 100);
        }
    }
    if (const Json* const ids = fields.find("stop_token_ids")) {
        if (!ids->is_array()) fields.wrong("stop_token_ids", "an array of token ids", *ids);
        request.options.stop_token_ids = token_ids("stop_token_ids", *ids, limits);
    }
    if (const Json* const seed = fields.find("seed")) {
        std::int64_t number = 0;
        const double limit = 18446744073709551616.0, real = seed->is_number_float() ? seed->get<double>() : 0;  // 2^64
        if (seed->is_number_unsigned())
            request.seed = seed->get<std::uint64_t>();
        else if (real > 0 && real < limit && real == std::floor(real))
            request.seed = static_cast<std::uint64_t>(real);
        else if (!Fields::to_integer(*seed, number))
            fields.wrong("seed", "an integer", *seed);
        else if (number != -1)
            request.seed = static_cast<std::uint64_t>(number);
    }
    try {
        static_cast<void>(rwkv::Sampler(sampling));
    } catch (const rwkv::ArgumentError& error) {
        throw bad_request(error.subject() + ": expected " + error.expected() + ", found " + error.found(),
                          error.subject());
    }
}

}  // namespace detail

/// A request for text. Throws: ApiError.
inline TextRequest parse_text_request(std::string_view body, bool is_chat, const Limits& limits) {
    const Json json = parse_object(body);
    const Fields fields(json);
    TextRequest request;
    request.is_chat = is_chat;
    if (is_chat)
        request.messages = detail::messages(fields);
    else
        request.prompts = detail::prompts(fields, "prompt", false, limits);
    request.count = static_cast<std::size_t>(fields.integer("n", 1, 1, limits.max_choices));
    const std::size_t choices = request.count * (is_chat ? 1 : request.prompts.size());
    if (choices > static_cast<std::size_t>(limits.max_choices))
        throw bad_request("n: expected at most " + std::to_string(limits.max_choices) + " texts in all, found " +
                              std::to_string(choices),
                          "n");
    if (fields.integer("best_of", static_cast<std::int64_t>(request.count), 0, limits.max_choices) >
        static_cast<std::int64_t>(request.count))
        throw not_supported("best_of above n", "best_of");
    if (!is_chat && !fields.string("suffix").empty()) throw not_supported("suffix", "suffix");

    constexpr std::int64_t huge = std::int64_t(1) << 53;
    const std::int64_t otherwise = is_chat ? limits.max_new_tokens : (std::min)(rwkv::Index(16), limits.max_new_tokens);
    std::int64_t max_tokens =
        fields.integer("max_completion_tokens", fields.integer("max_tokens", -1, -1, huge), -1, huge);
    if (max_tokens < 0) max_tokens = otherwise;  // -1 is what some clients send for none
    request.options.max_new_tokens = (std::min<std::int64_t>)(max_tokens, limits.max_new_tokens);
    request.options.stop_strings = detail::stops(fields);
    detail::read_sampling(fields, request, limits);

    request.stream = fields.boolean("stream");
    if (const Json* const options = fields.find("stream_options")) {
        if (!options->is_object()) fields.wrong("stream_options", "an object", *options);
        request.include_usage = Fields(*options, "stream_options.").boolean("include_usage");
    }
    request.echo = !is_chat && fields.boolean("echo");
    if (is_chat) {
        request.logprobs = fields.boolean("logprobs");
        const std::int64_t top = fields.integer("top_logprobs", 0, 0, Limits::max_top_logprobs);
        if (top > 0 && !request.logprobs) throw bad_request("top_logprobs: needs logprobs to be true", "top_logprobs");
        request.options.top_logprobs = static_cast<int>(top);
    } else if (const Json* const logprobs = fields.find("logprobs"); logprobs && *logprobs != false) {
        request.logprobs = true;
        request.options.top_logprobs = static_cast<int>(fields.integer("logprobs", 0, 0, Limits::max_top_logprobs));
    }
    request.format = detail::format_of(fields, is_chat, request.function);

    request.return_state = fields.boolean("return_state");
    request.picture_columns = static_cast<int>(fields.integer("state_picture", 0, 0, max_picture_columns));
    if (const std::string state = fields.string("state"); !state.empty()) {
        std::optional<std::vector<std::byte>> bytes = from_base64(state);
        if (!bytes || bytes->empty())
            throw bad_request("state: expected base64 of a state that this server returned", "state");
        request.state = std::move(*bytes);
        if (!is_chat && request.prompts.size() > 1) throw bad_request("state: expected one prompt", "state");
        if (request.echo) throw bad_request("state: cannot be combined with echo", "state");
    }
    return request;
}

/// A request for embeddings.
struct EmbeddingRequest {
    std::vector<Prompt> inputs;
    bool as_base64 = false;
    bool last = false;  ///< the last hidden state instead of the mean of all
};

/// Throws: ApiError.
inline EmbeddingRequest parse_embedding_request(std::string_view body, const Limits& limits, rwkv::Index hidden_size) {
    const Json json = parse_object(body);
    const Fields fields(json);
    EmbeddingRequest request;
    request.inputs = detail::prompts(fields, "input", true, limits);
    const std::string format = fields.string("encoding_format", "float");
    if (format != "float" && format != "base64") fields.wrong("encoding_format", "float or base64", Json(format));
    request.as_base64 = format == "base64";
    if (fields.find("dimensions") && fields.integer("dimensions", 0, 0, std::int64_t(1) << 53) != hidden_size)
        fields.wrong("dimensions", std::to_string(hidden_size) + ", what this model has", *fields.find("dimensions"));
    const std::string pooling = fields.string("pooling", "mean");
    if (pooling != "mean" && pooling != "last") fields.wrong("pooling", "mean or last", Json(pooling));
    request.last = pooling == "last";
    return request;
}

/// A request for the tokens of a text, by any of the names that servers have for it.
struct TokenizeRequest {
    std::string text;
    std::vector<Message> messages;  ///< instead of the text, if there are any
    bool with_pieces = false;
};

/// Throws: ApiError.
inline TokenizeRequest parse_tokenize_request(std::string_view body) {
    const Json json = parse_object(body);
    const Fields fields(json);
    TokenizeRequest request;
    if (fields.find("messages")) {
        request.messages = detail::messages(fields);
    } else {
        bool is_there = false;
        for (const char* name : {"prompt", "content", "text"}) {
            is_there = is_there || fields.find(name);
            request.text = fields.string(name, request.text);
        }
        if (!is_there) throw bad_request("prompt: expected a string, found none", "prompt");
    }
    request.with_pieces = fields.boolean("return_token_strs") || fields.boolean("with_pieces");
    return request;
}

/// The tokens whose text is asked for. Throws: ApiError.
inline std::vector<rwkv::TokenId> parse_detokenize_request(std::string_view body, const Limits& limits) {
    const Json json = parse_object(body);
    const Json* const tokens = Fields(json).find("tokens");
    if (!tokens || !tokens->is_array()) throw bad_request("tokens: expected an array of token ids", "tokens");
    return detail::token_ids("tokens", *tokens, limits);
}

}  // namespace serve
