#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include <rwkv/io/safetensors.hpp>

namespace rwkv::test {

/// 8 bytes, least significant first.
inline std::string little_endian(std::uint64_t number) {
    std::string bytes;
    for (int i = 0; i < 8; ++i, number >>= 8U) bytes.push_back(static_cast<char>(number & 0xFFU));
    return bytes;
}

/// So many zero bytes.
inline std::string z(std::size_t count) {
    return std::string(count, '\0');
}

/// A file whose length field says `length`.
inline std::string file_with_length(const std::string& header, const std::string& data, std::uint64_t length) {
    return little_endian(length) + header + data;
}

/// A file of this header and data.
inline std::string file_of(const std::string& header, const std::string& data = "") {
    return file_with_length(header, data, header.size());
}

/// A header entry; shape and offsets as text, so that they can be wrong.
inline std::string entry(const std::string& dtype, const std::string& shape, const std::string& offsets) {
    return R"({"dtype":")" + dtype + R"(","shape":)" + shape + R"(,"data_offsets":)" + offsets + "}";
}

/// The header with one tensor "t".
inline std::string header_of(const std::string& value) {
    return R"({"t":)" + value + "}";
}

/// A file with one tensor "t" of these properties and so many zero bytes.
inline std::string file_of_entry(const std::string& dtype, const std::string& shape, const std::string& offsets,
                                 std::size_t data_size) {
    return file_of(header_of(entry(dtype, shape, offsets)), z(data_size));
}

/// Reads a whole file held in memory, as `read_safetensors_header` does one on disk.
inline io::SafetensorsHeader parse(std::string_view file) {
    const auto length = io::safetensors_header_length(file.substr(0, 64), file.size(), "file");
    return io::parse_safetensors_header(file.substr(8, static_cast<std::size_t>(length)), file.size(), "file");
}

}  // namespace rwkv::test
