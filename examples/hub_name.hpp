#pragma once

#include <cstddef>
#include <filesystem>
#include <stdexcept>
#include <string>
#include <string_view>
#include <system_error>

/// Refuses what is no path here but may be a model on Hugging Face's Hub, by its name or its address, and says how it
/// is fetched.
inline void refuse_hub_name(const std::string& path) {
    std::error_code ignored;
    if (std::filesystem::exists(path, ignored)) return;
    std::string_view name = path;
    bool is_address = false;
    for (const std::string_view hub : {"https://", "http://", "huggingface.co/", "hf://"})
        if (name.starts_with(hub)) {
            name.remove_prefix(hub.size());
            is_address = true;
        }
    const std::size_t slash = name.find('/');
    if (slash == name.npos || slash == 0) return;
    const std::string owner(name.substr(0, slash));
    std::string_view repository = name.substr(slash + 1);
    if (is_address) repository = repository.substr(0, repository.find('/'));
    const auto is_plain = [](std::string_view word) {
        constexpr std::string_view signs = "-._";
        for (const char c : word)
            if (!(c >= '0' && c <= '9') && !(c >= 'A' && c <= 'Z') && !(c >= 'a' && c <= 'z') &&
                signs.find(c) == signs.npos)
                return false;
        return word.find_first_not_of('.') != word.npos;
    };
    if (!is_plain(owner) || !is_plain(repository) || std::filesystem::exists(owner, ignored)) return;
    const std::string model = owner + "/" + std::string(repository);
    throw std::runtime_error("cannot open " + path +
                             ": No such file or directory (of a model on Hugging Face's Hub: `hf download " + model +
                             " --local-dir " + std::string(repository) + "` fetches it)");
}
