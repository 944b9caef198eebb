#pragma once

#include <algorithm>
#include <optional>
#include <set>
#include <span>
#include <string_view>
#include <utility>

#include <rwkv/core/checked.hpp>
#include <rwkv/core/error.hpp>
#include <rwkv/core/inline.hpp>
#include <rwkv/core/message.hpp>
#include <rwkv/core/quote.hpp>
#include <rwkv/core/sort.hpp>
#include <rwkv/io/byte_reader.hpp>
#include <rwkv/io/crc32.hpp>
#include <rwkv/io/zip.hpp>
#include <rwkv/io/zip_end.hpp>
#include <rwkv/version.hpp>

namespace rwkv::inline RWKV_ABI::io {

namespace detail {

/// Reads the directory of one archive, and the local header before the bytes of each entry, which says where they
/// begin. The two must agree: some programs believe the one and some the other.
class ZipDirectoryReader {
  public:
    explicit ZipDirectoryReader(const ByteSource& source) : source_(source), where_(source.name()) {}

    std::vector<ZipEntry> read() const {
        const ZipDirectory directory = find_zip_directory(source_);
        std::vector<Found> found = read_directory(directory);
        std::set<std::string_view> names;
        for (Found& entry : found) {
            if (!names.insert(entry.name).second) fail(entry.name, {"one entry of that name"}, {"a second"});
            place(entry, directory.offset);
        }
        check_layout(found);
        std::vector<ZipEntry> entries;
        entries.reserve(found.size());
        for (Found& entry : found) entries.push_back(std::move(entry));
        return entries;
    }

  private:
    static constexpr std::uint32_t entry_mark = 0x02014B50, local_mark = 0x04034B50;
    static constexpr std::uint64_t local_size = 30;
    static constexpr std::uint32_t in_zip64 = 0xFFFFFFFF;  // stands for a number that is in an extra field

    struct Found : ZipEntry {
        std::uint64_t header = 0;  // where its local header lies
        std::uint16_t flags = 0;
    };

    std::vector<Found> read_directory(const ZipDirectory& directory) const {
        const std::vector<std::byte> bytes = bytes_at(source_, directory.offset, directory.size);
        ByteReader reader(bytes, where_, "directory");
        std::vector<Found> found;
        found.reserve(static_cast<std::size_t>(directory.entries));
        for (std::uint64_t i = 0; i < directory.entries; ++i) found.push_back(read_entry(reader));
        if (reader.remaining() > 0)
            fail_directory({"it to end after ", directory.entries, " entries, as the end record says"},
                           {reader.remaining(), " bytes more"});
        return found;
    }

    Found read_entry(ByteReader& reader) const {
        if (reader.u32() != entry_mark) fail_directory({"the mark of an entry"}, {"other bytes"});
        reader.take(4);  // versions
        Found entry;
        entry.flags = reader.u16();
        const std::uint16_t method = reader.u16();
        reader.take(4);  // date and time
        entry.crc = reader.u32();
        const std::uint32_t compressed = reader.u32(), size = reader.u32();
        const std::uint16_t name_length = reader.u16(), extra_length = reader.u16(), comment_length = reader.u16();
        const std::uint16_t disk = reader.u16();
        reader.take(6);  // attributes
        const std::uint32_t header = reader.u32();
        entry.name = reader.text(name_length);
        const auto extra = reader.take(extra_length);
        reader.take(comment_length);

        check_name(entry.name);
        check_storage(entry, method);
        if (disk != 0) fail(entry.name, {"an archive in one piece"}, {"an entry on another disk"});
        const auto [size64, compressed64, header64] = full_numbers(entry.name, extra, size, compressed, header);
        if (size64 != compressed64)
            fail(entry.name, {"as many bytes stored as it has"}, {compressed64, " for ", size64});
        entry.size = size64;
        entry.header = header64;
        return entry;
    }

    struct Numbers {
        std::uint64_t size, compressed, header;
    };

    /// The three numbers; those that the entry leaves out are in the zip64 extra field.
    Numbers full_numbers(const std::string& name, std::span<const std::byte> extra, std::uint64_t size,
                         std::uint64_t compressed, std::uint64_t header) const {
        std::optional<std::span<const std::byte>> zip64;
        for (ByteReader fields(extra, where_, "extra fields"); fields.remaining() > 0;) {
            const std::uint16_t id = fields.u16();
            const auto field = fields.take(fields.u16());
            if (id == 1 && zip64) fail(name, {"one zip64 extra field"}, {"a second"});
            if (id == 1) zip64 = field;
        }
        ByteReader reader(zip64.value_or(std::span<const std::byte>()), where_, "zip64 extra field");
        for (std::uint64_t* number : {&size, &compressed, &header})
            if (*number == in_zip64) *number = reader.u64();
        return {size, compressed, header};
    }

