#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>

#include <rwkv/io/file.hpp>

namespace rwkv::test {

/// So many bytes of a file, as text.
inline std::string read(const io::InputFile& file, std::uint64_t offset, std::size_t size) {
    std::string text(size, '?');
    file.read(offset, std::as_writable_bytes(std::span(text)));
    return text;
}

inline void write(io::OutputFile& file, const std::string& text) {
    file.write(std::as_bytes(std::span(text)));
}

}  // namespace rwkv::test
