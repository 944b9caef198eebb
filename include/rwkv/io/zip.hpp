#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include <rwkv/io/byte_source.hpp>
#include <rwkv/version.hpp>

namespace rwkv::inline RWKV_ABI::io {

/// A file within a ZIP archive, where its bytes lie uncompressed.
struct ZipEntry {
    std::string name;
    std::uint64_t offset = 0;  ///< of the first byte, from the start of the archive
    std::uint64_t size = 0;
    std::uint32_t crc = 0;  ///< of the bytes, as the archive says; may be 0 for "not given"
};

/// Reads the directory of a ZIP archive whose entries are stored without compression, in the order of the directory,
/// without the bytes of the entries, and checks that they lie within the file and do not overlap. Compressed, encrypted
/// and split archives are refused, and those that programs may read in two ways: a name given twice, a local header
/// that contradicts the directory, bytes after the end. Throws FormatError naming the entry, FileError.
[[nodiscard]] std::vector<ZipEntry> read_zip_directory(const ByteSource& source);

/// The bytes of an entry. Throws FormatError where they do not match its CRC, if it has one, and where there are more
/// than `max_bytes`.
[[nodiscard]] std::vector<std::byte> read_zip_entry(const ByteSource& source, const ZipEntry& entry,
                                                    std::uint64_t max_bytes);

}  // namespace rwkv::inline RWKV_ABI::io

#ifndef RWKV_COMPILED
#include <rwkv/io/zip.inl>
#endif
