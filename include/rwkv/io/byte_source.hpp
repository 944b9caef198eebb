#pragma once

#include <concepts>
#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <span>

#include <rwkv/version.hpp>

namespace rwkv::inline RWKV_ABI::io {

/// What has a length and gives the bytes at any place, or throws: an InputFile, or, in tests, bytes in memory under the
/// name of a file.
template <class T>
concept ByteSource = requires(const T& source, std::uint64_t offset, std::span<std::byte> out) {
    { source.size() } -> std::convertible_to<std::uint64_t>;
    { source.path() } -> std::convertible_to<const std::filesystem::path&>;
    source.read(offset, out);
};

}  // namespace rwkv::inline RWKV_ABI::io
