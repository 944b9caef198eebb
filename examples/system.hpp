#pragma once

#include <cstdio>
#include <memory>
#include <string>
#include <vector>

#if defined(_WIN32)
#include <rwkv/io/system.hpp>  // which includes windows.h

#include <fcntl.h>
#include <io.h>
#include <shellapi.h>
#else
#include <unistd.h>
#endif

// What the programs ask the operating system.

namespace terminal {

#if defined(_WIN32)

inline bool is_terminal(std::FILE* stream) {
    return ::_isatty(::_fileno(stream)) != 0;
}

/// Text comes in UTF-8, which Windows does not do by itself: the command line, and what is written, as it is.
inline void make_ready(int& argc, char**& argv) {
    static std::vector<std::string> words;
    static std::vector<char*> pointers;
    const std::unique_ptr<wchar_t*, decltype(&::LocalFree)> wide(::CommandLineToArgvW(::GetCommandLineW(), &argc),
                                                                 &::LocalFree);
    for (int i = 0; i < argc; ++i) words.push_back(std::filesystem::path(wide.get()[i]).string());
    for (std::string& word : words) pointers.push_back(word.data());
    pointers.push_back(nullptr);
    argv = pointers.data();

    ::_setmode(::_fileno(stdout), _O_BINARY);
    ::SetConsoleOutputCP(CP_UTF8);
    const HANDLE console = ::GetStdHandle(STD_ERROR_HANDLE);
    DWORD mode = 0;
    if (::GetConsoleMode(console, &mode)) ::SetConsoleMode(console, mode | ENABLE_VIRTUAL_TERMINAL_PROCESSING);
}

#else

inline bool is_terminal(std::FILE* stream) {
    return ::isatty(::fileno(stream)) != 0;
}

/// Sees to it that text comes in and goes out as it is, in UTF-8; nothing is needed here.
inline void make_ready(int&, char**&) {}

#endif

}  // namespace terminal
