#pragma once

#include <cctype>
#include <cstddef>
#include <filesystem>
#include <fstream>
#include <string>
#include <string_view>
#include <system_error>

#include <rwkv/text/prompt_format.hpp>

/// Whether a name has the word, in upper or lower case, with no letters around it.
inline bool has_word(std::string_view name, std::string_view word) {
    const auto letter = [&](std::size_t at) { return std::isalpha(static_cast<unsigned char>(name[at])) != 0; };
    const auto same = [&](std::size_t at) {
        for (std::size_t i = 0; i < word.size(); ++i)
            if (std::tolower(static_cast<unsigned char>(name[at + i])) != word[i]) return false;
        return true;
    };
    for (std::size_t at = 0; at + word.size() <= name.size(); ++at) {
        const std::size_t end = at + word.size();
        if (same(at) && (at == 0 || !letter(at - 1)) && (end == name.size() || !letter(end))) return true;
    }
    return false;
}

/// Whether a model was trained on conversations, as far as can be guessed: World models were (`guessed` follows from
/// the tokenizer), others if the names of directories and files say so (Raven).
inline bool is_chat_model(const std::filesystem::path& model, const rwkv::PromptFormat& guessed) {
    if (guessed.name == "world") return true;
    const auto tells = [](const std::filesystem::path& path) {
        const std::string name = path.string();
        return has_word(name, "raven") || has_word(name, "chat") || has_word(name, "instruct");
    };
    std::error_code ignored;
    const std::filesystem::path whole = std::filesystem::weakly_canonical(model, ignored);
    // The last names, with room for snapshots/HASH of the Hub's cache: those further up are not the model's.
    std::filesystem::path at = whole;
    for (int i = 0; i < 3 && at.has_relative_path(); ++i, at = at.parent_path())
        if (tells(at.filename())) return true;
    std::string config(1 << 16, '\0');  // which may have the name of the model it comes of
    std::ifstream(whole / "config.json", std::ios::binary)
        .read(config.data(), static_cast<std::streamsize>(config.size()));
    if (has_word(config, "raven")) return true;
    for (std::filesystem::directory_iterator file(whole, ignored), end; !ignored && file != end;
         file.increment(ignored))
        if (tells(file->path().filename())) return true;
    return false;
}
