#pragma once

#include <unistd.h>

#include <algorithm>
#include <cstdint>
#include <cstdio>
#include <exception>
#include <string>
#include <string_view>

#include <rwkv/error.hpp>
#include <rwkv/progress.hpp>

// What the programs share: how they speak to a terminal.

namespace terminal {

/// Draws a bar on standard error while something long goes on, and nothing where that is no terminal.
inline rwkv::Progress progress_bar() {
    if (!::isatty(STDERR_FILENO)) return {};
    return [last = -1](std::string_view stage, std::uint64_t done, std::uint64_t total) mutable {
        constexpr int width = 40;
        const double share = total ? static_cast<double>(done) / static_cast<double>(total) : 1.0;
        const int percent = static_cast<int>(share * 100);
        if (percent == last) return;
        last = percent;
        const auto filled = static_cast<std::size_t>(share * width);
        const std::string bar = std::string(filled, '#') + std::string(width - filled, ' ');
        std::fprintf(stderr, "\r%.*s [%s] %3d%%", static_cast<int>(stage.size()), stage.data(), bar.c_str(), percent);
        if (done == total) {
            std::fprintf(stderr, "\r\033[K");
            last = -1;
        }
    };
}

/// Runs a program's body: 0 if it returns, 1 with the reason on standard error if it throws.
template <class Body>
int run(const char* program, Body&& body) {
    try {
        body();
        return 0;
    } catch (const std::exception& error) {
        std::fprintf(stderr, "%s: %s\n", program, error.what());
        return 1;
    }
}

}  // namespace terminal
