#pragma once

#include <cstddef>
#include <cstdio>
#include <string>
#include <utility>

#if !defined(_WIN32)
#include <poll.h>
#include <unistd.h>
#endif

#include "../signals.hpp"
#include "../system.hpp"
#include "../text_input.hpp"
#include "lines.hpp"

/// Lines of a pipe or a file; and of a terminal, edited by the system, where there is no LineEditor.
class PlainLines final : public Lines {
  public:
    Event next(const char* prompt, std::string& line) override {
        if (is_terminal_) std::fputs(prompt, stderr);
        for (;;) {
            if (const std::size_t end = read_.find('\n'); end != read_.npos) {
                line = read_.substr(0, end);
                read_.erase(0, end + 1);
                if (is_terminal_) text_input::note_cut_lines(line, ++number_);
                if (line.ends_with('\r')) line.pop_back();
                return Event::line;
            }
            const bool ready = wait();
            if (Signals::ending() != 0) return Event::end;
            if (Signals::interrupted()) {
                read_.clear();
                return Event::interrupt;
            }
            if (ready && terminal::read_input(read_) == 0) {
                if (was_interrupted()) continue;
                line = std::exchange(read_, {});
                return line.empty() ? Event::end : Event::line;
            }
        }
    }

  private:
#if defined(_WIN32)
    static bool wait() {
        return true;
    }
    /// Ctrl-C ends the reading of a console; the handler of Ctrl-C, a thread of its own, may run later.
    static bool was_interrupted() {
        if (::GetLastError() != ERROR_OPERATION_ABORTED) return false;
        for (int i = 0; i < 100 && !Signals::pending(); ++i) ::Sleep(10);
        return Signals::pending();
    }
#else
    /// Waits for input or a signal; false where there was a signal.
    static bool wait() {
        pollfd waited_for[] = {{STDIN_FILENO, POLLIN, 0}, {Signals::descriptor(), POLLIN, 0}};
        const bool ready = ::poll(waited_for, 2, -1) > 0 && waited_for[1].revents == 0;
        Signals::drain();
        return ready;
    }
    static bool was_interrupted() {
        return false;
    }
#endif

    std::string read_;  // and not yet given out
    std::size_t number_ = 0;
    bool is_terminal_ = terminal::is_terminal(stdin);
};
