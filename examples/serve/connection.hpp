#pragma once

#include <fcntl.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <cstddef>
#include <string>
#include <string_view>
#include <utility>

#include <httplib.h>

#include "request_head.hpp"

namespace serve {

/// Times and sizes that a client is held to.
struct ConnectionLimits {
    using Seconds = std::chrono::duration<double>;

    std::size_t max_connections = 256;                  ///< open at a time; others get status 503
    std::size_t max_body_bytes = std::size_t(8) << 20;  ///< of a request
    Seconds request_time{30};                           ///< in which a request has to come in whole
    Seconds idle_time{60};                              ///< without a request, after which a connection is closed
    Seconds write_time{30};                             ///< without a byte taken, after which a client is given up

    static constexpr std::size_t max_head_bytes = std::size_t(1) << 16;
};

/// One client's socket, for httplib to read from and to write to. Every wait has an end. Thread safety: one thread.
class Connection final : public httplib::Stream {
  public:
    using Clock = std::chrono::steady_clock;

    /// The socket stays the caller's.
    Connection(int socket, const ConnectionLimits& limits, std::string address, int port)
        : socket_(socket), limits_(limits), address_(std::move(address)), port_(port) {
        const int on = 1;
        ::setsockopt(socket, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
        ::fcntl(socket, F_SETFL, ::fcntl(socket, F_GETFL) | O_NONBLOCK);
    }
    Connection(const Connection&) = delete;
    Connection& operator=(const Connection&) = delete;
    ~Connection() = default;

    /// The connection that the calling thread serves.
    static Connection*& current() {
        static thread_local Connection* connection = nullptr;
        return connection;
    }

    /// What came of waiting for a request.
    enum class Head { complete, closed, too_large, too_slow };

    /// Reads the head of the next request, all of it, so that httplib does not wait for it.
    Head read_head() {
        std::size_t searched = 0;
        Clock::time_point deadline = Clock::now() + duration(limits_.idle_time);
        bool begun = false;
        for (;;) {
            while (!begun && begin_ < buffer_.size() && (buffer_[begin_] == '\r' || buffer_[begin_] == '\n'))
                ++begin_;  // blank lines between requests
            if (!begun && begin_ < buffer_.size()) {
                begun = true;
                deadline_ = deadline = Clock::now() + duration(limits_.request_time);
            }
            const std::string_view rest = std::string_view(buffer_).substr(begin_);
            const std::size_t end = end_of_head(rest, searched);
            if (end != rest.npos) {
                head_ = request_head(rest.substr(0, end));
                buffer_.replace(begin_, end, head_.text);
                body_bytes_ = 0;
                return Head::complete;
            }
            if (rest.size() > ConnectionLimits::max_head_bytes) return Head::too_large;
            searched = rest.size() < 3 ? 0 : rest.size() - 3;
            if (const Wait wait = fill(deadline); wait != Wait::ready)
                return begun && wait == Wait::timed_out ? Head::too_slow : Head::closed;
        }
    }

    /// The method of the request, as it was sent.
    [[nodiscard]] const std::string& method() const noexcept { return head_.method; }
    /// Whether the client is of the version before chunks.
    [[nodiscard]] bool is_http_1_0() const noexcept { return head_.is_http_1_0; }

    /// Whether the client has closed its side, or the connection is broken.
    [[nodiscard]] bool peer_is_gone() const {
        pollfd descriptor{socket_, gone_events, 0};
        return is_broken_ || (::poll(&descriptor, 1, 0) > 0 && descriptor.revents != 0);
    }
    /// The events by which poll tells the same.
#if defined(POLLRDHUP)
    static constexpr short gone_events = POLLRDHUP;
#else
    static constexpr short gone_events = 0;
#endif

    /// After this response the connection ends: a part of the request will not be read.
    void close_after_response() noexcept {
        must_close_ = true;
    }
    [[nodiscard]] bool must_close() const noexcept {
        return must_close_ || is_broken_;
    }

    /// Sends what is there, so that a client which still sends can read the response, and waits for its end a while.
    void close_gently() {
        if (is_broken_ || !must_close_) return;
        ::shutdown(socket_, SHUT_WR);
        const Clock::time_point deadline = Clock::now() + std::chrono::seconds(2);
        do {
            buffer_.clear();
            begin_ = 0;
        } while (fill(deadline) == Wait::ready);
    }

    // What httplib calls. (No `override` in this class: its versions differ in some of them.)
    virtual bool is_readable() const {
        return begin_ < buffer_.size() || wait_for(POLLIN, Clock::now()) == Wait::ready;
    }
    virtual bool wait_readable() const {
        return begin_ < buffer_.size() || wait_for(POLLIN, deadline_) == Wait::ready;
    }
    virtual bool is_writable() const {
        return !is_broken_;
    }
    virtual bool wait_writable() const {
        return !is_broken_;
    }
    virtual time_t duration() const {
        return 0;
    }

    virtual ssize_t read(char* data, std::size_t size) {
        if (begin_ == buffer_.size()) {
            buffer_.clear();
            begin_ = 0;
            // A body in chunks has no length, and lines of it could have no end.
            if (body_bytes_ > 2 * limits_.max_body_bytes + ConnectionLimits::max_head_bytes) return -1;
            const Wait wait = fill(deadline_);
            if (wait == Wait::closed) return 0;
            if (wait != Wait::ready) return -1;
            body_bytes_ += buffer_.size();
        }
        const std::size_t count = std::min(size, buffer_.size() - begin_);
        std::copy_n(buffer_.data() + begin_, count, data);
        begin_ += count;
        return static_cast<ssize_t>(count);
    }
    virtual ssize_t write(const char* data, std::size_t size) {
        std::size_t sent = 0;
        while (sent < size && !is_broken_) {
#if defined(MSG_NOSIGNAL)
            constexpr int flags = MSG_NOSIGNAL;
#else
            constexpr int flags = 0;
#endif
            const ssize_t count = ::send(socket_, data + sent, size - sent, flags);
            if (count >= 0)
                sent += static_cast<std::size_t>(count);
            else if (errno == EAGAIN || errno == EWOULDBLOCK)
                is_broken_ = wait_for(POLLOUT, Clock::now() + duration(limits_.write_time)) != Wait::ready;
            else if (errno != EINTR)
                is_broken_ = true;
        }
        return is_broken_ ? -1 : static_cast<ssize_t>(sent);
    }
    virtual void get_remote_ip_and_port(std::string& ip, int& port) const {
        ip = address_;
        port = port_;
    }
    virtual void get_local_ip_and_port(std::string& ip, int& port) const {
        ip = "";
        port = 0;
    }
    virtual int socket() const {
        return socket_;
    }
    using httplib::Stream::write;

    [[nodiscard]] const std::string& address() const noexcept {
        return address_;
    }
    [[nodiscard]] int port() const noexcept {
        return port_;
    }

  private:
    enum class Wait { ready, closed, timed_out };

    static Clock::duration duration(ConnectionLimits::Seconds seconds) {
        return std::chrono::duration_cast<Clock::duration>(seconds);
    }

    Wait wait_for(short event, Clock::time_point deadline) const {
        for (;;) {
            const auto left = std::chrono::ceil<std::chrono::milliseconds>(deadline - Clock::now()).count();
            pollfd descriptor{socket_, event, 0};
            const int count = ::poll(&descriptor, 1, static_cast<int>(std::clamp<long long>(left, 0, 1 << 30)));
            if (count > 0) return Wait::ready;
            if (count < 0 && errno != EINTR) return Wait::closed;
            if (count == 0) return Wait::timed_out;
        }
    }

    /// Appends what the socket has to the buffer.
    Wait fill(Clock::time_point deadline) {
        for (;;) {
            if (Clock::now() >= deadline) return Wait::timed_out;
            if (begin_ > 0) buffer_.erase(0, std::exchange(begin_, 0));
            constexpr std::size_t at_once = 16384;
            const std::size_t old = buffer_.size();
            buffer_.resize(old + at_once);
            const ssize_t count = ::recv(socket_, buffer_.data() + old, at_once, 0);
            const int error = errno;
            buffer_.resize(old + static_cast<std::size_t>(std::max<ssize_t>(count, 0)));
            if (count > 0) return Wait::ready;
            if (count == 0) return Wait::closed;
            if (error == EINTR) continue;
            if (error != EAGAIN && error != EWOULDBLOCK) return Wait::closed;
            if (const Wait wait = wait_for(POLLIN, deadline); wait != Wait::ready) return wait;
        }
    }

    /// The bytes before the body; npos where the head is not there to its end.
    static std::size_t end_of_head(std::string_view text, std::size_t from) {
        const std::size_t crlf = text.find("\r\n\r\n", from), lf = text.find("\n\n", from);
        if (crlf < lf) return crlf + 4;
        return lf == text.npos ? lf : lf + 2;
    }

    int socket_;
    const ConnectionLimits& limits_;
    std::string address_;
    int port_;
    RequestHead head_;
    std::string buffer_;     // received
    std::size_t begin_ = 0;  // of what was not read yet
    std::size_t body_bytes_ = 0;
    Clock::time_point deadline_ = Clock::now();
    bool must_close_ = false, is_broken_ = false;
};

}  // namespace serve
