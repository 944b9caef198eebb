#pragma once

#include <atomic>
#include <initializer_list>
#include <string>

#if defined(_WIN32)
#include "windows.hpp"
#else
#include <fcntl.h>
#include <unistd.h>
#include <cerrno>
#include <system_error>
#endif

#include <csignal>

/// Ctrl-C, and what asks a program to end, as something to ask for: so that a program can stop an answer, or remove
/// what it has half written and put the terminal in order before it ends.
class Signals {
  public:
    /// From here on Ctrl-C does not end the program; `interrupted` tells of it.
    static void catch_interrupt();

    /// From here on these do not end the program; `ending` tells of the first of them. One that is ignored, as SIGHUP
    /// is under nohup, stays so.
    static void catch_end(std::initializer_list<int> signals);

    /// Whether Ctrl-C was pressed since this was last asked; never where it is not caught.
    static bool interrupted() { return interrupted_.exchange(false); }

    /// The signal that asked the program to end, or 0.
    static int ending() { return ending_; }

    /// Whether either was the case. Ctrl-C stays for `interrupted` to tell.
    static bool pending() { return interrupted_ || ending_ != 0; }

    /// The name of a signal: "SIGTERM".
    static std::string name(int signal) {
        if (signal == SIGINT) return "Ctrl-C";
        if (signal == SIGTERM) return "SIGTERM";
#if !defined(_WIN32)
        if (signal == SIGHUP) return "SIGHUP";
        if (signal == SIGQUIT) return "SIGQUIT";
#endif
        return "signal " + std::to_string(signal);
    }

#if !defined(_WIN32)
    /// What can be read from once a signal was caught, to be waited for together with input; −1 where none is.
    static int descriptor() {
        return ends_[0];
    }

    /// Reads all there is from it.
    static void drain() {
        char bytes[16];
        while (::read(ends_[0], bytes, sizeof bytes) > 0) {
        }
    }

    /// Makes it readable. May be called by the handler of a signal.
    static void wake() {
        const int error = errno;
        [[maybe_unused]] const auto written = ::write(ends_[1], "", 1);  // full: it is readable
        errno = error;
    }

    /// Opens it.
    static void open() {
        if (ends_[0] >= 0) return;
        if (::pipe(ends_) != 0) throw std::system_error(errno, std::generic_category(), "pipe");
        for (const int end : ends_) {
            ::fcntl(end, F_SETFL, O_NONBLOCK);
            ::fcntl(end, F_SETFD, FD_CLOEXEC);
        }
    }
#endif

  private:
    static inline std::atomic<bool> interrupted_{false};
    static inline std::atomic<int> ending_{0};
    static_assert(std::atomic<int>::is_always_lock_free && std::atomic<bool>::is_always_lock_free);
#if defined(_WIN32)
    static BOOL WINAPI on_event(DWORD event) {
        if (event == CTRL_C_EVENT && interrupt_ends_ == 0) return FALSE;
        if (event == CTRL_C_EVENT && interrupt_ends_ == 1) {
            interrupted_ = true;
            return TRUE;
        }
        if (!ends_caught_) return FALSE;
        ending_ = event == CTRL_C_EVENT ? SIGINT : SIGTERM;
        // A console that is closed ends its programs when this returns: it waits, some seconds, for what is to be done.
        if (event != CTRL_C_EVENT && event != CTRL_BREAK_EVENT) ::Sleep(10000);
        return TRUE;
    }
    static inline std::atomic<int> interrupt_ends_{0};  // 1: `interrupted` tells of Ctrl-C, 2: `ending` does
    static inline std::atomic<bool> ends_caught_{false};
#else
    static inline int ends_[2] = {-1, -1};
#endif
};

#if defined(_WIN32)

inline void Signals::catch_interrupt() {
    interrupt_ends_ = 1;
    ::SetConsoleCtrlHandler(&on_event, TRUE);
}

inline void Signals::catch_end(std::initializer_list<int> signals) {
    for (const int signal : signals) {
        if (signal == SIGINT) interrupt_ends_ = 2;
        if (signal == SIGTERM) ends_caught_ = true;
    }
    ::SetConsoleCtrlHandler(&on_event, TRUE);
}

#else

inline void Signals::catch_interrupt() {
    open();
    struct sigaction action = {};
    action.sa_handler = [](int) {
        interrupted_ = true;
        wake();
    };
    action.sa_flags = SA_RESTART;  // output to a slow terminal is not cut short
    ::sigaction(SIGINT, &action, nullptr);
}

inline void Signals::catch_end(std::initializer_list<int> signals) {
    open();
    for (const int signal : signals) {
        struct sigaction action = {};
        ::sigaction(signal, nullptr, &action);
        if (action.sa_handler == SIG_IGN) continue;
        action = {};
        action.sa_handler = [](int number) {
            int none = 0;
            ending_.compare_exchange_strong(none, number);
            wake();
        };
        ::sigaction(signal, &action, nullptr);  // without SA_RESTART: output that nobody reads does not hold it up
    }
}

#endif
