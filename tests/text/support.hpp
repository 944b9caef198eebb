#pragma once

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <optional>
#include <string>
#include <string_view>

#include <nlohmann/json.hpp>

#include "../catch.hpp"

#include <rwkv/error.hpp>

namespace rwkv::test {

/// A file of the shared data; nothing, with a warning in the test's output, where that is not at hand.
inline std::optional<std::filesystem::path> shared_data(const std::string& name) {
    std::filesystem::path directory;
    if (const char* variable = std::getenv("RWKV_SHARED_DATA")) directory = variable;
#ifdef RWKV_SHARED_DATA_DIR
    if (directory.empty()) directory = RWKV_SHARED_DATA_DIR;
#endif
    if (!directory.empty() && std::filesystem::exists(directory / name)) return directory / name;
    WARN("skipped: " << name << " is not at hand (set RWKV_SHARED_DATA to the folder that holds it)");
    return std::nullopt;
}

/// A file of tests/text/tokenizers.
inline std::filesystem::path tokenizer_file(const std::string& name) {
    return std::filesystem::path(RWKV_FIXTURES_DIR) / ".." / "text" / "tokenizers" / name;
}

inline std::string read_all(const std::filesystem::path& path) {
    std::ifstream stream(path, std::ios::binary);
    return {std::istreambuf_iterator<char>(stream), {}};
}

inline nlohmann::json read_json(const std::filesystem::path& path) {
    return nlohmann::json::parse(read_all(path));
}

/// How a call ended: "accepted", or the kind of rwkv::Error and its message.
template <class Action>
std::string outcome(const Action& action) {
    try {
        action();
        return "accepted";
    } catch (const FormatError& error) {
        return std::string("FormatError ") + error.what();
    } catch (const FileError& error) {
        return std::string("FileError ") + error.what();
    } catch (const ModelError& error) {
        return std::string("ModelError ") + error.what();
    } catch (const ArgumentError& error) {
        return std::string("ArgumentError ") + error.what();
    }
}

}  // namespace rwkv::test
