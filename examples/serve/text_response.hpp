#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <rwkv/scheduler.hpp>
#include <rwkv/state_file.hpp>

#include "base64.hpp"
#include "response.hpp"
#include "text_answer.hpp"

namespace serve {

/// Writes what comes of a TextAnswer: whole, or event by event.
class TextResponse {
  public:
    TextResponse(Service& service, TextRequest request, const Connection& connection)
        : service_(service), answer_(service, std::move(request), connection) {
        const TextRequest& own = answer_.request();
        for (std::size_t i = 0; i < answer_.choices().size(); ++i)
            parts_.emplace_back(service.tokenizer(), own.options.top_logprobs > 0);
        // Chat models begin an answer with a space, which is no part of it.
        trims_ = own.is_chat && !service.options().format.after_message.empty() &&
                 own.format.kind == Format::Kind::any && own.messages.back().role != Message::Role::assistant;
    }

    [[nodiscard]] const TextAnswer& answer() const noexcept { return answer_; }
    void cancel() const noexcept { answer_.cancel(); }

    /// The whole response, once it is there. Throws: ApiError, ClientGone.
    Json whole() {
        while (!answer_.done()) static_cast<void>(answer_.next());
        Json json = head(is_chat() ? "chat.completion" : "text_completion");
        json["choices"] = Json::array();
        for (std::size_t i = 0; i < answer_.choices().size(); ++i) json["choices"].push_back(whole_choice(i));
        json["usage"] = to_json(answer_.usage());
        return json;
    }

    /// The next server-sent events, [DONE] and errors included. Throws: ClientGone.
    std::string next_events() {
        std::string out;
        try {
            if (!std::exchange(begun_, true)) {
                if (is_chat())
                    for (std::size_t i = 0; i < answer_.choices().size(); ++i)
                        out += chunk(i, first_delta(), Json(), {});
                if (!out.empty()) return out;
            }
            for (const Event& event : answer_.next()) add(event, out);
        } catch (const ApiError& error) {
            answer_.cancel();
            failed_ = true;
            return out + server_sent(to_text(to_json(error))) + server_sent("[DONE]");
        }
        if (answer_.done()) {
            if (answer_.request().include_usage) {
                Json json = head(chunk_name());
                json["choices"] = Json::array();
                json["usage"] = to_json(answer_.usage());
                out += server_sent(to_text(json));
            }
            out += server_sent("[DONE]");
        }
        return out;
    }
    [[nodiscard]] bool done() const noexcept { return failed_ || answer_.done(); }

  private:
    /// What of a text was sent.
    struct Part {
        Part(const rwkv::Tokenizer& tokenizer, bool with_top) : logprobs(tokenizer, with_top) {}
        CompletionLogprobs logprobs;
        Json chat_logprobs = Json::array();
        bool begun = false, has_text = false;
        std::string before_text = {}, after_text = {};  ///< of an event that has new text and nothing else
    };

    [[nodiscard]] bool is_chat() const noexcept { return answer_.request().is_chat; }
    [[nodiscard]] const char* chunk_name() const noexcept {
        return is_chat() ? "chat.completion.chunk" : "text_completion";
    }

    [[nodiscard]] Json head(const char* object) const {
        return {{"id", id_}, {"object", object}, {"created", created_}, {"model", service_.options().model_name}};
    }

    [[nodiscard]] Json first_delta() const {
        const std::string& function = answer_.request().function;
        if (function.empty()) return {{"role", "assistant"}, {"content", ""}};
        return {{"role", "assistant"}, {"content", nullptr}, {"tool_calls", Json::array({call(function, "")})}};
    }
    [[nodiscard]] Json call(const std::string& function, const std::string& arguments) const {
        return {{"index", 0},
                {"id", call_id_},
                {"type", "function"},
                {"function", {{"name", function}, {"arguments", arguments}}}};
    }

    [[nodiscard]] std::string prompt_text(const TextAnswer::Choice& choice) const {
        std::string bytes;
        for (const rwkv::TokenId token : answer_.source(choice).tokens) bytes += bytes_of(service_.tokenizer(), token);
        return rwkv::text::lossy_utf8(bytes);
    }

    [[nodiscard]] const char* reason(const rwkv::RequestResult& result) const {
        if (result.status == rwkv::RequestStatus::expired) return "length";
        const bool complete = result.generation.finish_reason != rwkv::FinishReason::length;
        if (complete && !answer_.request().function.empty()) return "tool_calls";
        return finish_reason(result.generation.finish_reason);
    }

    /// Begins the text of a choice with its prompt, where that is to be echoed.
    std::string begin(std::size_t i) {
        Part& part = parts_[i];
        const TextAnswer::Choice& choice = answer_.choices()[i];
        if (std::exchange(part.begun, true) || !answer_.request().echo) return {};
        if (const auto& reports = answer_.source(choice).reports)
            for (const TokenReport& report : *reports) part.logprobs.add(report);
        return prompt_text(choice);
    }

