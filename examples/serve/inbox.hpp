#pragma once

#include <fcntl.h>
#include <poll.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <cstddef>
#include <mutex>
#include <string>
#include <system_error>
#include <vector>

#include <rwkv/core/tensor.hpp>
#include <rwkv/generation/log_probabilities.hpp>

#include "connection.hpp"

namespace serve {

/// What happened to one text of a request.
struct Event {
    std::size_t choice = 0;
    std::string text = {};  ///< that is new
    bool has_token = false;
    rwkv::TokenId token = 0;
    double log_probability = 0;
    std::vector<rwkv::TokenLogProbability> top_logprobs = {};
    std::string picture = {};  ///< of the state before the token, where one is wanted
    bool ended = false;        ///< there are no more of this text
};

/// Events on their way from the thread of the scheduler to that of a connection, which waits for them and for the end
/// of its client at once. Thread safety: `push` and `wait` by one thread each.
class Inbox {
  public:
    /// Throws: std::system_error where there are no descriptors left.
    Inbox() {
        if (::pipe(ends_) != 0) throw std::system_error(errno, std::generic_category(), "pipe");
        for (const int end : ends_) {
            ::fcntl(end, F_SETFL, O_NONBLOCK);
            ::fcntl(end, F_SETFD, FD_CLOEXEC);
        }
    }
    Inbox(const Inbox&) = delete;
    Inbox& operator=(const Inbox&) = delete;
    ~Inbox() {
        for (const int end : ends_) ::close(end);
    }

    void push(Event event) {
        bool was_empty = false;
        {
            const std::lock_guard lock(mutex_);
            was_empty = events_.empty();
            events_.push_back(std::move(event));
        }
        if (was_empty) static_cast<void>(!::write(ends_[1], "", 1));  // full: it can be read
    }

    /// Waits for events, and returns all there are; none where the client is gone.
    std::vector<Event> wait(const Connection& connection) {
        for (;;) {
            pollfd descriptors[2] = {{ends_[0], POLLIN, 0}, {connection.socket(), Connection::gone_events, 0}};
            if (::poll(descriptors, 2, max_wait_ms) < 0 && errno != EINTR)
                throw std::system_error(errno, std::generic_category(), "poll");
            if (descriptors[1].revents != 0) return {};
            char bytes[64];
            static_cast<void>(!::read(ends_[0], bytes, sizeof bytes));  // more than these call for another look
            std::vector<Event> events;
            const std::lock_guard lock(mutex_);
            events.swap(events_);
            if (!events.empty()) return events;
        }
    }

  private:
    static constexpr int max_wait_ms = 1000;

    int ends_[2] = {-1, -1};
    std::mutex mutex_;
    std::vector<Event> events_;
};

}  // namespace serve
