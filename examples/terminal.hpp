#pragma once

#include <algorithm>
#include <cstdint>
#include <cstdio>
#include <exception>
#include <filesystem>
#include <initializer_list>
#include <new>
#include <string>
#include <string_view>
#include <utility>

#include <CLI/CLI.hpp>

#include <rwkv/core/error.hpp>
#include <rwkv/core/progress.hpp>

#include "signals.hpp"
#include "system.hpp"

// What the programs share: progress bars, exit codes, output.

namespace terminal {

/// A line that shows how far something is, of fewer characters than the terminal has columns.
inline std::string progress_line(std::string_view stage, int percent, int columns) {
    constexpr int max_width = 40, min_width = 4;
    const int room = (columns > 0 ? columns : 80) - 1, words = static_cast<int>(stage.size());
    const std::string number = std::string(percent < 10    ? 2
                                           : percent < 100 ? 1
                                                           : 0,
                                           ' ') +
                               std::to_string(percent) + "%";
    const int width = std::min(max_width, room - words - 8);  // beside the brackets, two spaces and the number
    if (width >= min_width) {
        const auto filled = static_cast<std::size_t>(percent * width / 100);
        return std::string(stage) + " [" + std::string(filled, '#') +
               std::string(static_cast<std::size_t>(width) - filled, ' ') + "] " + number;
    }
    return words + 5 <= room ? std::string(stage) + ' ' + number : number;
}

/// Draws a progress bar on standard error, if that is a terminal. Cancels the operation when a signal that is caught
/// (signals.hpp) was received.
inline rwkv::Progress progress() {
    return [shown = is_terminal(stderr), last = std::string()](std::string_view stage, std::uint64_t done,
                                                               std::uint64_t total) mutable {
        if (Signals::pending()) return false;
        if (!shown) return true;
        const double share = total ? static_cast<double>(done) / static_cast<double>(total) : 1.0;
        std::string line = progress_line(stage, static_cast<int>(share * 100), columns(stderr));
        if (line != last) std::fprintf(stderr, "\r%s\033[K", line.c_str());
        last = std::move(line);
        if (done == total) {
            std::fprintf(stderr, "\r\033[K");
            last.clear();
        }
        return true;
    };
}

/// What the help texts say of exit codes.
inline constexpr const char* exit_codes =
    "Exit codes: 0: success; 1: an error, with the reason on standard error; 2: a wrong command line;\n"
    "128 + N: ended by signal N.";

/// The signals that end a program which has something to remove first.
#if defined(_WIN32)
inline constexpr std::initializer_list<int> ending_signals = {SIGINT, SIGTERM};
#else
inline constexpr std::initializer_list<int> ending_signals = {SIGINT, SIGTERM, SIGHUP, SIGQUIT};
#endif

/// "35.2 MB"
inline std::string size_of(std::uint64_t bytes) {
    char text[32];
    if (bytes < 1000) return std::to_string(bytes) + " B";
    if (bytes < 1000 * 1000) return std::snprintf(text, sizeof text, "%.1f kB", static_cast<double>(bytes) / 1e3), text;
    return std::snprintf(text, sizeof text, "%.1f MB", static_cast<double>(bytes) / 1e6), text;
}

/// Whether all that was written to standard output so far has arrived.
inline bool output_arrived() {
    return std::fflush(stdout) == 0 && !std::ferror(stdout);
}

/// Parses the command line and runs the program. Exit codes: 0; 1 with the reason on standard error where the body
/// throws or its output is lost; 2 where the command line is wrong, which the body may find, too (CLI::ParseError);
/// 128 and the signal's number where the body throws because a signal that is caught asked the program to end.
template <class Body>
int run(CLI::App& app, int argc, char** argv, Body&& body) {
    make_ready(argc, argv);
    std::string reason = "cannot write to standard output";
    try {
        app.parse(argc, argv);
        body();
        if (output_arrived()) return 0;
    } catch (const CLI::ParseError& error) {
        if (app.exit(error) != 0) return 2;
        if (output_arrived()) return 0;  // of the help
    } catch (const std::bad_alloc&) {
        reason = "there is not enough memory";
    } catch (const std::exception& error) {
        reason = error.what();
    }
    const int signal = Signals::ending();
    if (signal != 0) reason = "ended by " + Signals::name(signal);
    if (is_terminal(stderr)) std::fprintf(stderr, "\r\033[K");  // a bar may be standing there
    std::fprintf(stderr, "%s: %s\n", std::filesystem::path(argv[0]).filename().string().c_str(), reason.c_str());
    return signal != 0 ? 128 + signal : 1;
}

}  // namespace terminal
