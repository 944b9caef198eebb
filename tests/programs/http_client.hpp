#pragma once

#include <arpa/inet.h>
#include <poll.h>
#include <signal.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <chrono>
#include <cstdlib>
#include <string>
#include <string_view>
#include <thread>
#include <utility>
#include <vector>

#include <nlohmann/json.hpp>

#include "../catch.hpp"

namespace rwkv::test {

/// The time in which everything here has to come, however busy the machine.
inline constexpr std::chrono::seconds http_patience(60);

/// A connection to 127.0.0.1, byte by byte.
class Socket {
  public:
    explicit Socket(int port) : socket_(::socket(AF_INET, SOCK_STREAM, 0)) {
        sockaddr_in address{};
        address.sin_family = AF_INET;
        address.sin_port = htons(static_cast<std::uint16_t>(port));
        address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
        REQUIRE(socket_ >= 0);
        is_open_ = ::connect(socket_, reinterpret_cast<const sockaddr*>(&address), sizeof address) == 0;
    }
    Socket(const Socket&) = delete;
    Socket& operator=(const Socket&) = delete;
    ~Socket() { ::close(socket_); }

    [[nodiscard]] bool is_open() const noexcept { return is_open_; }

    /// Sends as much as the other side takes; false where it has closed.
    bool send(std::string_view bytes) const {
        while (!bytes.empty()) {
            const ssize_t count = ::send(socket_, bytes.data(), bytes.size(), MSG_NOSIGNAL);
            if (count <= 0) return false;
            bytes.remove_prefix(static_cast<std::size_t>(count));
        }
        return true;
    }

    /// Reads until the text has `end` in it, or to its end where that is empty.
    std::string read(std::string_view end = {}) const {
        std::string text;
        const auto deadline = std::chrono::steady_clock::now() + http_patience;
        while (end.empty() || text.find(end) == text.npos) {
            pollfd descriptor{socket_, POLLIN, 0};
            if (::poll(&descriptor, 1, 1000) == 0) {
                REQUIRE(std::chrono::steady_clock::now() < deadline);
                continue;
            }
            char bytes[4096];
            const ssize_t count = ::recv(socket_, bytes, sizeof bytes, 0);
            if (count <= 0) break;
            text.append(bytes, static_cast<std::size_t>(count));
        }
        return text;
    }

  private:
    int socket_;
    bool is_open_ = false;
};

/// A response.
struct HttpResponse {
    int status = 0;  ///< 0: there was none
    std::string head = {}, body = {};

    [[nodiscard]] nlohmann::json json() const { return nlohmann::json::parse(body); }
    /// The data of server-sent events, [DONE] included.
    [[nodiscard]] std::vector<std::string> events() const {
        std::vector<std::string> all;
        for (std::size_t at = 0; (at = body.find("data: ", at)) != body.npos;) {
            const std::size_t end = body.find("\n\n", at);
            REQUIRE(end != body.npos);
            all.push_back(body.substr(at + 6, end - at - 6));
            at = end;
        }
        return all;
    }
};

/// Takes a response apart, in chunks or not.
inline HttpResponse parse_response(const std::string& text) {
    HttpResponse response;
    const std::size_t end = text.find("\r\n\r\n");
    if (end == text.npos) return response;
    response.head = text.substr(0, end);
    response.status = std::atoi(text.c_str() + std::string_view("HTTP/1.1 ").size());
    response.body = text.substr(end + 4);
    if (response.head.find("Transfer-Encoding: chunked") == response.head.npos) return response;
    const std::string chunked = std::exchange(response.body, {});
    for (std::size_t at = 0; at < chunked.size();) {
        const std::size_t length = std::stoul(chunked.substr(at, 16), nullptr, 16);
        at = chunked.find("\r\n", at) + 2;
        response.body += chunked.substr(at, length);
        at += length + 2;
    }
    return response;
}

/// A request in full; with a body, that is JSON.
inline std::string http_request(const std::string& method, const std::string& path, const std::string& body = {},
                                const std::string& headers = {}) {
    std::string text = method + " " + path + " HTTP/1.1\r\nHost: test\r\nConnection: close\r\n" + headers;
    if (method == "POST")
        text += "Content-Type: application/json\r\nContent-Length: " + std::to_string(body.size()) + "\r\n";
    return text + "\r\n" + body;
}

/// The program serve, on a port of its own.
class Server {
  public:
    explicit Server(const std::string& options) {
        int ends[2];
        REQUIRE(::pipe(ends) == 0);
        const std::string command = "exec " + std::string(RWKV_PROGRAMS_DIR) + "/serve --port 0 --quiet " + options;
        child_ = ::fork();
        REQUIRE(child_ >= 0);
        if (child_ == 0) {
            ::dup2(ends[1], STDOUT_FILENO);
            ::close(ends[0]);
            ::close(ends[1]);
            ::execl("/bin/sh", "sh", "-c", command.c_str(), nullptr);
            ::_exit(127);
        }
        ::close(ends[1]);
        std::string line;
        for (char c = 0; ::read(ends[0], &c, 1) == 1 && c != '\n';) line += c;
        ::close(ends[0]);
        INFO("serve " << options << " printed: " << line);
        REQUIRE(line.starts_with("Listening on http://127.0.0.1:"));
        port_ = std::stoi(line.substr(line.rfind(':') + 1));
    }
    Server(const Server&) = delete;
    Server& operator=(const Server&) = delete;
    ~Server() {
        if (child_ <= 0) return;
        ::kill(child_, SIGKILL);
        ::waitpid(child_, nullptr, 0);
    }

    [[nodiscard]] int port() const noexcept { return port_; }

    [[nodiscard]] HttpResponse get(const std::string& path, const std::string& headers = {}) const {
        return exchange(http_request("GET", path, {}, headers));
    }
    [[nodiscard]] HttpResponse post(const std::string& path, const nlohmann::json& body,
                                    const std::string& headers = {}) const {
        return exchange(http_request("POST", path, body.dump(), headers));
    }
    /// The answer to a request that must succeed.
    [[nodiscard]] nlohmann::json answer(const std::string& path, const nlohmann::json& body) const {
        const HttpResponse response = post(path, body);
        INFO(path << " " << body << " " << response.body);
        REQUIRE(response.status == 200);
        return response.json();
    }
    /// Sends bytes, and reads all that comes.
    [[nodiscard]] HttpResponse exchange(const std::string& bytes) const {
        const Socket socket(port_);
        REQUIRE(socket.is_open());
        socket.send(bytes);
        return parse_response(socket.read());
    }
    /// A number of /metrics.
    [[nodiscard]] double metric(const std::string& name, const std::string& headers = {}) const {
        const std::string text = get("/metrics", headers).body;
        const std::size_t at = text.find("\n" + name + " ");
        INFO(text);
        REQUIRE(at != text.npos);
        return std::stod(text.substr(at + name.size() + 2));
    }
    /// Waits until a number of /metrics has a value.
    void wait_for(const std::string& name, double value) const {
        const auto deadline = std::chrono::steady_clock::now() + http_patience;
        while (metric(name) != value) {
            REQUIRE(std::chrono::steady_clock::now() < deadline);
            std::this_thread::sleep_for(std::chrono::milliseconds(5));
        }
    }

    void signal(int number) const { ::kill(child_, number); }
    /// Waits for its end, and returns the exit code, or 128 and the signal.
    int wait() {
        int status = 0;
        REQUIRE(::waitpid(std::exchange(child_, 0), &status, 0) > 0);
        return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
    }

  private:
    pid_t child_ = 0;
    int port_ = 0;
};

}  // namespace rwkv::test
