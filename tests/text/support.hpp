#pragma once

#include <filesystem>
#include <string>

#include <nlohmann/json.hpp>

#include "../support.hpp"

namespace rwkv::test {

/// A file of tests/text/tokenizers.
inline std::filesystem::path tokenizer_file(const std::string& name) {
    return std::filesystem::path(RWKV_FIXTURES_DIR) / ".." / "text" / "tokenizers" / name;
}

inline nlohmann::json read_json(const std::filesystem::path& path) {
    return nlohmann::json::parse(read_all(path));
}

}  // namespace rwkv::test
