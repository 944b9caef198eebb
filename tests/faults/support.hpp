#pragma once

#include <cstddef>
#include <filesystem>
#include <map>
#include <string>

#include "../model/support.hpp"
#include "faults.hpp"

namespace rwkv::test {

/// A World vocabulary of the single bytes and a few words.
inline std::string small_vocabulary() {
    constexpr const char* hex = "0123456789abcdef";
    std::string file;
    for (std::size_t byte = 0; byte < 256; ++byte)
        file += std::to_string(byte + 1) + " b'\\x" + hex[byte / 16] + hex[byte % 16] + "' 1\n";
    return file + "257 'ab' 2\n258 'abcd' 4\n259 ' the' 4\n";
}

/// The directory's files and what is in them.
inline std::map<std::string, std::string> files_in(const std::filesystem::path& directory) {
    std::map<std::string, std::string> files;
    for (const auto& entry : std::filesystem::directory_iterator(directory))
        files.emplace(entry.path().filename(), read_all(entry.path()));
    return files;
}

}  // namespace rwkv::test