    void report(std::size_t i, const TokenReport& token) {
        if (!answer_.request().logprobs) return;
        if (is_chat())
            parts_[i].chat_logprobs.push_back(chat_logprob(service_.tokenizer(), token));
        else
            parts_[i].logprobs.add(token);
    }
    Json take_logprobs(std::size_t i) {
        if (!answer_.request().logprobs) return {};
        if (is_chat())
            return {{"content", std::exchange(parts_[i].chat_logprobs, Json::array())}, {"refusal", nullptr}};
        return parts_[i].logprobs.take();
    }

    /// New text as it is sent.
    std::string trimmed(std::size_t i, std::string text) {
        if (trims_ && !parts_[i].has_text) text.erase(0, text.find_first_not_of(" \t\r\n"));
        if (!text.empty()) parts_[i].has_text = true;
        return text;
    }

    Json whole_choice(std::size_t i) {
        const TextAnswer::Choice& choice = answer_.choices()[i];
        const TextRequest& request = answer_.request();
        const rwkv::RequestResult& result = answer_.result(choice);
        const rwkv::Generation& generation = result.generation;
        std::string text = begin(i) + trimmed(i, generation.text);
        if (request.logprobs)
            for (std::size_t t = 0; t < generation.tokens.size(); ++t)
                report(i, {generation.tokens[t], generation.log_probabilities[t], true,
                           t < generation.top_logprobs.size() ? generation.top_logprobs[t]
                                                              : std::vector<rwkv::TokenLogProbability>()});
        Json json = {{"index", i}};
        if (!request.is_chat)
            json["text"] = std::move(text);
        else if (request.function.empty())
            json["message"] = {{"role", "assistant"}, {"content", std::move(text)}, {"refusal", nullptr}};
        else
            json["message"] = {{"role", "assistant"},
                               {"content", nullptr},
                               {"refusal", nullptr},
                               {"tool_calls", Json::array({call(request.function, text)})}};
        json["logprobs"] = take_logprobs(i);
        json["finish_reason"] = reason(result);
        add_state(result, json);
        return json;
    }

    void add_state(const rwkv::RequestResult& result, Json& choice) const {
        if (answer_.request().return_state && result.conversation)
            choice["state"] = to_base64(rwkv::to_bytes(*result.conversation));
    }

    /// A chunk of one text: `content` is the delta of a chat or the text of a completion.
    std::string chunk(std::size_t i, Json content, Json finish, Json&& logprobs, Json&& more = Json(),
                      const std::string& picture = {}) {
        Json choice = {{"index", i}};
        choice[is_chat() ? "delta" : "text"] = std::move(content);
        choice["logprobs"] = std::move(logprobs);
        choice["finish_reason"] = std::move(finish);
        if (more.is_object()) choice.update(more);
        Json json = head(chunk_name());
        json["choices"] = Json::array({std::move(choice)});
        if (answer_.request().include_usage) json["usage"] = nullptr;
        if (!picture.empty()) json["state_picture"] = picture_of(picture);
        return server_sent(to_text(json));
    }

    /// The same for new text and nothing else. What stays the same from token to token is written once.
    void add_text(std::size_t i, std::string text, std::string& out) {
        Part& part = parts_[i];
        if (part.before_text.empty()) {
            const std::string mark = new_id("text-"), example = chunk(i, delta(mark), Json(), Json());
            const std::size_t at = example.find(mark);
            part.before_text = example.substr(0, at - 1);  // the quotation marks come with the text
            part.after_text = example.substr(at + mark.size() + 1);
        }
        out += part.before_text;
        out += to_text(Json(std::move(text)));
        out += part.after_text;
    }

    Json delta(std::string text) const {
        if (!is_chat()) return text;
        const std::string& function = answer_.request().function;
        if (function.empty()) return {{"content", std::move(text)}};
        return {{"tool_calls", Json::array({{{"index", 0}, {"function", {{"arguments", std::move(text)}}}}})}};
    }

    [[nodiscard]] Json picture_of(const std::string& bytes) const {
        return {{"layers", service_.config().num_hidden_layers},
                {"columns", answer_.request().picture_columns},
                {"values", to_base64(std::as_bytes(std::span(bytes)))}};
    }

    void add(const Event& event, std::string& out) {
        const std::size_t i = event.choice;
        std::string text = begin(i);
        text += trimmed(i, event.text);
        if (event.has_token) report(i, {event.token, event.log_probability, true, event.top_logprobs});
        if (!event.ended) {
            if (text.empty()) return;
            if (answer_.request().logprobs || !event.picture.empty())
                out += chunk(i, delta(std::move(text)), Json(), take_logprobs(i), Json(), event.picture);
            else
                add_text(i, std::move(text), out);
            return;
        }
        const rwkv::RequestResult& result = answer_.result(answer_.choices()[i]);
        Json more = Json::object();
        add_state(result, more);
        Json last = is_chat() && text.empty() ? Json::object() : delta(std::move(text));
        out += chunk(i, std::move(last), reason(result), take_logprobs(i), std::move(more));
    }

    Service& service_;
    TextAnswer answer_;
    std::string id_ = new_id(answer_.request().is_chat ? "chatcmpl-" : "cmpl-"), call_id_ = new_id("call_");
    std::int64_t created_ = unix_time();
    std::vector<Part> parts_;
    bool trims_ = false, begun_ = false, failed_ = false;
};

}  // namespace serve
