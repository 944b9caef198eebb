#pragma once

#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <iterator>
#include <string>
#include <string_view>
#include <utility>

#include <rwkv/core/error.hpp>

/// Defined by each fuzz_NAME.cpp; called by libFuzzer, or by replay.cpp with what is known already.
extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size);

namespace rwkv::fuzz {

inline std::string_view text_of(const std::uint8_t* data, std::size_t size) {
    return {reinterpret_cast<const char*>(data), size};
}

/// Ends the program unless it holds.
inline void require(bool holds, const char* what) {
    if (holds) return;
    std::fprintf(stderr, "does not hold: %s\n", what);
    std::abort();
}

/// Whether the action ends without an error of the library; any other exception ends the program.
template <class Action>
bool accepts(Action&& action) {
    try {
        std::forward<Action>(action)();
        return true;
    } catch (const FileError& error) {
        require(false, error.what());  // nothing but reading where there is nothing fails so in memory
        return false;
    } catch (const Error& error) {
        require(error.what()[0] != '\0', "an error says something");
        return false;
    }
}

/// A file of tests/.
inline std::string read_file(const std::string& name) {
    std::ifstream stream(std::string(RWKV_TESTS_DIR) + "/" + name, std::ios::binary);
    require(stream.good(), name.c_str());
    return {std::istreambuf_iterator<char>(stream), {}};
}

}  // namespace rwkv::fuzz
