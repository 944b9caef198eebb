#pragma once

#include <bit>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include <rwkv/scheduler.hpp>

#include "base64.hpp"
#include "response.hpp"
#include "service.hpp"
#include "text_answer.hpp"

namespace serve {

/// The embeddings of texts: the mean of the hidden states after their tokens, or the last of these, of length 1. (The
/// models were not trained for that: texts of one topic lie nearer together than others, no more.) Throws: ApiError,
/// ClientGone.
inline Json embeddings(Service& service, const EmbeddingRequest& request, const Connection& connection, Usage& usage) {
    struct Sum {
        std::vector<double> values;
        double count = 0;
    };
    const auto inbox = std::make_shared<Inbox>();
    std::vector<std::shared_ptr<Sum>> sums;
    struct Handles : std::vector<rwkv::RequestHandle> {
        Handles() = default;
        Handles(const Handles&) = delete;
        Handles& operator=(const Handles&) = delete;
        ~Handles() {
            for (const rwkv::RequestHandle& handle : *this) handle.cancel();
        }
    } handles;
    for (const Prompt& input : request.inputs) {
        const auto sum = sums.emplace_back(std::make_shared<Sum>());
        sum->values.resize(static_cast<std::size_t>(service.config().hidden_size));
        rwkv::Request own;
        own.tokens = service.tokens_of(input);
        usage.prompt += std::ssize(own.tokens);
        own.options.max_new_tokens = 0;
        own.use_cache = false;
        own.on_hidden = [sum, last = request.last](rwkv::Index, std::span<const float> hidden) {
            for (std::size_t i = 0; i < hidden.size(); ++i)
                sum->values[i] = (last ? 0 : sum->values[i]) + static_cast<double>(hidden[i]);
            return true;
        };
        own.on_finished = [inbox](const rwkv::RequestResult&) { inbox->push({}); };
        handles.push_back(service.submit(std::move(own)));
    }
    for (std::size_t left = handles.size(); left > 0;) {
        const std::size_t ended = inbox->wait(connection).size();
        if (ended == 0) throw ClientGone();
        left -= ended;
    }
    Json data = Json::array();
    for (std::size_t i = 0; i < handles.size(); ++i) {
        handles[i].wait();
        TextAnswer::check(handles[i].result(), true);
        double square = 0;
        for (const double value : sums[i]->values) square += value * value;
        std::vector<float> embedding;
        for (const double value : sums[i]->values)
            embedding.push_back(static_cast<float>(square > 0 ? value / std::sqrt(square) : 0));
        Json json = {{"object", "embedding"}, {"index", i}};
        if (request.as_base64)
            json["embedding"] = to_base64(std::as_bytes(std::span(embedding)));  // little-endian, as the processors are
        else
            json["embedding"] = embedding;
        data.push_back(std::move(json));
    }
    return {{"object", "list"},
            {"data", std::move(data)},
            {"model", service.options().model_name},
            {"usage", {{"prompt_tokens", usage.prompt}, {"total_tokens", usage.prompt}}}};
}

}  // namespace serve
