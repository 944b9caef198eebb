#pragma once

#include <atomic>
#include <cctype>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <ctime>
#include <exception>
#include <functional>
#include <memory>
#include <mutex>
#include <new>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>
#include <vector>

#include <httplib.h>

#include "embedding_answer.hpp"
#include "http_server.hpp"
#include "metrics.hpp"
#include "request.hpp"
#include "response.hpp"
#include "service.hpp"
#include "text_response.hpp"

namespace serve {

/// The files that are compiled into the program.
extern const std::string_view page_html, openapi_json;

struct ApiOptions {
    std::string api_key = {};      ///< empty: any, and none
    std::string cors_origin = {};  ///< of pages that may use the server; empty: those that it serves
    bool quiet = false;            ///< no line in the log for each request
};

/// The routes: what is asked of the service for each, and what is answered.
class Api {
  public:
    /// All three must outlive the connections of the server.
    Api(HttpServer& server, Service& service, ApiOptions options)
        : server_(server), service_(service), options_(std::move(options)) {
        get("/health", [this](const auto&, auto& res) { health(res); });
        get("/", [](const auto&, auto& res) {
            res.set_header("Content-Security-Policy",
                           "default-src 'none'; script-src 'unsafe-inline'; style-src 'unsafe-inline'; img-src data: "
                           "blob:; connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'");
            res.set_content(page_html.data(), page_html.size(), "text/html; charset=utf-8");
        });
        get("/openapi.json", [](const auto&, auto& res) {
            res.set_content(openapi_json.data(), openapi_json.size(), "application/json");
        });
        get("/metrics", [this](const auto&, auto& res) {
            res.set_content(metrics_.text(service_, server_.connections()), "text/plain; version=0.0.4; charset=utf-8");
        });
        get("/v1/models", [this](const auto&, auto& res) {
            send(res, {{"object", "list"}, {"data", Json::array({model()})}});
        });
        get("/tokenizer_info", [this](const auto&, auto& res) { send(res, tokenizer_info()); });
        post("/v1/completions", [this](const auto& body, auto& res) { text(body, false, res); });
        post("/v1/chat/completions", [this](const auto& body, auto& res) { text(body, true, res); });
        post("/v1/embeddings", [this](const auto& body, auto& res) {
            const EmbeddingRequest request = parse(
                [&] { return parse_embedding_request(body, service_.options().limits, service_.config().hidden_size); },
                body.size());
            Usage& usage = record().usage;
            send(res, embeddings(service_, request, connection(), usage));
        });
        post("/tokenize", [this](const auto& body, auto& res) { send(res, tokenize(body)); });
        post("/detokenize", [this](const auto& body, auto& res) {
            const std::vector<rwkv::TokenId> tokens =
                parse([&] { return parse_detokenize_request(body, service_.options().limits); }, body.size());
            std::string bytes;
            for (const rwkv::TokenId token : tokens) bytes += bytes_of(service_.tokenizer(), token);
            const std::string text = rwkv::text::lossy_utf8(bytes);
            send(res, {{"prompt", text}, {"content", text}});
        });
        server.set_pre_routing_handler([this](const httplib::Request& req, httplib::Response& res) {
            record() = Record();
            const bool goes_on = guard(res, [&] { return before_body(req, res); });
            return goes_on ? httplib::Server::HandlerResponse::Unhandled : httplib::Server::HandlerResponse::Handled;
        });
        server.set_post_routing_handler([this](const httplib::Request&, httplib::Response& res) {
            res.headers.erase("Keep-Alive");  // has httplib's numbers, not ours
            if (!connection().must_close() && !server_.is_stopping()) return;
            res.headers.erase("Connection");
            res.set_header("Connection", "close");
        });
        server.set_error_handler([](const httplib::Request&, httplib::Response& res) {
            if (!res.body.empty() || res.status < 400) return;
            connection().close_after_response();  // httplib may have stopped anywhere in the request
            fail(res, ApiError(res.status, "invalid_request_error",
                               std::string("the request cannot be read: ") +
                                   (res.status == 414 ? "its URL is too long" : "it is not HTTP")));
        });
        server.set_expect_100_continue_handler([this](const httplib::Request& req, httplib::Response& res) {
            return guard(res,
                         [&] {
                             check_length(req);
                             return true;
                         })
                       ? 100
                       : res.status;
        });
        server.set_logger([this](const httplib::Request& req, const httplib::Response& res) { log(req, res); });
    }

  private:
    using Clock = std::chrono::steady_clock;
    using GetHandler = std::function<void(const httplib::Request&, httplib::Response&)>;
    using PostHandler = std::function<void(const std::string& body, httplib::Response&)>;

