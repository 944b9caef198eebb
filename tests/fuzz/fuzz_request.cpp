// Requests to the server: any bytes give a request within its limits or an error that says why. The first byte says
// which path they are sent to: 0 completions, 1 chat, 2 embeddings, 3 tokenize, 4 detokenize; 5: the head of
// a request.
#include <cmath>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include <rwkv/generation/sampler.hpp>

#include "../../examples/serve/request.hpp"
#include "../../examples/serve/request_head.hpp"
#include "fuzz.hpp"

namespace {

using rwkv::fuzz::require;

constexpr serve::Limits limits{.max_new_tokens = 100, .max_prompt_tokens = 1000, .max_choices = 6, .vocab_size = 3072};

/// What the parser makes of it; none where it refuses it.
template <class Parse>
auto parsed(Parse&& parse) -> std::optional<decltype(parse())> {
    try {
        return std::forward<Parse>(parse)();
    } catch (const serve::ApiError& error) {
        require(error.status() == 400, "the request is to blame");
        require(error.what()[0] != '\0' && !error.type().empty(), "an error says something");
        require(std::string_view(error.what()).size() < 2000, "an error does not repeat the request");
        return std::nullopt;
    }
}

void check(const std::vector<rwkv::TokenId>& tokens) {
    for (const rwkv::TokenId token : tokens) require(token >= 0 && token < limits.vocab_size, "a token of the model");
}

void check(const std::vector<serve::Prompt>& prompts) {
    require(!prompts.empty() && prompts.size() <= static_cast<std::size_t>(limits.max_choices), "some prompts");
    for (const serve::Prompt& prompt : prompts) {
        require(prompt.is_tokens ? prompt.text.empty() : prompt.tokens.empty(), "text or tokens");
        check(prompt.tokens);
    }
}

void check(const serve::TextRequest& request, bool is_chat) {
    require(request.is_chat == is_chat, "the kind");
    if (is_chat)
        require(!request.messages.empty() && request.prompts.empty(), "messages");
    else
        check(request.prompts);
    const std::size_t prompts = is_chat ? 1 : request.prompts.size();
    require(request.count >= 1 && request.count * prompts <= static_cast<std::size_t>(limits.max_choices), "choices");
    const rwkv::GenerationOptions& options = request.options;
    require(options.max_new_tokens >= 0 && options.max_new_tokens <= limits.max_new_tokens, "new tokens");
    require(options.top_logprobs >= 0 && options.top_logprobs <= serve::Limits::max_top_logprobs, "log-probabilities");
    require(options.top_logprobs == 0 || request.logprobs, "alternatives only with log-probabilities");
    require(options.stop_strings.size() <= serve::Limits::max_stops, "stop strings");
    for (const std::string& stop : options.stop_strings)
        require(!stop.empty() && stop.size() <= 4 * serve::Limits::max_stop_characters, "a stop string");
    check(options.stop_token_ids);
    for (const auto& [token, bias] : options.sampling.logit_bias)
        require(token >= 0 && token < limits.vocab_size && std::isfinite(bias), "a bias");
    const rwkv::Sampler sampler(options.sampling);  // takes them
    require(request.format.source.size() <= serve::Limits::max_pattern_bytes, "the format's length");
    require(request.state.empty() || (!request.echo && prompts == 1), "one prompt goes on from a state");
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    if (size == 0) return 0;
    const int path = data[0] % 6;  // of a digit, itself modulo 6
    const std::string_view body = rwkv::fuzz::text_of(data + 1, size - 1);
    bool taken = false;
    if (path < 2) {
        const bool is_chat = path == 1;
        const auto request = parsed([&] { return serve::parse_text_request(body, is_chat, limits); });
        if ((taken = request.has_value())) check(*request, is_chat);
    } else if (path == 2) {
        const auto request = parsed([&] { return serve::parse_embedding_request(body, limits, 240); });
        if ((taken = request.has_value())) check(request->inputs);
    } else if (path == 3) {
        const auto request = parsed([&] { return serve::parse_tokenize_request(body); });
        if ((taken = request.has_value())) require(request->messages.empty() || request->text.empty(), "text or chat");
    } else if (path == 5) {
        const serve::RequestHead head = serve::request_head(body);
        require(head.text.size() <= body.size() + 6, "a head grows by a method at most");
        require(serve::request_head(head.text).text == head.text, "a head that was rewritten stays as it is");
        require(head.method.find_first_of(" \r\n") == head.method.npos, "a method is one word");
    } else {
        const auto tokens = parsed([&] { return serve::parse_detokenize_request(body, limits); });
        if ((taken = tokens.has_value())) check(*tokens);
    }
    if (!taken) return 0;
    // Written in another way it means the same.
    const std::string again = serve::to_text(serve::parse_object(body));
    require(serve::to_text(serve::parse_object(again)) == again, "a request is JSON");
    return 0;
}
