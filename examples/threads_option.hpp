#pragma once

#include <algorithm>

#include <CLI/CLI.hpp>

#include "numbers.hpp"
#include "processors.hpp"

/// The option for the number of threads, whose default is one for each physical core: two on one core wait for each
/// other more than they help.
inline CLI::Option* add_threads_option(CLI::App& app, int& threads) {
    return numbers::add_integer(app, "-t,--threads", threads, 0, 1024,
                                "number of threads; default: one for each physical core that the process may use; "
                                "0: one for each processor");
}

/// The number of threads that read files, unless told: more of them only wait for memory, and each has megabytes of
/// scratch.
inline int reading_threads() {
    return std::min(processors::allowed_cores(), 16);
}
