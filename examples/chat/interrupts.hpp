#pragma once

#include <fcntl.h>
#include <signal.h>
#include <unistd.h>

#include <cerrno>
#include <system_error>

/// Ctrl-C as something to ask for. It is remembered in a pipe, so that it can be waited for together with input, and
/// none is missed between asking and waiting.
class Interrupts {
  public:
    /// From here on Ctrl-C does not end the program.
    static void catch_all() {
        if (::pipe(ends_) != 0) throw std::system_error(errno, std::generic_category(), "pipe");
        for (const int end : ends_) {
            ::fcntl(end, F_SETFL, O_NONBLOCK);
            ::fcntl(end, F_SETFD, FD_CLOEXEC);
        }
        struct sigaction action = {};
        action.sa_handler = [](int) {
            const int error = errno;
            [[maybe_unused]] const auto written = ::write(ends_[1], "", 1);  // full: enough are remembered
            errno = error;
        };
        action.sa_flags = SA_RESTART;  // output to a slow terminal is not cut short
        ::sigaction(SIGINT, &action, nullptr);
    }

    /// Whether Ctrl-C was pressed since this was last asked; never where it is not caught.
    static bool taken() {
        char bytes[16];
        bool any = false;
        while (::read(ends_[0], bytes, sizeof bytes) > 0) any = true;
        return any;
    }

    /// What can be read when one is there; −1 where they are not caught.
    static int descriptor() { return ends_[0]; }

  private:
    static inline int ends_[2] = {-1, -1};
};
