#pragma once

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <exception>
#include <list>
#include <memory>
#include <mutex>
#include <optional>
#include <stop_token>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include <rwkv/constraint.hpp>
#include <rwkv/rwkv.hpp>
#include <rwkv/scheduler.hpp>
#include <rwkv/state_file.hpp>

#include "api_error.hpp"
#include "chat_prompt.hpp"
#include "inbox.hpp"
#include "request.hpp"
#include "response.hpp"

namespace serve {

struct ServiceOptions {
    std::string model_name = {};
    rwkv::PromptFormat format = {};
    Limits limits = {};
    float max_seconds = 0;  ///< of a request; 0: any
    rwkv::SchedulerOptions scheduler = {};
};

/// A model, its tokenizer, and a scheduler on a thread of its own. Thread safety: any number of threads.
class Service {
  public:
    Service(rwkv::Model model, rwkv::Tokenizer tokenizer, ServiceOptions options)
        : options_(std::move(options)),
          tokenizer_(std::move(tokenizer)),
          scheduler_(std::move(model), tokenizer_, options_.scheduler),
          thread_([this](const std::stop_token& stop) { run(stop); }) {
        options_.limits.vocab_size = config().vocab_size;
    }

    [[nodiscard]] const ServiceOptions& options() const noexcept { return options_; }
    [[nodiscard]] const rwkv::Config& config() const noexcept { return scheduler_.model().config(); }
    [[nodiscard]] const rwkv::Tokenizer& tokenizer() const noexcept { return tokenizer_; }
    [[nodiscard]] rwkv::Scheduler& scheduler() noexcept { return scheduler_; }

    /// Whether requests can be carried out: false once the thread of the scheduler has ended by an error.
    [[nodiscard]] bool is_well() const noexcept { return is_well_; }

    /// The tokens of a prompt; an empty one is the end of a text, after which another begins. Throws: ApiError.
    [[nodiscard]] std::vector<rwkv::TokenId> tokens_of(const Prompt& prompt, bool may_be_empty = false) const {
        std::vector<rwkv::TokenId> tokens = prompt.is_tokens ? prompt.tokens : tokenizer_.encode(prompt.text);
        if (tokens.empty() && !may_be_empty) {
            if (config().eos_token_id < 0) throw bad_request("prompt: expected at least one token", "prompt");
            tokens.push_back(config().eos_token_id);
        }
        const rwkv::Index most = options_.limits.max_prompt_tokens;
        if (std::ssize(tokens) > most)
            throw bad_request("the prompt has " + std::to_string(tokens.size()) +
                                  " tokens; this server takes at most " + std::to_string(most),
                              "prompt", "context_length_exceeded");
        return tokens;
    }

    /// The constraint of a format; null for any text. Throws: ApiError for what is no schema, grammar or expression.
    [[nodiscard]] std::shared_ptr<const rwkv::TokenConstraint> constraint(const Format& format) {
        if (format.kind == Format::Kind::any) return nullptr;
        std::optional<rwkv::TokenVocabulary> vocabulary;
        {
            const std::lock_guard lock(constraints_mutex_);
            for (auto known = constraints_.begin(); known != constraints_.end(); ++known)
                if (known->kind == format.kind && known->source == format.source) {
                    constraints_.splice(constraints_.begin(), constraints_, known);
                    return known->constraint;
                }
            if (!vocabulary_) {
                std::vector<rwkv::TokenId> end_tokens = config().other_eos_token_ids;
                if (config().eos_token_id >= 0) end_tokens.push_back(config().eos_token_id);
                vocabulary_.emplace(tokenizer_, std::move(end_tokens));
            }
            vocabulary = vocabulary_;
        }
        std::shared_ptr<const rwkv::TokenConstraint> constraint;
        try {
            const rwkv::Constraint compiled = format.kind == Format::Kind::json_schema
                                                  ? rwkv::json_schema(format.source)
                                              : format.kind == Format::Kind::grammar ? rwkv::grammar(format.source)
                                                                                     : rwkv::regex(format.source);
            constraint = rwkv::token_constraint(compiled, *vocabulary);
        } catch (const rwkv::Error& error) {
            throw bad_request(std::string("the format of the text cannot be used: ") + error.what(), format.field);
        }
        const std::lock_guard lock(constraints_mutex_);
        constraints_.push_front({format.kind, format.source, constraint});
        constexpr std::size_t max_known = 16;
        if (constraints_.size() > max_known) constraints_.pop_back();
        return constraint;
    }

    /// Submits a request to the scheduler. Throws: ApiError.
    rwkv::RequestHandle submit(rwkv::Request request) {
        if (options_.max_seconds > 0)
            request.deadline =
                std::chrono::steady_clock::now() + std::chrono::duration_cast<std::chrono::steady_clock::duration>(
                                                       std::chrono::duration<float>(options_.max_seconds));
        try {
            return scheduler_.submit(std::move(request));
        } catch (const rwkv::QueueFullError&) {
            throw ApiError(429, "rate_limit_error", "the queue is full; try again later", {}, "queue_full");
        } catch (const rwkv::ArgumentError& error) {
            throw bad_request(error.what(), error.subject());
        }
    }

  private:
    struct KnownConstraint {
        Format::Kind kind;
        std::string source;
        std::shared_ptr<const rwkv::TokenConstraint> constraint;
    };

    void run(const std::stop_token& stop) noexcept {
        while (!stop.stop_requested()) {
            try {
                scheduler_.run(stop);
            } catch (const std::bad_alloc&) {  // before anything was computed; memory may come back
                std::this_thread::sleep_for(std::chrono::milliseconds(100));
            } catch (const std::exception& error) {
                std::fprintf(stderr, "serve: %s\n", error.what());
                is_well_ = false;
                return;
            }
        }
    }

    ServiceOptions options_;
    rwkv::Tokenizer tokenizer_;
    rwkv::Scheduler scheduler_;
    std::atomic<bool> is_well_{true};
    std::mutex constraints_mutex_;  // guards the next two
    std::optional<rwkv::TokenVocabulary> vocabulary_;
    std::list<KnownConstraint> constraints_;  // the latest used first
    std::jthread thread_;                     // ends before what it uses
};

}  // namespace serve
