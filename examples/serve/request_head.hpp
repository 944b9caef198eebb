#pragma once

#include <algorithm>
#include <array>
#include <cctype>
#include <cstddef>
#include <string>
#include <string_view>

namespace serve {

/// The head of a request, made into one that httplib reads as it is meant.
struct RequestHead {
    std::string text = {};    ///< for httplib
    std::string method = {};  ///< as it was sent
    bool is_http_1_0 = false;
};

namespace detail {

inline char lower(char c) {
    return static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
}

/// Whether a text begins with a word of small letters, however the text is written.
inline bool begins_with(std::string_view text, std::string_view word) {
    return text.size() >= word.size() &&
           std::equal(word.begin(), word.end(), text.begin(), [](char a, char b) { return a == lower(b); });
}

/// Whether it may be a method: a token of HTTP.
inline bool is_token(std::string_view text) {
    return !text.empty() && std::all_of(text.begin(), text.end(), [](char c) {
        return std::isalnum(static_cast<unsigned char>(c)) != 0 ||
               std::string_view("!#$%&'*+-.^_`|~").find(c) != std::string_view::npos;
    });
}

/// The path and what follows, of a target that may begin with a scheme and a host. Slashes that clients leave at the
/// end of an address, or put where one is already, are not there.
inline std::string path_of(std::string_view target) {
    for (const std::string_view scheme : {"http://", "https://"})
        if (begins_with(target, scheme)) {
            target.remove_prefix(scheme.size());
            target.remove_prefix((std::min)(target.find_first_of("/?"), target.size()));
            break;
        }
    const std::size_t end = (std::min)(target.find('?'), target.size());
    std::string path;
    for (const char c : target.substr(0, end))
        if (c != '/' || !path.ends_with('/')) path += c;
    if (path.size() > 1 && path.ends_with('/')) path.pop_back();
    if (path.empty()) path = "/";
    return path + std::string(target.substr(end));
}

}  // namespace detail

/// Rewrites the bytes of a head up to its blank line. Methods that httplib does not know become TRACE, which nothing
/// here takes, so that they are refused by the path. Headers that httplib would spend much on are left out: `Range`, a
/// recursion a byte, and nothing here has parts; `Accept-Encoding`, the best of brotli's compressions, which takes
/// longer than the text.
inline RequestHead request_head(std::string_view bytes) {
    RequestHead head;
    const std::size_t line_end = (std::min)(bytes.find_first_of("\r\n"), bytes.size());
    const std::string_view line = bytes.substr(0, line_end);
    const std::size_t method_end = line.find(' '), target_end = line.rfind(' ');
    const bool has_parts = method_end != line.npos && target_end > method_end;
    if (has_parts && detail::is_token(line.substr(0, method_end))) {
        constexpr std::array<std::string_view, 10> known{"GET",     "HEAD",    "POST",  "PUT",   "DELETE",
                                                         "CONNECT", "OPTIONS", "TRACE", "PATCH", "PRI"};
        head.method = line.substr(0, method_end);
        head.is_http_1_0 = line.substr(target_end + 1) == "HTTP/1.0";
        const bool is_known = std::find(known.begin(), known.end(), head.method) != known.end();
        head.text = is_known ? head.method : "TRACE";
        head.text += ' ' + detail::path_of(line.substr(method_end + 1, target_end - method_end - 1)) +
                     std::string(line.substr(target_end));
    } else {
        head.text = line;
    }
    for (std::size_t at = line_end; at < bytes.size();) {
        const std::size_t next = (std::min)(bytes.find('\n', at), bytes.size() - 1) + 1;
        const std::string_view header = bytes.substr(at, next - at);
        if (!detail::begins_with(header, "range:") && !detail::begins_with(header, "accept-encoding:"))
            head.text += header;
        at = next;
    }
    return head;
}

}  // namespace serve
