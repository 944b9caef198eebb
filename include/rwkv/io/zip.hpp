#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include <rwkv/io/byte_source.hpp>
#include <rwkv/version.hpp>

namespace rwkv::inline RWKV_ABI::io {

/// One file within a ZIP archive: where its bytes lie, uncompressed, in the archive.
struct ZipEntry {
    std::string name;
    std::uint64_t offset = 0;  ///< first byte, counted from the start of the archive
    std::uint64_t size = 0;
    std::uint32_t crc = 0;  ///< of the bytes, as the archive says; 0 also where its writer left it out
};

/// Reads the directory of a ZIP archive whose entries are stored without compression, in the directory's order, and
/// checks that they lie apart from each other within the file; their bytes are not touched. Compressed, encrypted and
/// split archives are refused, and one that can be understood in two ways: a name given twice, a local header that
/// contradicts the directory, bytes after the end. Throws FormatError naming the entry, FileError.
[[nodiscard]] std::vector<ZipEntry> read_zip_directory(const ByteSource& source);

/// An entry's bytes, held against its CRC if it has one. More than `max_bytes` are a FormatError.
[[nodiscard]] std::vector<std::byte> read_zip_entry(const ByteSource& source, const ZipEntry& entry,
                                                    std::uint64_t max_bytes);

}  // namespace rwkv::inline RWKV_ABI::io

#ifndef RWKV_COMPILED
#include <rwkv/io/zip.inl>
#endif