    /// What the log says of a request.
    struct Record {
        Clock::time_point start = Clock::now();
        Usage usage = {};
        Times times = {};
        int status = 0;  // instead of that of the response
    };
    /// That of the request of this thread.
    static Record& record() {
        static thread_local Record record;
        return record;
    }
    static void keep(const TextAnswer& answer) {
        record().usage = answer.usage();
        record().times = answer.times();
    }
    static Connection& connection() { return *Connection::current(); }

    /// Memory that the bodies of all requests take.
    class BodyBytes {
      public:
        explicit BodyBytes(std::atomic<std::size_t>& all) : all_(all) {}
        BodyBytes(const BodyBytes&) = delete;
        BodyBytes& operator=(const BodyBytes&) = delete;
        ~BodyBytes() { all_ -= own_; }

        /// Returns what it is for all.
        std::size_t add(std::size_t size) {
            own_ += size;
            return all_ += size;
        }

      private:
        std::atomic<std::size_t>& all_;
        std::size_t own_ = 0;
    };

    void get(const char* path, GetHandler handler) {
        paths_.push_back({"GET", path});
        server_.Get(path, [this, handler = std::move(handler)](const httplib::Request& req, httplib::Response& res) {
            guard(res, [&] {
                handler(req, res);
                return true;
            });
        });
    }
    void post(const char* path, PostHandler handler) {
        paths_.push_back({"POST", path});
        server_.Post(path, [this, handler = std::move(handler)](const httplib::Request&, httplib::Response& res,
                                                                const httplib::ContentReader& reader) {
            guard(res, [&] {
                BodyBytes bytes(body_bytes_);
                std::string body;
                read_body(reader, body, bytes);
                res.status = -1;
                handler(body, res);
                return true;
            });
        });
    }

    /// Calls what answers a request, and answers with an error where that throws: then it returns false.
    template <class Answer>
    bool guard(httplib::Response& res, const Answer& answer) {
        try {
            return answer();
        } catch (const ApiError& error) {
            fail(res, error);
        } catch (const ClientGone&) {
            connection().close_after_response();
            record().status = 499;
            res.status = 503;
        } catch (const std::bad_alloc&) {
            fail(res, ApiError(503, "server_error", "there is not enough memory"));
        } catch (const std::exception& error) {
            fail(res, ApiError(500, "server_error", error.what()));
        }
        return false;
    }
    static void fail(httplib::Response& res, const ApiError& error) {
        res.status = error.status();
        if (error.status() == 429 || error.status() == 503) res.set_header("Retry-After", "1");
        if (error.status() == 401) res.set_header("WWW-Authenticate", "Bearer");
        send(res, to_json(error));
    }
    static void send(httplib::Response& res, const Json& json) { res.set_content(to_text(json), "application/json"); }

    /// What is decided before a body is read. Returns whether the request goes on. Throws: ApiError.
    bool before_body(const httplib::Request& req, httplib::Response& res) {
        const auto refuse = [&](const ApiError& error) {
            connection().close_after_response();  // the body stays unread
            throw error;
        };
        if (!options_.cors_origin.empty()) {
            res.set_header("Access-Control-Allow-Origin", options_.cors_origin);
            if (options_.cors_origin != "*") res.set_header("Vary", "Origin");
        }
        std::string allowed;
        bool is_there = false;
        for (const auto& [method, path] : paths_) {
            if (path != req.path && !(method == "GET" && is_model_path(req.path) && path == "/v1/models")) continue;
            allowed += (allowed.empty() ? "" : ", ") + method + (method == "GET" ? ", HEAD" : "");
            is_there = is_there || method == req.method || (method == "GET" && req.method == "HEAD");
        }
        if (req.method == "OPTIONS") {
            res.status = 204;
            res.set_header("Allow", allowed + ", OPTIONS");
            if (!options_.cors_origin.empty()) {
                res.set_header("Access-Control-Allow-Methods", "GET, POST, OPTIONS");
                res.set_header("Access-Control-Allow-Headers", "*, Authorization, Content-Type");
                res.set_header("Access-Control-Max-Age", "86400");
            }
            if (has_body(req)) connection().close_after_response();
            return false;
        }
        if (allowed.empty()) refuse({404, "invalid_request_error", "there is nothing at " + req.path, {}, "not_found"});
        if (!is_there) {
            res.set_header("Allow", allowed + ", OPTIONS");
            refuse({405,
                    "invalid_request_error",
                    req.path + " takes " + allowed + ", not " + req.method,
                    {},
                    "method_not_allowed"});
        }
        const bool is_open = req.path == "/health" || req.path == "/" || req.path == "/openapi.json";
        if (!is_open && !is_authorized(req))
            refuse({401,
                    "invalid_request_error",
                    "the API key is missing or wrong: send it as Authorization: Bearer KEY",
                    {},
                    "invalid_api_key"});
        if (req.method == "GET" || req.method == "HEAD") {
            if (has_body(req)) connection().close_after_response();
            if (!is_model_path(req.path)) return true;
            if (req.path.substr(model_prefix.size()) != service_.options().model_name)
                throw ApiError(404, "invalid_request_error", "there is no model of that name", "model",
                               "model_not_found");
            send(res, model());
            res.status = 200;
            return false;
        }
        try {
            check_length(req);
            if (req.has_header("Content-Encoding") && req.get_header_value("Content-Encoding") != "identity")
                throw ApiError(415, "invalid_request_error", "the body must not be compressed");
            if (req.is_multipart_form_data())
                throw ApiError(415, "invalid_request_error", "the body must be JSON, not a form");
            if (server_.is_stopping()) throw ApiError(503, "server_error", "the server is shutting down");
        } catch (const ApiError& error) {
            refuse(error);
        }
        return true;
    }

