#pragma once

#include <cstdint>

#include <rwkv/io/byte_source.hpp>
#include <rwkv/version.hpp>

namespace rwkv::inline RWKV_ABI::io {

/// The place of the directory of a ZIP archive, in bytes, and its number of entries.
struct ZipDirectory {
    std::uint64_t offset = 0;
    std::uint64_t size = 0;
    std::uint64_t entries = 0;
};

/// The maximum size of a directory that is read, in bytes, and its maximum number of entries.
inline constexpr std::uint64_t max_zip_directory = 64'000'000;
inline constexpr std::uint64_t max_zip_entries = 100'000;

/// The size of a directory entry without its name, extra fields and comment, in bytes.
inline constexpr std::uint64_t zip_entry_size = 46;

/// Finds the directory of a ZIP archive by the records at its end, zip64 or not. Throws FormatError where there are
/// none (naming the kind of file it is instead), where they contradict each other, and where the directory does not
/// end where they begin, since other programs might then look for it elsewhere.
[[nodiscard]] ZipDirectory find_zip_directory(const ByteSource& source);

}  // namespace rwkv::inline RWKV_ABI::io

#ifndef RWKV_COMPILED
#include <rwkv/io/zip_end.inl>
#endif
