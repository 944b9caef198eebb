#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <fstream>
#include <map>
#include <stdexcept>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <nlohmann/json.hpp>

namespace rwkv::test {

/// One input to a parser, and what is to become of it.
struct CorpusCase {
    std::string name;
    std::string bytes;
    bool accept = false;
    std::string error;    ///< where it is refused: the kind, "FormatError" or "ModelError"
    std::string message;  ///< and a part of what is said
};

inline std::string from_base64(std::string_view text) {
    constexpr std::string_view digits = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    std::string bytes;
    std::uint32_t bits = 0, count = 0;
    for (const char c : text.substr(0, text.find('='))) {
        const std::size_t digit = digits.find(c);
        if (digit == digits.npos) throw std::runtime_error("no base64: " + std::string(text));
        bits = (bits << 6U | static_cast<std::uint32_t>(digit)) & 0xFFFFU;
        if ((count += 6) < 8) continue;
        count -= 8;
        bytes.push_back(static_cast<char>(static_cast<std::uint8_t>(bits >> count)));
    }
    return bytes;
}

/// Reads a file that make_corpora.py wrote: a list of cases. The bytes of one are its "text", or its "bytes" in base64;
/// where it has a "base", they stand in the bytes of that earlier case in place of the "cut" bytes at "at".
inline std::vector<CorpusCase> read_corpus(const std::filesystem::path& path) {
    std::ifstream stream(path, std::ios::binary);
    std::vector<CorpusCase> cases;
    std::map<std::string, std::size_t> by_name;
    for (const nlohmann::json& row : nlohmann::json::parse(stream)) {
        CorpusCase item{.name = row.at("name"),
                        .bytes = row.contains("bytes") ? from_base64(row["bytes"].get<std::string>())
                                                       : row.at("text").get<std::string>(),
                        .accept = row.at("accept"),
                        .error = row.value("error", ""),
                        .message = row.value("message", "")};
        if (row.contains("base")) {
            std::string whole = cases.at(by_name.at(row["base"])).bytes;
            item.bytes = whole.replace(row.at("at"), row.at("cut"), item.bytes);
        }
        if (!by_name.emplace(item.name, cases.size()).second) throw std::runtime_error("two cases " + item.name);
        cases.push_back(std::move(item));
    }
    return cases;
}

}  // namespace rwkv::test
