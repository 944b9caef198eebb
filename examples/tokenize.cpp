// Text to token ids and back, line by line: for scripts, and for other programs to talk to.

#include <algorithm>
#include <charconv>
#include <cstdio>
#include <iostream>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <CLI/CLI.hpp>
#include <nlohmann/json.hpp>

#include <rwkv/core/quote.hpp>
#include <rwkv/io/json.hpp>
#include <rwkv/load_tokenizer.hpp>

#include "demo_model.hpp"
#include "terminal.hpp"
#include "text_input.hpp"

namespace {

// What is wrong with a line is thrown without a place: `main` knows its number.

std::string parse_text(const std::string& line) {
    rwkv::io::JsonDocument document = rwkv::io::parse_json(line, "");
    auto* text = document.root.get_ptr<std::string*>();
    if (!text) throw rwkv::FormatError("", "", "a JSON string", rwkv::io::describe(document.root));
    return std::move(*text);
}

/// By hand, because a tree of JSON values takes many times the memory of the line, which may be long.
std::vector<rwkv::TokenId> parse_ids(std::string_view line) {
    std::size_t at = 0;
    const auto require = [&](bool good) {
        if (good) return;
        const std::string_view rest = line.substr(at, 12);
        throw rwkv::FormatError(
            "", "", "a JSON array of token ids",
            (rest.empty() ? "the end of the line" : rwkv::core::quoted(rest)) + " at byte " + std::to_string(at + 1));
    };
    const auto skip_white_space = [&] { at = std::min(line.find_first_not_of(" \t\r\n", at), line.size()); };
    const auto take = [&](char c) {
        skip_white_space();
        const bool there = at < line.size() && line[at] == c;
        at += there;
        return there;
    };
    const auto number = [&] {
        skip_white_space();
        rwkv::TokenId id = -1;
        const char* const begin = line.data() + at;
        const auto [end, error] = std::from_chars(begin, line.data() + line.size(), id);
        const bool zero_first = end - begin > 1 && *begin == '0';
        require(error == std::errc() && *begin != '-' && !zero_first);
        at += static_cast<std::size_t>(end - begin);
        return id;
    };

    std::vector<rwkv::TokenId> ids;
    require(take('['));
    if (!take(']')) {
        do ids.push_back(number());
        while (take(','));
        require(take(']'));
    }
    skip_white_space();
    require(at == line.size());
    return ids;
}

std::string to_json(const std::vector<rwkv::TokenId>& ids) {
    std::string array = "[";
    char digits[16];
    for (const rwkv::TokenId id : ids) {
        if (array.size() > 1) array += ',';
        array.append(digits, std::to_chars(digits, digits + sizeof digits, id).ptr);
    }
    return array += ']';
}

}  // namespace

int main(int argc, char** argv) {
    CLI::App app(
        "Reads a JSON string from each line of standard input and writes its token ids as a JSON array; with "
        "--decode,\n"
        "the reverse. Each result is written before the next line is read. An invalid line ends the program.");
    app.footer(terminal::exit_codes);
    std::string model, given;
    bool decode = false;
    add_model_option(app, model, "model, or a tokenizer.json or World vocabulary (.txt)");
    add_tokenizer_option(app, given);
    app.add_flag("--decode", decode, "convert ids to text");
    return terminal::run(app, argc, argv, [&] {
        const rwkv::Tokenizer tokenizer = rwkv::load_tokenizer(given.empty() ? model : given);
        std::ios::sync_with_stdio(false);  // or every character is fetched by itself
        if (terminal::is_terminal(stdin))
            std::fprintf(stderr, "(waiting for lines of JSON, such as %s; %s ends the input)\n",
                         decode ? "[1, 2]" : "\"a text\"", terminal::end_of_input_key);
        std::string line;
        for (std::size_t number = 1; std::getline(std::cin, line); ++number) {
            if (number == 1) line.erase(0, line.size() - text_input::without_mark(line, "standard input").size());
            text_input::check_utf8(line, "standard input", number);
            std::string answer;
            try {
                answer = decode ? nlohmann::json(tokenizer.decode(parse_ids(line))).dump()
                                : to_json(tokenizer.encode(parse_text(line)));
            } catch (const rwkv::Error& error) {
                throw rwkv::FormatError("standard input", "line " + std::to_string(number), error.expected(),
                                        error.found());
            }
            answer += '\n';
            std::fwrite(answer.data(), 1, answer.size(), stdout);
            if (!terminal::output_arrived()) return;
        }
        // (libstdc++'s stream tells an error from the end; libc++'s takes it for the end.)
        if (std::cin.bad() || std::ferror(stdin))
            throw rwkv::FileError("standard input", "", "lines of text", "an error while reading");
    });
}
