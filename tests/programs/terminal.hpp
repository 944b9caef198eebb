#pragma once

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/ioctl.h>
#include <sys/wait.h>
#include <termios.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <cstdio>
#include <string>
#include <string_view>

#include "../catch.hpp"

namespace rwkv::test {

/// What keys send.
inline const std::string ctrl_a = "\x01", ctrl_c = "\x03", ctrl_d = "\x04", ctrl_z = "\x1A";
inline const std::string up_key = "\x1b[A", left_key = "\x1b[D";

/// What a terminal sends for a text that is pasted, where the program has asked it to mark that.
inline std::string pasted(std::string text) {
    std::replace(text.begin(), text.end(), '\n', '\r');
    return "\x1b[200~" + text + "\x1b[201~";
}

/// A program in a terminal of its own, and whoever types there and looks at it.
class Terminal {
  public:
    struct Options {
        int columns = 200;
        bool has_shell = false;  ///< there is something to go back to where it is stopped: resume() goes on
    };

    /// Runs a command of the shell.
    explicit Terminal(const std::string& command) : Terminal(command, Options{}) {}
    Terminal(const std::string& command, Options options) {
        terminal_ = ::posix_openpt(O_RDWR | O_NOCTTY);
        REQUIRE(terminal_ >= 0);
        REQUIRE(::grantpt(terminal_) == 0);
        REQUIRE(::unlockpt(terminal_) == 0);
        resize(options.columns);
        const std::string name = ::ptsname(terminal_), run = "exec " + command;
        child_ = ::fork();
        REQUIRE(child_ >= 0);
        if (child_ == 0) {
            ::setsid();  // so that the terminal, once opened, is this process's own and Ctrl-C is its signal
            const int end = ::open(name.c_str(), O_RDWR);
            for (const int standard : {STDIN_FILENO, STDOUT_FILENO, STDERR_FILENO}) ::dup2(end, standard);
            ::close(terminal_);
            ::close(end);
            ::setenv("TERM", "xterm", 1);
            if (options.has_shell) be_a_shell(run);
            ::execl("/bin/sh", "sh", "-c", run.c_str(), nullptr);
            ::_exit(127);
        }
    }
    Terminal(const Terminal&) = delete;
    Terminal& operator=(const Terminal&) = delete;
    ~Terminal() {
        if (child_ > 0) {
            ::kill(child_, SIGKILL);
            ::waitpid(child_, nullptr, 0);
        }
        ::close(terminal_);
    }

    void resize(int columns) {
        const winsize size{24, static_cast<unsigned short>(columns), 0, 0};
        REQUIRE(::ioctl(terminal_, TIOCSWINSZ, &size) == 0);
    }

    /// Types, a little at a time, and takes what is shown meanwhile.
    void type(std::string_view keys) {
        const auto deadline = Clock::now() + patience;
        while (!keys.empty()) {
            pollfd ready{terminal_, POLLIN | POLLOUT, 0};
            REQUIRE(::poll(&ready, 1, 1000) >= 0);
            REQUIRE(Clock::now() < deadline);
            if (ready.revents & POLLIN) look(deadline);
            if (!(ready.revents & POLLOUT)) continue;
            const ssize_t count = ::write(terminal_, keys.data(), std::min<std::size_t>(keys.size(), 256));
            REQUIRE(count > 0);
            keys.remove_prefix(static_cast<std::size_t>(count));
        }
    }

    /// Waits for the text and returns what was shown since the last time, up to its end.
    std::string expect(const std::string& text) {
        const auto deadline = Clock::now() + patience;
        std::size_t at = shown_.find(text);
        while (at == shown_.npos) {
            const std::size_t searched = shown_.size() - std::min(shown_.size(), text.size());
            if (!look(deadline))
                FAIL("waiting for \"" << text << "\", seeing \""
                                      << shown_.substr(shown_.size() - std::min<std::size_t>(shown_.size(), 2000))
                                      << '"');
            at = shown_.find(text, searched);
        }
        const std::string seen = shown_.substr(0, at + text.size());
        shown_.erase(0, seen.size());
        return seen;
    }

    /// Types a line at the prompt and returns what was shown until the next prompt.
    std::string enter(const std::string& line) {
        type(line + "\r");
        expect("\r\n");  // the line itself
        return expect("> ");
    }

    /// Sends the program a signal.
    void signal(int number) { ::kill(child_, number); }

    /// Waits until the program is stopped, and tells whether the terminal takes whole lines and echoes them.
    bool is_ordinary_when_stopped() { return expect("[stopped").size() > 0 && is_ordinary(); }

    /// Continues the program, as a shell's fg does.
    void resume() { type("\r"); }

    /// Whether the terminal takes whole lines and echoes them.
    bool is_ordinary() const {
        termios mode{};
        REQUIRE(::tcgetattr(terminal_, &mode) == 0);
        return (mode.c_lflag & ICANON) != 0 && (mode.c_lflag & ECHO) != 0;
    }

    /// Waits for the program to end; its exit code, or minus the signal that has ended it.
    int end() {
        const auto deadline = Clock::now() + patience;
        while (look(deadline)) {
        }
        REQUIRE(Clock::now() < deadline);
        int status = 0;
        REQUIRE(::waitpid(child_, &status, 0) == child_);
        child_ = -1;
        return WIFEXITED(status) ? WEXITSTATUS(status) : -WTERMSIG(status);
    }

    /// All that was shown and not yet returned.
    const std::string& shown() const { return shown_; }

  private:
    using Clock = std::chrono::steady_clock;
    static constexpr std::chrono::seconds patience{120};

    /// Waits for more to be shown; false where nothing more comes: the program has ended, or hangs.
    bool look(Clock::time_point deadline) {
        const auto left = std::chrono::duration_cast<std::chrono::milliseconds>(deadline - Clock::now()).count();
        pollfd waited_for{terminal_, POLLIN, 0};
        char bytes[4096];
        if (left <= 0 || ::poll(&waited_for, 1, static_cast<int>(left)) != 1) return false;
        const ssize_t count = ::read(terminal_, bytes, sizeof bytes);
        if (count > 0) shown_.append(bytes, static_cast<std::size_t>(count));
        return count > 0;
    }

    /// Runs the command as a job, and ends as it does. Where it is stopped, says so, and continues it at a line end.
    /// Unlike real shells it leaves the terminal's mode as the job has left it.
    [[noreturn]] static void be_a_shell(const std::string& command) {
        ::signal(SIGTTOU, SIG_IGN);  // the terminal is taken from the background
        const pid_t job = ::fork();
        if (job == 0) {
            ::setpgid(0, 0);
            ::tcsetpgrp(STDIN_FILENO, ::getpid());
            ::signal(SIGTTOU, SIG_DFL);
            ::execl("/bin/sh", "sh", "-c", command.c_str(), nullptr);
            ::_exit(127);
        }
        for (int status = 0; ::waitpid(job, &status, WUNTRACED) == job;) {
            if (WIFEXITED(status)) ::_exit(WEXITSTATUS(status));
            if (WIFSIGNALED(status)) ::_exit(126);
            ::tcsetpgrp(STDIN_FILENO, ::getpgrp());
            std::fputs("[stopped]", stderr);
            char byte = 0;
            while (::read(STDIN_FILENO, &byte, 1) == 1 && byte != '\n') {
            }
            ::tcsetpgrp(STDIN_FILENO, job);
            ::kill(-job, SIGCONT);
        }
        ::_exit(125);
    }

    int terminal_ = -1;
    pid_t child_ = -1;
    std::string shown_;
};

}  // namespace rwkv::test
