#pragma once

#include <arpa/inet.h>

#include <atomic>
#include <cerrno>
#include <chrono>
#include <condition_variable>
#include <cstring>
#include <exception>
#include <functional>
#include <memory>
#include <mutex>
#include <set>
#include <stdexcept>
#include <string>
#include <system_error>
#include <thread>
#include <utility>

#include <httplib.h>

#include "connection.hpp"

namespace serve {

/// Accepts connections, and lets httplib read the requests of each on a thread of its own. What httplib itself would do
/// there has a short backlog, no limit to connections, no end to the time of a request, and ends with an error of
/// `accept`.
class HttpServer : public httplib::Server {
  public:
    explicit HttpServer(ConnectionLimits limits) : limits_(limits) {}
    HttpServer(const HttpServer&) = delete;
    HttpServer& operator=(const HttpServer&) = delete;
    ~HttpServer() override { drain(std::chrono::seconds(0)); }

    [[nodiscard]] const ConnectionLimits& limits() const noexcept { return limits_; }

    /// Opens the socket that connections come to, and returns its port; port 0 is any that is free. Throws:
    /// std::system_error, std::runtime_error.
    int open(const std::string& host, int port) {
        addrinfo hints{}, *found = nullptr;
        hints.ai_socktype = SOCK_STREAM;
        hints.ai_flags = AI_PASSIVE;
        if (const int error = ::getaddrinfo(host.c_str(), std::to_string(port).c_str(), &hints, &found); error != 0)
            throw std::runtime_error("--host " + host + ": " + ::gai_strerror(error));
        const std::unique_ptr<addrinfo, decltype(&::freeaddrinfo)> addresses(found, &::freeaddrinfo);
        int error = EADDRNOTAVAIL;
        for (const addrinfo* address = found; address; address = address->ai_next) {
            const int socket = ::socket(address->ai_family, SOCK_STREAM, 0);
            const int on = 1;
            ::fcntl(socket, F_SETFD, FD_CLOEXEC);
            ::fcntl(socket, F_SETFL, O_NONBLOCK);
            ::setsockopt(socket, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
            if (socket >= 0 && ::bind(socket, address->ai_addr, address->ai_addrlen) == 0 &&
                ::listen(socket, SOMAXCONN) == 0) {
                listener_ = socket;
                svr_sock_ = socket;  // httplib ends what it writes where it has none
                sockaddr_storage own{};
                socklen_t size = sizeof own;
                ::getsockname(socket, reinterpret_cast<sockaddr*>(&own), &size);
                return address_of(own).second;
            }
            error = errno;
            if (socket >= 0) ::close(socket);
        }
        throw std::system_error(error, std::generic_category(),
                                "cannot listen on " + host + ", port " + std::to_string(port));
    }

    /// Accepts connections until something can be read from the descriptor.
    void run(int until) {
        for (;;) {
            pollfd descriptors[2] = {{listener_, POLLIN, 0}, {until, POLLIN, 0}};
            if (::poll(descriptors, 2, -1) < 0) {
                if (errno == EINTR) continue;
                throw std::system_error(errno, std::generic_category(), "poll");
            }
            if (descriptors[1].revents != 0) return;
            accept_one();
        }
    }

    /// Takes no more connections, and waits for the requests under way: at most `patience`, and no longer than until
    /// `until` returns true. Then closes their connections.
    void drain(std::chrono::milliseconds patience, const std::function<bool()>& until = {}) {
        is_stopping_ = true;
        if (listener_ >= 0) ::close(std::exchange(listener_, -1));
        const auto end = std::chrono::steady_clock::now() + patience;
        constexpr std::chrono::milliseconds between_looks(100);
        std::unique_lock lock(mutex_);
        for (const int socket : idle_) ::shutdown(socket, SHUT_RDWR);
        while (!open_.empty() && std::chrono::steady_clock::now() < end && !(until && until()))
            changed_.wait_for(lock, between_looks);
        for (const int socket : open_) ::shutdown(socket, SHUT_RDWR);
        changed_.wait(lock, [this] { return open_.empty(); });
    }

    [[nodiscard]] bool is_stopping() const noexcept { return is_stopping_; }
    [[nodiscard]] std::size_t connections() const {
        const std::lock_guard lock(mutex_);
        return open_.size();
    }

    /// Sends a whole response where httplib has nothing to answer: a head that is no request, too many connections.
    static std::string plain_response(int status, const char* reason, const char* type, const std::string& message) {
        const std::string body =
            R"({"error":{"message":")" + message + R"(","type":")" + type + R"(","param":null,"code":null}})";
        return "HTTP/1.1 " + std::to_string(status) + " " + reason +
               "\r\nContent-Type: application/json\r\nConnection: close\r\nContent-Length: " +
               std::to_string(body.size()) + "\r\n" + (status == 503 ? "Retry-After: 1\r\n" : "") + "\r\n" + body;
    }

  private:
    static std::pair<std::string, int> address_of(const sockaddr_storage& address) {
        char text[INET6_ADDRSTRLEN] = "";
        if (address.ss_family == AF_INET6) {
            const auto& six = reinterpret_cast<const sockaddr_in6&>(address);
            ::inet_ntop(AF_INET6, &six.sin6_addr, text, sizeof text);
            return {text, ntohs(six.sin6_port)};
        }
        const auto& four = reinterpret_cast<const sockaddr_in&>(address);
        ::inet_ntop(AF_INET, &four.sin_addr, text, sizeof text);
        return {text, ntohs(four.sin_port)};
    }

    void accept_one() {
        sockaddr_storage address{};
        socklen_t size = sizeof address;
        const int socket = ::accept(listener_, reinterpret_cast<sockaddr*>(&address), &size);
        if (socket < 0) {
            // Out of descriptors or memory: the connection stays in the queue.
            if (errno == EMFILE || errno == ENFILE || errno == ENOBUFS || errno == ENOMEM)
                std::this_thread::sleep_for(std::chrono::milliseconds(50));
            return;
        }
        ::fcntl(socket, F_SETFD, FD_CLOEXEC);
        bool has_room = false;
        {
            const std::lock_guard lock(mutex_);
            has_room = open_.size() < limits_.max_connections;
            if (has_room) open_.insert(socket);
        }
        if (has_room) {
            try {
                std::thread([this, socket, from = address_of(address)] {
                    serve(socket, from.first, from.second);
                }).detach();
                return;
            } catch (const std::exception&) {  // no memory or threads
                const std::lock_guard lock(mutex_);
                open_.erase(socket);
            }
        }
        const std::string response =
            plain_response(503, "Service Unavailable", "server_error", "too many connections; try again later");
        ::shutdown(socket, SHUT_RD);
        static_cast<void>(::send(socket, response.data(), response.size(), MSG_DONTWAIT | MSG_NOSIGNAL));
        ::close(socket);
    }

    void serve(int socket, const std::string& address, int port) noexcept {
        try {
            Connection connection(socket, limits_, address, port);
            Connection::current() = &connection;
            while (serve_request(connection)) {
            }
            connection.close_gently();
        } catch (...) {  // no memory: this client is lost
        }
        Connection::current() = nullptr;
        const std::lock_guard lock(mutex_);
        ::close(socket);
        open_.erase(socket);
        idle_.erase(socket);
        changed_.notify_all();
    }

    /// Returns whether another may follow.
    bool serve_request(Connection& connection) {
        set_idle(connection, true);
        if (is_stopping_) return false;
        const Connection::Head head = connection.read_head();
        set_idle(connection, false);
        if (head == Connection::Head::too_large || head == Connection::Head::too_slow) {
            connection.close_after_response();
            connection.write(head == Connection::Head::too_large
                                 ? plain_response(431, "Request Header Fields Too Large", "invalid_request_error",
                                                  "the head of the request is too large")
                                 : plain_response(408, "Request Timeout", "invalid_request_error",
                                                  "the request did not come in time"));
        }
        if (head != Connection::Head::complete) return false;
        bool is_closed = false;
        const bool done = process(*this, connection, is_closed);
        return done && !is_closed && !connection.must_close() && !is_stopping_;
    }

    /// Calls httplib's process_request, whose parameters depend on its version.
    template <class Self>
    static bool process(Self& self, Connection& connection, bool& is_closed) {
        const bool closes = self.is_stopping_;
        if constexpr (requires { self.process_request(connection, closes, is_closed, nullptr); })
            return self.process_request(connection, closes, is_closed, nullptr);
        else
            return self.process_request(connection, connection.address(), connection.port(), "", 0, closes, is_closed,
                                        nullptr);
    }

    void set_idle(const Connection& connection, bool is_idle) {
        const std::lock_guard lock(mutex_);
        if (is_idle)
            idle_.insert(connection.socket());
        else
            idle_.erase(connection.socket());
    }

    ConnectionLimits limits_;
    int listener_ = -1;
    std::atomic<bool> is_stopping_{false};
    mutable std::mutex mutex_;  // guards the sets
    std::set<int> open_, idle_;
    std::condition_variable changed_;
};

}  // namespace serve
