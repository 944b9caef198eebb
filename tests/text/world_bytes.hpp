#pragma once

#include <cstddef>
#include <string>

namespace rwkv::test {

/// The least World vocabulary: a line for every byte, whose id is the byte and one.
inline std::string world_bytes() {
    constexpr const char* hex = "0123456789abcdef";
    std::string file;
    for (std::size_t byte = 0; byte < 256; ++byte)
        file += std::to_string(byte + 1) + " b'\\x" + hex[byte / 16] + hex[byte % 16] + "' 1\n";
    return file;
}

}  // namespace rwkv::test
