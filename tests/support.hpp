#pragma once

#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <optional>
#include <random>
#include <span>
#include <string>
#include <string_view>
#include <thread>
#include <utility>
#include <vector>

#include <rwkv/core/error.hpp>

#include "catch.hpp"

namespace rwkv::test {

/// Calls body(i) for each i in [0, count), all at once, each on a thread of its own. (libc++ 19 has no std::jthread.)
template <class Body>
void in_threads(std::size_t count, Body&& body) {
    std::vector<std::thread> threads;
    for (std::size_t i = 0; i < count; ++i) threads.emplace_back([&body, i] { body(i); });
    for (std::thread& thread : threads) thread.join();
}

/// A new empty directory, removed with all it holds at the end.
class TempDir {
  public:
    TempDir() {
        std::random_device random;
        do path_ = std::filesystem::temp_directory_path() / ("rwkv-test-" + std::to_string(random()));
        while (!std::filesystem::create_directory(path_));
    }
    TempDir(const TempDir&) = delete;
    TempDir& operator=(const TempDir&) = delete;
    ~TempDir() {
        std::error_code ignored;
        std::filesystem::remove_all(path_, ignored);
    }

    const std::filesystem::path& path() const { return path_; }

    /// Writes a file of that name and returns its path.
    std::filesystem::path write(const std::string& name, std::string_view bytes) const {
        const auto file = path_ / name;
        std::ofstream(file, std::ios::binary).write(bytes.data(), static_cast<std::streamsize>(bytes.size()));
        return file;
    }

    /// How many entries the directory has.
    std::size_t count() const {
        std::size_t result = 0;
        for ([[maybe_unused]] const auto& entry : std::filesystem::directory_iterator(path_)) ++result;
        return result;
    }

  private:
    std::filesystem::path path_;
};

inline std::string read_all(const std::filesystem::path& path) {
    std::ifstream stream(path, std::ios::binary);
    return {std::istreambuf_iterator<char>(stream), {}};
}

/// How a call ended: "accepted", or the kind of rwkv::Error and its message. Anything else thrown goes on up.
template <class Action>
std::string outcome(Action&& action) {
    try {
        std::forward<Action>(action)();
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

/// One row of a table: an input and what its outcome must hold ("accepted", "FormatError", a part of the
/// message).
struct Case {
    std::string name;
    std::string input;
    std::vector<std::string> expected;
};

/// Whether the outcome holds every part expected of it.
inline bool as_expected(const std::string& found, const std::vector<std::string>& expected) {
    for (const std::string& part : expected)
        if (found.find(part) == found.npos) return false;
    return !expected.empty();
}

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

inline std::string repeat(std::string_view text, std::size_t times) {
    std::string result;
    result.reserve(text.size() * times);
    for (std::size_t i = 0; i < times; ++i) result += text;
    return result;
}

}  // namespace rwkv::test
