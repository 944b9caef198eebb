#pragma once

#include <algorithm>
#include <atomic>
#include <cstddef>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <httplib.h>

#include "api_error.hpp"
#include "connection.hpp"
#include "http_server.hpp"

namespace serve {

/// Decides of each request, before its body is read, whether it goes on, and reads the body. Thread safety: any number
/// of threads, once all routes are there.
class Gate {
  public:
    /// `server` must outlive this. Without an API key any will do; without an origin no pages but the server's own may
    /// use it.
    Gate(const HttpServer& server, std::string api_key, std::string cors_origin)
        : server_(server), api_key_(std::move(api_key)), cors_origin_(std::move(cors_origin)) {}

    /// Whatever begins with a path that ends in a slash is of that route.
    void add_route(const char* method, const std::string& path, bool is_open = false) {
        routes_.push_back({method, path, is_open});
    }

    /// The path of the route that takes the path; empty where none does.
    [[nodiscard]] std::string route_of(std::string_view path) const {
        for (const Route& route : routes_)
            if (route.takes(path)) return route.path;
        return {};
    }

    /// Returns whether the request goes on, and answers those to OPTIONS. Throws: ApiError.
    bool admits(const httplib::Request& req, httplib::Response& res) const {
        Connection& connection = *Connection::current();
        const std::string& method = connection.method();
        const bool asks_only = method == "GET" || method == "HEAD" || method == "OPTIONS";
        if (!cors_origin_.empty()) {
            res.set_header("Access-Control-Allow-Origin", cors_origin_);
            if (cors_origin_ != "*") res.set_header("Vary", "Origin");
        }
        if (asks_only && has_body(req)) connection.close_after_response();  // it stays unread
        try {
            if (!check_route(method, req.path, res)) return false;
            if (!is_open(req.path) && !is_authorized(req))
                throw ApiError(401, "invalid_request_error",
                               "the API key is missing or wrong: send it as Authorization: Bearer KEY", {},
                               "invalid_api_key");
            if (!asks_only) check_body(req);
        } catch (const ApiError&) {
            connection.close_after_response();
            throw;
        }
        return true;
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

    /// Memory that the bodies of all requests take, as long as this lives.
    class Body {
      public:
        explicit Body(Gate& gate) : gate_(gate) {}
        Body(const Body&) = delete;
        Body& operator=(const Body&) = delete;
        ~Body() { gate_.body_bytes_ -= counted_; }

        std::string text = {};

      private:
        friend class Gate;
        Gate& gate_;
        std::size_t counted_ = 0;
    };

    /// Throws: ApiError where it is too large, or does not come in whole.
    void read(const httplib::ContentReader& reader, Body& body) {
        bool is_too_large = false, are_too_many = false;
        const bool complete = reader([&](const char* data, std::size_t size) {
            is_too_large = body.text.size() + size > server_.limits().max_body_bytes;
            constexpr std::size_t at_once = 8;  // of the largest size
            body.counted_ += size;
            are_too_many = (body_bytes_ += size) > at_once * server_.limits().max_body_bytes;
            if (is_too_large || are_too_many) return false;
            body.text.append(data, size);
            return true;
        });
        if (complete) return;
        Connection::current()->close_after_response();
        if (is_too_large) throw too_large();
        if (are_too_many) throw ApiError(503, "server_error", "too many large requests at once; try again later");
        throw ApiError(408, "invalid_request_error", "the body did not come in whole, or not in time");
    }

  private:
    struct Route {
        std::string method, path;
        bool is_open;  // needs no key

        [[nodiscard]] bool takes(std::string_view other) const {
            return path == other || (path.size() > 1 && path.ends_with('/') && other.starts_with(path));
        }
    };

    /// Returns whether there is more to do than to say what a path takes. Throws: ApiError where nothing is there, or
    /// nothing for this method.
    bool check_route(const std::string& method, const std::string& path, httplib::Response& res) const {
        std::string allowed;
        bool is_there = false;
        for (const Route& route : routes_) {
            if (!route.takes(path) && path != "*") continue;
            const std::string own = route.method == "GET" ? "GET, HEAD" : route.method;
            if (allowed.find(own) == allowed.npos) allowed += (allowed.empty() ? "" : ", ") + own;
            is_there = is_there || method == route.method || (own != route.method && method == "HEAD");
        }
        if (allowed.empty()) {
            const bool lacks_version = !route_of("/v1" + path).empty();
            throw ApiError(404, "invalid_request_error",
                           "there is nothing at " + path + (lacks_version ? "; it is at /v1" + path : ""), {},
                           "not_found");
        }
        if (method == "OPTIONS" || !is_there) res.set_header("Allow", allowed + ", OPTIONS");
        if (method == "OPTIONS") {
            res.status = 204;
            if (cors_origin_.empty()) return false;
            res.set_header("Access-Control-Allow-Methods", "GET, POST, OPTIONS");
            res.set_header("Access-Control-Allow-Headers", "*, Authorization, Content-Type");
            res.set_header("Access-Control-Max-Age", "86400");
            return false;
        }
        if (!is_there)
            throw ApiError(405, "invalid_request_error", path + " takes " + allowed + ", not " + method, {},
                           "method_not_allowed");
        return true;
    }

    [[nodiscard]] bool is_open(std::string_view path) const {
        return std::any_of(routes_.begin(), routes_.end(),
                           [&](const Route& route) { return route.is_open && route.takes(path); });
    }

    [[nodiscard]] bool is_authorized(const httplib::Request& req) const {
        if (api_key_.empty()) return true;
        std::string given = req.get_header_value("Authorization");
        const std::string scheme = "bearer ", expected = scheme + api_key_;
        if (detail::begins_with(given, scheme)) given.replace(0, scheme.size(), scheme);
        // As long for any key of that length.
        unsigned difference = given.size() == expected.size() ? 0 : 1;
        for (std::size_t i = 0; i < std::min(given.size(), expected.size()); ++i)
            difference |=
                static_cast<unsigned>(static_cast<unsigned char>(given[i]) ^ static_cast<unsigned char>(expected[i]));
        return difference == 0;
    }

    void check_body(const httplib::Request& req) const {
        check_length(req);
        if (req.has_header("Content-Encoding") && req.get_header_value("Content-Encoding") != "identity")
            throw ApiError(415, "invalid_request_error", "the body must not be compressed");
        if (req.is_multipart_form_data())
            throw ApiError(415, "invalid_request_error", "the body must be JSON, not a form");
        if (server_.is_stopping()) throw ApiError(503, "server_error", "the server is shutting down");
    }
    static bool has_body(const httplib::Request& req) {
        return req.has_header("Transfer-Encoding") ||
               (req.has_header("Content-Length") && req.get_header_value("Content-Length") != "0");
    }
    [[nodiscard]] ApiError too_large() const {
        return {
            413, "invalid_request_error",
            "the body is larger than the " + std::to_string(server_.limits().max_body_bytes) + " bytes that are taken"};
    }

    const HttpServer& server_;
    std::string api_key_, cors_origin_;
    std::vector<Route> routes_;
    std::atomic<std::size_t> body_bytes_{0};
};

}  // namespace serve