    static bool has_body(const httplib::Request& req) {
        return req.has_header("Transfer-Encoding") ||
               (req.has_header("Content-Length") && req.get_header_value("Content-Length") != "0");
    }

    /// Throws: ApiError unless the head tells how long the body is, and that is not too much.
    void check_length(const httplib::Request& req) const {
        const std::size_t lengths = req.get_header_value_count("Content-Length");
        const bool is_chunked = req.has_header("Transfer-Encoding");
        if (lengths + (is_chunked ? 1 : 0) > 1) throw bad_request("the length of the body is given twice");
        if (is_chunked) return;
        if (lengths == 0) throw ApiError(411, "invalid_request_error", "the length of the body is missing");
        const std::string length = req.get_header_value("Content-Length");
        if (length.empty() || length.find_first_not_of("0123456789") != length.npos)
            throw bad_request("the length of the body is no number");
        constexpr std::size_t digits = 15;
        if (length.size() > digits || std::stoull(length) > server_.limits().max_body_bytes) throw too_large();
    }
    [[nodiscard]] ApiError too_large() const {
        return {
            413, "invalid_request_error",
            "the body is larger than the " + std::to_string(server_.limits().max_body_bytes) + " bytes that are taken"};
    }

    void read_body(const httplib::ContentReader& reader, std::string& body, BodyBytes& bytes) {
        bool is_too_large = false, are_too_many = false;
        const bool complete = reader([&](const char* data, std::size_t size) {
            is_too_large = body.size() + size > server_.limits().max_body_bytes;
            constexpr std::size_t at_once = 8;  // of the largest size
            are_too_many = bytes.add(size) > at_once * server_.limits().max_body_bytes;
            if (is_too_large || are_too_many) return false;
            body.append(data, size);
            return true;
        });
        if (complete) return;
        connection().close_after_response();
        if (is_too_large) throw too_large();
        if (are_too_many) throw ApiError(503, "server_error", "too many large requests at once; try again later");
        throw ApiError(408, "invalid_request_error", "the body did not come in whole, or not in time");
    }

    [[nodiscard]] bool is_authorized(const httplib::Request& req) const {
        if (options_.api_key.empty()) return true;
        const std::string given = req.get_header_value("Authorization"), expected = "Bearer " + options_.api_key;
        // As long for any key of that length.
        unsigned difference = given.size() == expected.size() ? 0 : 1;
        for (std::size_t i = 0; i < std::min(given.size(), expected.size()); ++i)
            difference |=
                static_cast<unsigned>(static_cast<unsigned char>(given[i]) ^ static_cast<unsigned char>(expected[i]));
        return difference == 0;
    }

    /// Parses a body. Large ones take their turn: what they become takes many times their memory.
    template <class Parse>
    std::invoke_result_t<const Parse&> parse(const Parse& parser, std::size_t size) {
        constexpr std::size_t large = 256 * 1024;
        std::unique_lock<std::mutex> lock(large_bodies_, std::defer_lock);
        if (size > large) lock.lock();
        return parser();
    }

    void text(const std::string& body, bool is_chat, httplib::Response& res) {
        TextRequest request =
            parse([&] { return parse_text_request(body, is_chat, service_.options().limits); }, body.size());
        const bool streams = request.stream;
        auto response = std::make_shared<TextResponse>(service_, std::move(request), connection());
        if (!streams) {
            const Json json = response->whole();
            keep(response->answer());
            return send(res, json);
        }
        res.status = 200;
        res.set_header("Cache-Control", "no-cache");
        res.set_header("X-Accel-Buffering", "no");  // proxies are to pass on each event
        res.set_chunked_content_provider("text/event-stream", [response](std::size_t, httplib::DataSink& sink) {
            return write_events(*response, sink);
        });
    }

