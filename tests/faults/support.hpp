#pragma once

#include <cstddef>
#include <filesystem>
#include <map>
#include <string>

#include "../model/support.hpp"
#include "../text/world_bytes.hpp"
#include "faults.hpp"

namespace rwkv::test {

/// A World vocabulary of the single bytes and a few words.
inline std::string small_vocabulary() {
    return world_bytes() + "257 'ab' 2\n258 'abcd' 4\n259 ' the' 4\n";
}

/// The directory's files and what is in them.
inline std::map<std::string, std::string> files_in(const std::filesystem::path& directory) {
    std::map<std::string, std::string> files;
    for (const auto& entry : std::filesystem::directory_iterator(directory))
        files.emplace(entry.path().filename(), read_all(entry.path()));
    return files;
}

}  // namespace rwkv::test
