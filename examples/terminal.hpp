#pragma once

#include <algorithm>
#include <cstdint>
#include <cstdio>
#include <exception>
#include <filesystem>
#include <iostream>
#include <new>
#include <string>
#include <string_view>

#include <CLI/CLI.hpp>

#include <rwkv/core/error.hpp>
#include <rwkv/core/progress.hpp>

#include "system.hpp"

// What the programs share: how they speak to a terminal.

namespace terminal {

/// Draws a bar on standard error while something long goes on, and nothing where that is no terminal.
inline rwkv::Progress progress_bar() {
    if (!is_terminal(stderr)) return {};
    return [last = -1](std::string_view stage, std::uint64_t done, std::uint64_t total) mutable {
        constexpr int width = 40;
        const double share = total ? static_cast<double>(done) / static_cast<double>(total) : 1.0;
        const int percent = static_cast<int>(share * 100);
        if (percent == last) return true;
        last = percent;
        const auto filled = static_cast<std::size_t>(share * width);
        const std::string bar = std::string(filled, '#') + std::string(width - filled, ' ');
        std::fprintf(stderr, "\r%.*s [%s] %3d%%", static_cast<int>(stage.size()), stage.data(), bar.c_str(), percent);
        if (done == total) {
            std::fprintf(stderr, "\r\033[K");
            last = -1;
        }
        return true;
    };
}

/// "35.2 MB"
inline std::string size_of(std::uint64_t bytes) {
    char text[32];
    if (bytes < 1000) return std::to_string(bytes) + " B";
    if (bytes < 1000 * 1000) return std::snprintf(text, sizeof text, "%.1f kB", static_cast<double>(bytes) / 1e3), text;
    return std::snprintf(text, sizeof text, "%.1f MB", static_cast<double>(bytes) / 1e6), text;
}

/// Throws FileError if what was read from std::cin ended by an error. (libstdc++'s stream says so; libc++'s takes it
/// for the end.)
inline void check_input(const char* expected) {
    if (std::cin.bad() || std::ferror(stdin))
        throw rwkv::FileError("standard input", "", expected, "an error while reading");
}

/// Whether all that was written to standard output so far has arrived.
inline bool output_arrived() {
    return std::fflush(stdout) == 0 && !std::ferror(stdout);
}

/// Parses the command line and runs the program. Exit codes: 0, 1 with the reason on standard error where the body
/// throws or its output is lost, 2 where the command line is wrong.
template <class Body>
int run(CLI::App& app, int argc, char** argv, Body&& body) {
    make_ready(argc, argv);
    try {
        app.parse(argc, argv);
    } catch (const CLI::ParseError& error) {
        return app.exit(error) == 0 ? 0 : 2;
    }
    std::string reason = "cannot write to standard output";
    try {
        body();
        if (output_arrived()) return 0;
    } catch (const std::bad_alloc&) {
        reason = "there is not enough memory";
    } catch (const std::exception& error) {
        reason = error.what();
    }
    if (is_terminal(stderr)) std::fprintf(stderr, "\r\033[K");  // a bar may be standing there
    std::fprintf(stderr, "%s: %s\n", std::filesystem::path(argv[0]).filename().string().c_str(), reason.c_str());
    return 1;
}

}  // namespace terminal
