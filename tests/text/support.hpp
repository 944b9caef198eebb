#pragma once

#include <filesystem>
#include <string>
#include <string_view>

#include <nlohmann/json.hpp>

#include <rwkv/text/utf8.hpp>

#include "../support.hpp"

namespace rwkv::test {

inline std::string utf8(std::u32string_view text) {
    std::string result;
    for (char32_t c : text) rwkv::text::append_utf8(result, c);
    return result;
}

/// A file of tests/text/tokenizers.
inline std::filesystem::path tokenizer_file(const std::string& name) {
    return std::filesystem::path(RWKV_FIXTURES_DIR) / ".." / "text" / "tokenizers" / name;
}

inline nlohmann::json read_json(const std::filesystem::path& path) {
    return nlohmann::json::parse(read_all(path));
}

}  // namespace rwkv::test