    static bool write_events(TextResponse& response, httplib::DataSink& sink) {
        try {
            const std::string events = response.next_events();
            keep(response.answer());
            if (!events.empty() && !sink.write(events.data(), events.size())) throw ClientGone();
            if (response.done()) sink.done();
            return true;
        } catch (const ClientGone&) {
            record().status = 499;
        } catch (const std::exception& error) {
            std::fprintf(stderr, "serve: %s\n", error.what());
            record().status = 500;
        }
        response.cancel();
        connection().close_after_response();
        return false;
    }

    void health(httplib::Response& res) const {
        const bool is_well = service_.is_well();
        const char* const status = !is_well ? "failed" : server_.is_stopping() ? "draining" : "ok";
        res.status = *status == 'o' ? 200 : 503;
        send(res, {{"status", status}});
    }

    static constexpr std::string_view model_prefix = "/v1/models/";
    static bool is_model_path(std::string_view path) { return path.starts_with(model_prefix); }

    [[nodiscard]] Json model() const {
        return {{"id", service_.options().model_name},
                {"object", "model"},
                {"created", started_},
                {"owned_by", "rwkv.hpp"},
                {"max_model_len", service_.options().limits.max_prompt_tokens}};
    }

    [[nodiscard]] Json tokenizer_info() const {
        const rwkv::Config& config = service_.config();
        const auto text = [&](rwkv::TokenId token) {
            if (token < 0 || !service_.tokenizer().contains(token)) return Json();
            return Json(rwkv::text::lossy_utf8(service_.tokenizer().token_bytes(token)));
        };
        return {{"tokenizer_class", "rwkv.hpp"},
                {"vocab_size", service_.tokenizer().vocab_size()},
                {"model_vocab_size", config.vocab_size},
                {"bos_token", text(config.bos_token_id)},
                {"bos_token_id", config.bos_token_id},
                {"eos_token", text(config.eos_token_id)},
                {"eos_token_id", config.eos_token_id},
                {"pad_token", text(config.eos_token_id)},
                {"unk_token", nullptr},
                {"add_bos_token", false},
                {"prompt_format", service_.options().format.name},
                {"model_max_length", service_.options().limits.max_prompt_tokens}};
    }

    Json tokenize(const std::string& body) {
        const TokenizeRequest request = parse([&] { return parse_tokenize_request(body); }, body.size());
        const std::string prompt =
            request.messages.empty() ? request.text : chat_prompt(service_.options().format, request.messages);
        const std::vector<rwkv::TokenId> tokens = service_.tokenizer().encode(prompt);
        Json json = {{"tokens", tokens},
                     {"count", tokens.size()},
                     {"max_model_len", service_.options().limits.max_prompt_tokens}};
        if (request.with_pieces) {
            json["token_strs"] = Json::array();
            for (const rwkv::TokenId token : tokens)
                json["token_strs"].push_back(rwkv::text::lossy_utf8(bytes_of(service_.tokenizer(), token)));
        }
        return json;
    }

    void log(const httplib::Request& req, const httplib::Response& res) {
        const Record& own = record();
        const double seconds = std::chrono::duration<double>(Clock::now() - own.start).count();
        const int status = own.status != 0 ? own.status : res.status;
        metrics_.count(route_of(req.path), status, seconds, own.times);
        if (options_.quiet) return;
        char time[32];
        const std::time_t now = std::time(nullptr);
        std::tm utc{};
        ::gmtime_r(&now, &utc);
        std::strftime(time, sizeof time, "%Y-%m-%dT%H:%M:%SZ", &utc);
        std::string path = req.path.substr(0, 100);
        for (char& c : path)
            if (static_cast<unsigned char>(c) < 0x21 || c == 0x7F) c = '?';
        std::fprintf(stderr, "%s %s:%d %s %s %d prompt=%lld cached=%lld generated=%lld waiting=%.3f seconds=%.3f\n",
                     time, connection().address().c_str(), connection().port(), req.method.c_str(), path.c_str(),
                     status, static_cast<long long>(own.usage.prompt), static_cast<long long>(own.usage.cached),
                     static_cast<long long>(own.usage.generated), own.times.waiting, seconds);
    }

    /// The path, where it is one of ours: others do not fill the metrics.
    [[nodiscard]] std::string route_of(const std::string& path) const {
        for (const auto& [method, own] : paths_)
            if (own == path) return path;
        return is_model_path(path) ? "/v1/models" : "other";
    }

    HttpServer& server_;
    Service& service_;
    ApiOptions options_;
    Metrics metrics_;
    std::vector<std::pair<std::string, std::string>> paths_;  // methods and paths
    std::mutex large_bodies_;
    std::atomic<std::size_t> body_bytes_{0};
    std::int64_t started_ = unix_time();
};

}  // namespace serve
