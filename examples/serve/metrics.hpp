#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <mutex>
#include <sstream>
#include <string>
#include <utility>

#include <rwkv/scheduler.hpp>

#include "service.hpp"

namespace serve {

/// What the server has done, in Prometheus' text format. Thread safety: any number of threads.
class Metrics {
  public:
    void count(const std::string& route, int status, double seconds, const Times& times) {
        const std::lock_guard lock(mutex_);
        ++responses_[{route, status}];
        Requests& requests = requests_[route];
        ++requests.count;
        requests.seconds += seconds;
        times_.waiting += times.waiting;
        times_.prompt += times.prompt;
        times_.decode += times.decode;
    }

    [[nodiscard]] std::string text(Service& service, std::size_t connections) const {
        std::ostringstream out;
        out.precision(17);
        const auto head = [&](const char* name, const char* type, const char* help) {
            out << "# HELP " << name << ' ' << help << "\n# TYPE " << name << ' ' << type << '\n';
        };
        const auto value = [&](const char* name, const char* type, const char* help, auto number) {
            head(name, type, help);
            out << name << ' ' << number << '\n';
        };
        const rwkv::Scheduler::Counts counts = service.scheduler().counts();
        value("rwkv_requests_waiting", "gauge", "Texts in the queue.", counts.waiting);
        value("rwkv_requests_running", "gauge", "Texts whose prompt is read or that are generated.", counts.running);
        value("rwkv_requests_finished_total", "counter", "Texts that have ended.", counts.finished);
        value("rwkv_passes_total", "counter", "Passes of the model.", counts.passes);
        value("rwkv_prompt_tokens_total", "counter", "Tokens of prompts that were read.", counts.prompt_tokens);
        value("rwkv_cached_tokens_total", "counter", "Tokens of prompts that the cache knew.", counts.cached_tokens);
        value("rwkv_generated_tokens_total", "counter", "Tokens that were generated.", counts.generated_tokens);
        if (const auto& cache = service.options().scheduler.cache) {
            value("rwkv_cache_states", "gauge", "States in the prefix cache.", cache->size());
            value("rwkv_cache_bytes", "gauge", "Bytes of the prefix cache.", cache->bytes());
            value("rwkv_cache_max_bytes", "gauge", "Bytes that it may have.", cache->options().max_bytes);
        }
        value("rwkv_http_connections", "gauge", "Open connections.", connections);
        const std::lock_guard lock(mutex_);
        value("rwkv_waiting_seconds_total", "counter", "Time of texts in the queue.", times_.waiting);
        value("rwkv_prompt_seconds_total", "counter", "Time of texts from there to the first token.", times_.prompt);
        value("rwkv_decode_seconds_total", "counter", "Time of texts from there to the end.", times_.decode);
        head("rwkv_http_responses_total", "counter", "Responses, by route and status; 499: the client went away.");
        for (const auto& [key, number] : responses_)
            out << "rwkv_http_responses_total{route=\"" << key.first << "\",status=\"" << key.second << "\"} " << number
                << '\n';
        head("rwkv_http_request_seconds", "summary", "Time from the head of a request to the end of its response.");
        for (const auto& [route, requests] : requests_)
            out << "rwkv_http_request_seconds_sum{route=\"" << route << "\"} " << requests.seconds
                << "\nrwkv_http_request_seconds_count{route=\"" << route << "\"} " << requests.count << '\n';
        return out.str();
    }

  private:
    struct Requests {
        std::uint64_t count = 0;
        double seconds = 0;
    };

    mutable std::mutex mutex_;
    std::map<std::pair<std::string, int>, std::uint64_t> responses_;
    std::map<std::string, Requests> requests_;
    Times times_;
};

}  // namespace serve
