#pragma once

#include <poll.h>
#include <unistd.h>

#include <cerrno>
#include <cstddef>
#include <string>
#include <system_error>
#include <utility>

#include "interrupts.hpp"

/// Lines of standard input, the end of input and Ctrl-C as they come.
class LineReader {
  public:
    enum class Event { line, interrupt, end };

    /// Waits for the next. A line comes without its line end; Ctrl-C forgets what was begun.
    Event next(std::string& line) {
        for (;;) {
            if (const std::size_t end = read_.find('\n'); end != read_.npos) {
                line = read_.substr(0, end);
                read_.erase(0, end + 1);
                if (line.ends_with('\r')) line.pop_back();
                return Event::line;
            }
            pollfd waited_for[] = {{STDIN_FILENO, POLLIN, 0}, {Interrupts::descriptor(), POLLIN, 0}};
            const int ready = ::poll(waited_for, 2, -1);
            if (Interrupts::taken()) {
                read_.clear();
                return Event::interrupt;
            }
            if (ready < 0) continue;  // another signal: the terminal's size, the job's return to the foreground
            char bytes[4096];
            const ssize_t count = ::read(STDIN_FILENO, bytes, sizeof bytes);
            if (count < 0 && errno == EINTR) continue;
            if (count < 0) throw std::system_error(errno, std::generic_category(), "standard input");
            if (count == 0) {
                line = std::exchange(read_, {});
                return line.empty() ? Event::end : Event::line;
            }
            read_.append(bytes, static_cast<std::size_t>(count));
        }
    }

  private:
    std::string read_;  // and not yet given out
};
