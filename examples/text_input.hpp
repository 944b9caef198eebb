#pragma once

#include <algorithm>
#include <cerrno>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <memory>
#include <string>
#include <string_view>
#include <system_error>
#include <vector>

#include <rwkv/core/error.hpp>
#include <rwkv/core/message.hpp>
#include <rwkv/core/utf8.hpp>
#include <rwkv/text/tokenizer.hpp>

#include "system.hpp"

// Texts that people give to the programs: as a file, through a pipe or typed, in UTF-8.

namespace text_input {

/// Where a byte is, as editors count: "line 3, byte 7", both from 1 on.
inline std::string place_of(std::string_view text, std::size_t at, std::size_t first_line = 1) {
    const std::string_view before = text.substr(0, at);
    const auto lines = static_cast<std::size_t>(std::count(before.begin(), before.end(), '\n'));
    const std::size_t begin = before.rfind('\n') + 1;  // npos + 1 is 0
    return rwkv::core::join({"line ", first_line + lines, ", byte ", at - begin + 1});
}

/// The encoding of a text that cannot be UTF-8: by its byte order mark, or because every other byte is 0. Empty for any
/// other.
inline std::string_view other_encoding(std::string_view text) {
    using namespace std::string_view_literals;
    if (text.starts_with("\xFF\xFE\0\0"sv) || text.starts_with("\0\0\xFE\xFF"sv)) return "UTF-32";
    if (text.starts_with("\xFF\xFE"sv) || text.starts_with("\xFE\xFF"sv)) return "UTF-16";
    const std::size_t looked_at = std::min<std::size_t>(text.size(), 256) / 2 * 2;
    std::size_t zeros[2] = {0, 0};
    for (std::size_t i = 0; i < looked_at; ++i) zeros[i % 2] += text[i] == '\0';
    const bool alternate = (zeros[0] == 0 || zeros[1] == 0) && zeros[0] + zeros[1] == looked_at / 2;
    return looked_at >= 4 && alternate ? "UTF-16" : "";
}

/// What is left of a text without its byte order mark. Throws FormatError, naming `where`, for a text in UTF-16 or
/// UTF-32.
inline std::string_view without_mark(std::string_view text, const std::string& where) {
    if (const std::string_view encoding = other_encoding(text); !encoding.empty())
        rwkv::core::fail<rwkv::FormatError>(where, {"line 1, byte 1"}, {"a text in UTF-8"},
                                            {encoding, " (iconv -f ", encoding, " -t UTF-8 converts it)"});
    if (text.starts_with("\xEF\xBB\xBF")) text.remove_prefix(3);
    return text;
}

/// Says what there is at a byte that does not belong to UTF-8.
inline std::string description_of(std::string_view text, std::size_t at) {
    const bool is_cut = rwkv::core::decode_utf8(text, at).status == rwkv::core::Utf8Status::truncated;
    char description[128];
    std::snprintf(description, sizeof description,
                  "the byte %02X, as %sin Latin-1 or Windows-1252 (iconv -f WINDOWS-1252 -t UTF-8 converts it)",
                  static_cast<unsigned>(static_cast<unsigned char>(text[at])),
                  is_cut ? "of a character cut off or " : "");
    return description;
}

/// Throws FormatError, naming `where` and the place, where the text is not UTF-8.
inline void check_utf8(std::string_view text, const std::string& where, std::size_t first_line = 1) {
    const std::size_t at = rwkv::core::find_invalid_utf8(text);
    if (at != text.npos)
        throw rwkv::FormatError(where, place_of(text, at, first_line), "UTF-8", description_of(text, at));
}

/// Notes the line ends of Windows, with which models predict far worse: they have read texts with plain ones.
inline void note_line_ends(std::string_view text, const std::string& where) {
    if (text.find("\r\n") != text.npos)
        std::fprintf(stderr,
                     "note: %s: lines end in CR and LF, as on Windows; the CR is read as part of the text "
                     "(tr -d '\\r' removes it)\n",
                     where.c_str());
}

/// The ids of a text. A text that is not UTF-8 is noted, where the tokenizer takes any bytes (World), or refused by
/// FormatError; either names `where`, the line and the byte.
inline std::vector<rwkv::TokenId> encode(const rwkv::Tokenizer& tokenizer, std::string_view text,
                                         const std::string& where, std::size_t first_line = 1) {
    note_line_ends(text, where);
    const std::size_t at = rwkv::core::find_invalid_utf8(text);
    if (at == text.npos) return tokenizer.encode(text);
    const std::string place = place_of(text, at, first_line);
    try {
        std::vector<rwkv::TokenId> ids = tokenizer.encode(text);
        std::fprintf(stderr, "note: %s: %s: not UTF-8 but %s\n", where.c_str(), place.c_str(),
                     description_of(text, at).c_str());
        return ids;
    } catch (const rwkv::ArgumentError&) {
        throw rwkv::FormatError(where, place, "UTF-8", description_of(text, at));
    }
}

/// Notes the lines of a text from a terminal that are as long as such a line can be: the system dropped what followed.
inline void note_cut_lines(std::string_view text, std::size_t first_line = 1) {
    if (terminal::max_line_bytes == 0) return;
    for (std::size_t line = first_line; !text.empty(); ++line) {
        const std::string_view one = text.substr(0, text.find('\n'));
        if (one.size() >= terminal::max_line_bytes)
            std::fprintf(stderr,
                         "note: line %zu was cut short: a terminal takes %zu bytes in a line, and the rest was lost; "
                         "files and pipes have no such limit\n",
                         line, terminal::max_line_bytes);
        text.remove_prefix(std::min(one.size() + 1, text.size()));
    }
}

/// The whole of a file, a pipe or a device; "-" is standard input. The byte order mark is left out. `purpose` says what
/// the text is for, to a person at a terminal who is waited for: "the prompt". Throws: FileError where it cannot be
/// read; FormatError where it is longer than `max_bytes`, or UTF-16.
inline std::string read(const std::string& name, std::uint64_t max_bytes, const char* purpose) {
    const bool standard = name == "-";
    const std::string where = standard ? "standard input" : name;
    const auto failed = [&](const char* verb) {
        throw rwkv::FileError(where, rwkv::core::join({"cannot ", verb, " ", where}),
                              std::error_code(errno, std::generic_category()));
    };
    struct Close {
        void operator()(std::FILE* file) const {
            if (file != stdin) std::fclose(file);
        }
    };
    const std::unique_ptr<std::FILE, Close> file(standard ? stdin : std::fopen(name.c_str(), "rb"));
    if (!file) failed("open");
    const bool typed = terminal::is_terminal(file.get());
    if (typed)
        std::fprintf(stderr, "(waiting for %s: type it, then %s on a line of its own; Ctrl-C exits)\n", purpose,
                     terminal::end_of_input_key);
    std::string text;
    errno = 0;
    if (standard && typed) {
        while (terminal::read_input(text) > 0) {
        }
    } else {
        char bytes[4096];
        for (std::size_t count = sizeof bytes;
             count == sizeof bytes;) {  // fewer: that was the end, not to be read twice
            count = std::fread(bytes, 1, sizeof bytes, file.get());
            text.append(bytes, count);
            if (text.size() > max_bytes)
                rwkv::core::fail<rwkv::FormatError>(where, {}, {"at most ", max_bytes, " bytes"}, {"more"});
        }
        if (std::ferror(file.get())) failed("read");
    }
    if (typed) note_cut_lines(text);
    text.erase(0, text.size() - without_mark(text, where).size());
    return text;
}

}  // namespace text_input
