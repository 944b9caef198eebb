#pragma once

#include <algorithm>
#include <cstddef>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <rwkv/core/checked.hpp>
#include <rwkv/core/error.hpp>
#include <rwkv/core/inline.hpp>
#include <rwkv/core/message.hpp>
#include <rwkv/io/byte_reader.hpp>
#include <rwkv/io/file_kind.hpp>
#include <rwkv/io/zip_end.hpp>
#include <rwkv/version.hpp>

namespace rwkv::inline RWKV_ABI::io {

namespace detail {

/// Reads the records at the end of an archive.
class ZipEndReader {
  public:
    explicit ZipEndReader(const ByteSource& source) : source_(source), where_(source.name()), size_(source.size()) {}

    /// What the end record says, or the zip64 record where there is one. The directory and the records must be
    /// contiguous, since other programs might look for the directory elsewhere otherwise.
    ZipDirectory read() const {
        const std::uint64_t tail = std::min<std::uint64_t>(size_, end_size + 0xFFFF);
        const std::vector<std::byte> bytes = bytes_at(source_, size_ - tail, tail);
        const auto is_end = [&](std::size_t at) {
            ByteReader end{std::span(bytes).subspan(at), where_, "end record"};
            if (end.u32() != end_mark) return false;
            end.take(16);
            return end.u16() == end.remaining();  // the length of a comment
        };
        std::size_t at = bytes.size() < end_size ? 0 : bytes.size() - end_size + 1;
        while (at > 0 && !is_end(at - 1)) --at;
        if (at == 0) not_a_zip();
        const std::uint64_t end_at = size_ - tail + --at;

        ByteReader end{std::span(bytes).subspan(at + 4), where_, "end record"};
        const std::uint16_t disk = end.u16(), first_disk = end.u16(), entries_here = end.u16(), entries = end.u16();
        const std::uint32_t directory_size = end.u32(), offset = end.u32();
        const auto located = find_end64(end_at);
        if (!located) {
            one_disk(disk, first_disk, entries_here == entries);
            if (entries == 0xFFFF || directory_size == in_zip64 || offset == in_zip64)
                fail({"end record"}, {"a zip64 record beside it, where numbers are left out"}, {"none"});
            return checked({offset, directory_size, entries}, end_at);
        }
        ByteReader end64(located->second, where_, "zip64 end record");
        if (end64.u32() != end64_mark) fail({"zip64 end record"}, {"its mark"}, {"other bytes"});
        const auto length = core::checked_add(end64.u64(), 12);
        if (!length || *length != end_at - locator_size - located->first)
            fail({"zip64 end record"}, {"a record that ends where its locator begins"}, {"another length"});
        end64.take(4);  // versions
        const std::uint32_t disk64 = end64.u32(), first_disk64 = end64.u32();
        const std::uint64_t entries_here64 = end64.u64(), entries64 = end64.u64();
        const std::uint64_t directory_size64 = end64.u64(), offset64 = end64.u64();
        one_disk(disk64, first_disk64, entries_here64 == entries64);
        const auto same = [](std::uint64_t number, std::uint64_t number64, std::uint64_t left_out) {
            return number == number64 || number == left_out;
        };
        if (!same(entries, entries64, 0xFFFF) || !same(entries_here, entries64, 0xFFFF) ||
            !same(directory_size, directory_size64, in_zip64) || !same(offset, offset64, in_zip64))
            fail({"end record"}, {"the numbers of the zip64 record"}, {"others"});
        return checked({offset64, directory_size64, entries64}, located->first);
    }

  private:
    static constexpr std::uint32_t end_mark = 0x06054B50, end64_mark = 0x06064B50, locator_mark = 0x07064B50;
    static constexpr std::uint64_t end_size = 22, locator_size = 20, end64_size = 56;
    static constexpr std::uint32_t in_zip64 = 0xFFFFFFFF;  // stands for a number that is in the zip64 record

    /// The place and the bytes of the zip64 record, if a locator points to one.
    std::optional<std::pair<std::uint64_t, std::vector<std::byte>>> find_end64(std::uint64_t end_at) const {
        if (end_at < locator_size) return std::nullopt;
        const std::vector<std::byte> bytes = bytes_at(source_, end_at - locator_size, locator_size);
        ByteReader locator(bytes, where_, "zip64 locator");
        if (locator.u32() != locator_mark) return std::nullopt;
        const std::uint32_t disk = locator.u32();
        const std::uint64_t offset = locator.u64();
        one_disk(disk, 0, locator.u32() <= 1);
        const std::uint64_t room = end_at - locator_size;
        if (offset > room || room - offset < end64_size)
            fail({"zip64 locator"}, {"a record before it, of ", end64_size, " bytes"}, {"one at byte ", offset});
        return std::pair(offset, bytes_at(source_, offset, end64_size));
    }

    ZipDirectory checked(ZipDirectory directory, std::uint64_t end) const {
        const auto directory_end = core::checked_add(directory.offset, directory.size);
        if (!directory_end || *directory_end != end)
            fail({"end record"}, {"a directory that ends where the end records begin, at ", end},
                 {"one of ", directory.size, " bytes at ", directory.offset});
        if (directory.size > max_zip_directory || directory.entries > max_zip_entries)
            fail({"end record"}, {"at most ", max_zip_entries, " entries"},
                 {directory.entries, " in ", directory.size, " bytes"});
        if (directory.entries > directory.size / zip_entry_size)
            fail({"end record"}, {"as many entries as there is room for"}, {directory.entries});
        return directory;
    }

    void one_disk(std::uint64_t disk, std::uint64_t first_disk, bool all_entries) const {
        if (disk != 0 || first_disk != 0 || !all_entries)
            fail({"end record"}, {"an archive in one piece"}, {"a part of one in several"});
    }

    [[noreturn]] void not_a_zip() const {
        const std::vector<std::byte> bytes = bytes_at(source_, 0, std::min<std::uint64_t>(size_, 64));
        const std::string_view first = ByteReader(bytes, where_, "").text(bytes.size());
        const std::string_view kind = file_kind(first);
        if (first.starts_with("PK\x03\x04"))
            core::fail<FormatError>(where_, {}, {"a ZIP archive with its end record"},
                                    {"none: a file cut short, or followed by other bytes"});
        core::fail<FormatError>(where_, {}, {"a PyTorch file (a ZIP archive)"},
                                {!kind.empty() ? kind
                                 : size_ == 0  ? "an empty file"
                                               : "something else"});
    }

    [[noreturn]] void fail(core::MessageParts subject, core::MessageParts expected, core::MessageParts found) const {
        core::fail<FormatError>(where_, subject, expected, found);
    }

    const ByteSource& source_;
    std::string where_;
    std::uint64_t size_;
};

}  // namespace detail

RWKV_INLINE ZipDirectory find_zip_directory(const ByteSource& source) {
    return detail::ZipEndReader(source).read();
}

}  // namespace rwkv::inline RWKV_ABI::io
