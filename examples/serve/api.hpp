#pragma once

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

#include <httplib.h>

#include "embedding_answer.hpp"
#include "gate.hpp"
#include "http_server.hpp"
#include "metrics.hpp"
#include "request.hpp"
#include "response.hpp"
#include "server_info.hpp"
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
        : server_(server),
          service_(service),
          gate_(server, std::move(options.api_key), std::move(options.cors_origin)),
          is_quiet_(options.quiet) {
        constexpr bool is_open = true;
        get(
            "/health", [this](const auto&, auto& res) { health(res); }, is_open);
        get(
            "/", [](const auto&, auto& res) { send_page(res); }, is_open);
        get(
            "/openapi.json", [this](const auto&, auto& res) { send(res, described(service_, openapi_json)); }, is_open);
        get("/metrics", [this](const auto&, auto& res) {
            res.set_content(metrics_.text(service_, server_.connections()), "text/plain; version=0.0.4; charset=utf-8");
        });
        get("/v1/models", [this](const auto&, auto& res) {
            send(res, {{"object", "list"}, {"data", Json::array({model_info(service_, started_)})}});
        });
        get(model_path, [this](const auto& req, auto& res) {
            if (req.path.substr(std::string_view(model_path).size()) != service_.options().model_name)
                throw ApiError(404, "invalid_request_error", "there is no model of that name", "model",
                               "model_not_found");
            send(res, model_info(service_, started_));
        });
        get("/tokenizer_info", [this](const auto&, auto& res) { send(res, tokenizer_info(service_)); });
        post("/v1/completions", [this](const auto& body, auto& res) { text(body, false, res); });
        post("/v1/chat/completions", [this](const auto& body, auto& res) { text(body, true, res); });
        post("/v1/embeddings", [this](const auto& body, auto& res) {
            const EmbeddingRequest request = parse(
                [&] { return parse_embedding_request(body, service_.options().limits, service_.config().hidden_size); },
                body.size());
            Usage& usage = record().usage;
            send(res, embeddings(service_, request, connection(), usage));
        });
        post("/tokenize", [this](const auto& body, auto& res) {
            send(res, tokenize(service_, parse([&] { return parse_tokenize_request(body); }, body.size())));
        });
        post("/detokenize", [this](const auto& body, auto& res) {
            send(res,
                 detokenize(service_, parse([&] { return parse_detokenize_request(body, service_.options().limits); },
                                            body.size())));
        });
        server.set_pre_routing_handler([this](const httplib::Request& req, httplib::Response& res) {
            record() = Record();
            const bool goes_on = guard(res, [&] { return gate_.admits(req, res); });
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
                             gate_.check_length(req);
                             return true;
                         })
                       ? 100
                       : res.status;
        });
        server.set_logger([this](const httplib::Request& req, const httplib::Response& res) { log(req, res); });
    }

  private:
    static constexpr const char* model_path = "/v1/models/";
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

    void get(const std::string& path, GetHandler handler, bool is_open = false) {
        gate_.add_route("GET", path, is_open);
        const bool has_rest = path.size() > 1 && path.ends_with('/');
        server_.Get(has_rest ? path + ".+" : path,
                    [this, handler = std::move(handler)](const httplib::Request& req, httplib::Response& res) {
                        guard(res, [&] {
                            handler(req, res);
                            return true;
                        });
                    });
    }
    void post(const std::string& path, PostHandler handler) {
        gate_.add_route("POST", path);
        server_.Post(path, [this, handler = std::move(handler)](const httplib::Request&, httplib::Response& res,
                                                                const httplib::ContentReader& reader) {
            guard(res, [&] {
                Gate::Body body(gate_);
                gate_.read(reader, body);
                res.status = -1;
                handler(body.text, res);
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
        const char* const type = "text/event-stream";
        const auto write = [response](std::size_t, httplib::DataSink& sink) { return write_events(*response, sink); };
        if (!connection().is_http_1_0()) return res.set_chunked_content_provider(type, write);
        connection().close_after_response();  // which is how the client knows where it ends
        res.set_content_provider(type, write);
    }

    static bool write_events(TextResponse& response, httplib::DataSink& sink) {
        try {
            const std::string events = response.next_events();
            if (response.done()) keep(response.answer());
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
        keep(response.answer());
        connection().close_after_response();
        return false;
    }

    static void send_page(httplib::Response& res) {
        res.set_header("Content-Security-Policy",
                       "default-src 'none'; script-src 'unsafe-inline'; style-src 'unsafe-inline'; img-src data: "
                       "blob:; connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'");
        res.set_content(page_html.data(), page_html.size(), "text/html; charset=utf-8");
    }

    void health(httplib::Response& res) const {
        const bool is_well = service_.is_well();
        const char* const status = !is_well ? "failed" : server_.is_stopping() ? "draining" : "ok";
        res.status = *status == 'o' ? 200 : 503;
        send(res, {{"status", status}});
    }

    void log(const httplib::Request& req, const httplib::Response& res) {
        const Record& own = record();
        const double seconds = std::chrono::duration<double>(Clock::now() - own.start).count();
        const int status = own.status != 0 ? own.status : res.status;
        // Of other paths there is no end.
        const std::string route = gate_.route_of(req.path);
        metrics_.count(route.empty() ? "other" : route, status, seconds, own.times);
        if (is_quiet_) return;
        char time[32];
        const std::time_t now = std::time(nullptr);
        std::tm utc{};
        ::gmtime_r(&now, &utc);
        std::strftime(time, sizeof time, "%Y-%m-%dT%H:%M:%SZ", &utc);
        std::string path = req.path.substr(0, 100);
        for (char& c : path)
            if (static_cast<unsigned char>(c) < 0x21 || c == 0x7F) c = '?';
        std::fprintf(stderr, "%s %s:%d %s %s %d prompt=%lld cached=%lld generated=%lld waiting=%.3f seconds=%.3f\n",
                     time, connection().address().c_str(), connection().port(), connection().method().c_str(),
                     path.c_str(), status, static_cast<long long>(own.usage.prompt),
                     static_cast<long long>(own.usage.cached), static_cast<long long>(own.usage.generated),
                     own.times.waiting, seconds);
    }

    HttpServer& server_;
    Service& service_;
    Gate gate_;
    bool is_quiet_;
    Metrics metrics_;
    std::mutex large_bodies_;
    std::int64_t started_ = unix_time();
};

}  // namespace serve