    /// No name is used as a path here, but one that is no plain path was made to attack a program that does.
    void check_name(std::string_view name) const {
        const auto odd = [](char c) {
            const auto byte = static_cast<unsigned char>(c);
            return byte < 0x20 || byte == 0x7F || c == '\\';
        };
        bool plain = !name.empty() && std::none_of(name.begin(), name.end(), odd);
        for (std::string_view rest = name; plain && !rest.empty();) {
            const std::string_view part = rest.substr(0, rest.find('/'));
            plain = !part.empty() && part != "." && part != "..";
            rest.remove_prefix((std::min)(rest.size(), part.size() + 1));
        }
        if (!plain) fail(name, {"a relative path of plain names"}, {"this one"});
    }

    void check_storage(const Found& entry, std::uint16_t method) const {
        constexpr unsigned encrypted = 1U | 1U << 6U | 1U << 13U, patch = 1U << 5U;
        if (entry.flags & encrypted) fail(entry.name, {"an entry that is not encrypted"}, {"an encrypted one"});
        if (method != 0)
            fail(entry.name, {"an entry stored without compression, as PyTorch writes it"},
                 {method == 8 ? "a deflated one (a TorchScript program, or an archive packed again)"
                              : "one compressed by method " + std::to_string(method)});
        if (entry.flags & patch) fail(entry.name, {"an entry that is stored whole"}, {"a patch"});
    }

    /// Sets where the bytes of the entry lie.
    void place(Found& entry, std::uint64_t directory_offset) const {
        const std::uint64_t header_size = local_size + entry.name.size();
        if (entry.header > directory_offset || directory_offset - entry.header < header_size)
            fail(entry.name, {"a local header before the directory"}, {"one at byte ", entry.header});
        const std::vector<std::byte> bytes = bytes_at(source_, entry.header, header_size);
        ByteReader local(bytes, where_, "local header");
        if (local.u32() != local_mark) fail(entry.name, {"a local header at byte ", entry.header}, {"other bytes"});
        local.take(2);  // version
        const std::uint16_t flags = local.u16(), method = local.u16();
        local.take(4);  // date and time
        const std::uint32_t crc = local.u32(), compressed = local.u32(), size = local.u32();
        const std::uint16_t name_length = local.u16(), extra_length = local.u16();
        if (name_length != entry.name.size() || local.text(name_length) != entry.name)
            fail(entry.name, {"the same name in its local header"}, {"another"});
        // With bit 3 the numbers follow the bytes, and are 0 in the header.
        const bool later = (flags & 8U) != 0;
        const auto agrees = [&](std::uint32_t number, std::uint64_t wanted) {
            return number == wanted || (later && number == 0);
        };
        if (flags != entry.flags || method != 0 || !agrees(crc, entry.crc) ||
            (!agrees(size, entry.size) && size != in_zip64) ||
            (!agrees(compressed, entry.size) && compressed != in_zip64))
            fail(entry.name, {"the same flags, method, size and CRC in its local header"}, {"others"});
        entry.offset = entry.header + header_size + extra_length;  // of numbers within the file, so it fits
        const auto end = core::checked_add(entry.offset, entry.size);
        if (!end || *end > directory_offset)
            fail(entry.name, {"its ", entry.size, " bytes before the directory"},
                 {"them to begin at byte ", entry.offset});
    }

    void check_layout(const std::vector<Found>& entries) const {
        const Found* before = nullptr;
        for (const std::size_t i : core::sorted_positions(
                 entries.size(), [&](std::size_t a, std::size_t b) { return entries[a].header < entries[b].header; })) {
            const Found& entry = entries[i];
            if (before && entry.header < before->offset + before->size)
                fail(entry.name, {"an entry with bytes of its own"}, {"an overlap with ", core::Quoted{before->name}});
            before = &entry;
        }
    }

    [[noreturn]] void fail(std::string_view name, core::MessageParts expected, core::MessageParts found) const {
        core::fail<FormatError>(where_, {"entry ", core::Quoted{name}}, expected, found);
    }

    [[noreturn]] void fail_directory(core::MessageParts expected, core::MessageParts found) const {
        core::fail<FormatError>(where_, {"directory"}, expected, found);
    }

    const ByteSource& source_;
    std::string where_;
};

}  // namespace detail

RWKV_INLINE std::vector<ZipEntry> read_zip_directory(const ByteSource& source) {
    return detail::ZipDirectoryReader(source).read();
}

RWKV_INLINE std::vector<std::byte> read_zip_entry(const ByteSource& source, const ZipEntry& entry,
                                                  std::uint64_t max_bytes) {
    const auto fail = [&](core::MessageParts expected, core::MessageParts found) {
        core::fail<FormatError>(source.name(), {"entry ", core::Quoted{entry.name}}, expected, found);
    };
    if (entry.size > max_bytes) fail({"at most ", max_bytes, " bytes"}, {entry.size});
    std::vector<std::byte> bytes = bytes_at(source, entry.offset, entry.size);
    if (entry.crc != 0 && crc32(bytes) != entry.crc) fail({"bytes with the CRC that the archive says"}, {"others"});
    return bytes;
}

}  // namespace rwkv::inline RWKV_ABI::io
