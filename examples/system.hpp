#pragma once

#include <cstddef>
#include <cstdio>
#include <memory>
#include <string>
#include <system_error>
#include <vector>

#if defined(_WIN32)
#include "windows.hpp"

#include <fcntl.h>
#include <io.h>
#include <shellapi.h>
#include <filesystem>
#else
#include <fcntl.h>
#include <sys/ioctl.h>
#include <unistd.h>
#include <cerrno>
#include <csignal>
#endif

// What the programs ask the operating system.

namespace terminal {

/// How a person ends what is typed.
#if defined(_WIN32)
inline constexpr const char* end_of_input_key = "Ctrl-Z and Enter";
#else
inline constexpr const char* end_of_input_key = "Ctrl-D";
#endif

/// The maximum number of bytes of a line that the system's own line editing takes from a terminal: what is typed beyond
/// it is lost. 0: no limit is known.
#if defined(__linux__)
inline constexpr std::size_t max_line_bytes = 4095;
#elif defined(_WIN32)
inline constexpr std::size_t max_line_bytes = 0;
#else
inline constexpr std::size_t max_line_bytes = 1023;
#endif

#if defined(_WIN32)

inline bool is_terminal(std::FILE* stream) {
    return ::_isatty(::_fileno(stream)) != 0;
}

/// The width of a terminal; 0 where it is unknown.
inline int columns(std::FILE* stream) {
    CONSOLE_SCREEN_BUFFER_INFO info{};
    const auto handle = reinterpret_cast<HANDLE>(::_get_osfhandle(::_fileno(stream)));
    return ::GetConsoleScreenBufferInfo(handle, &info) ? info.srWindow.Right - info.srWindow.Left + 1 : 0;
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

/// Appends what standard input has next, after waiting for it, and returns how many bytes that is: 0 at its end, or
/// where Ctrl-C was pressed. Throws: std::system_error.
inline std::size_t read_input(std::string& text) {
    if (!is_terminal(stdin)) {
        char bytes[4096];
        const int count = ::_read(::_fileno(stdin), bytes, sizeof bytes);
        if (count < 0) throw std::system_error(errno, std::generic_category(), "standard input");
        text.append(bytes, static_cast<std::size_t>(count));
        return static_cast<std::size_t>(count);
    }
    // A console knows UTF-16 only. One half of a character may be all there is room for: the next call has the other.
    static std::wstring wide;
    wchar_t units[2048];
    DWORD count = 0;
    if (!::ReadConsoleW(::GetStdHandle(STD_INPUT_HANDLE), units, 2048, &count, nullptr))
        throw std::system_error(static_cast<int>(::GetLastError()), std::system_category(), "standard input");
    constexpr wchar_t ctrl_z = 0x1A;
    if (count > 0 && wide.empty() && units[0] == ctrl_z) return 0;
    for (DWORD i = 0; i < count; ++i)
        if (units[i] != L'\r') wide += units[i];
    const bool cut = !wide.empty() && (wide.back() & 0xFC00) == 0xD800;
    const int length = static_cast<int>(wide.size()) - (cut ? 1 : 0);
    const int needed = ::WideCharToMultiByte(CP_UTF8, 0, wide.data(), length, nullptr, 0, nullptr, nullptr);
    const std::size_t old = text.size();
    text.resize(old + static_cast<std::size_t>(needed));
    ::WideCharToMultiByte(CP_UTF8, 0, wide.data(), length, text.data() + old, needed, nullptr, nullptr);
    wide.erase(0, static_cast<std::size_t>(length));
    return count == 0 ? 0 : text.size() - old + (cut ? 1 : 0);
}

#else

inline bool is_terminal(std::FILE* stream) {
    return ::isatty(::fileno(stream)) != 0;
}

/// The width of a terminal; 0 where it is unknown.
inline int columns(std::FILE* stream) {
    winsize size{};
    return ::ioctl(::fileno(stream), TIOCGWINSZ, &size) == 0 ? size.ws_col : 0;
}

/// What a program does first. Where standard input, output or error is closed, something takes its place that can be
/// neither read nor written: else the first file that is opened would, and have the answers written into it. A file
/// that exceeds the limit for files (ulimit -f) is an error of its writing, as of a full disk, and not the program's
/// end.
inline void make_ready(int&, char**&) {
    ::signal(SIGXFSZ, SIG_IGN);
    for (const int number : {STDIN_FILENO, STDOUT_FILENO, STDERR_FILENO})
        if (::fcntl(number, F_GETFD) < 0 && errno == EBADF)
            static_cast<void>(::open("/dev/null", number == STDIN_FILENO ? O_WRONLY : O_RDONLY));
}

/// Appends what standard input has next, after waiting for it, and returns how many bytes that is: 0 at its end.
/// Throws: std::system_error.
inline std::size_t read_input(std::string& text) {
    char bytes[4096];
    for (;;) {
        const ssize_t count = ::read(STDIN_FILENO, bytes, sizeof bytes);
        if (count < 0 && errno == EINTR) continue;
        if (count < 0) throw std::system_error(errno, std::generic_category(), "standard input");
        text.append(bytes, static_cast<std::size_t>(count));
        return static_cast<std::size_t>(count);
    }
}

#endif

}  // namespace terminal
