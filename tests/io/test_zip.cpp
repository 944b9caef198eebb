#include <array>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "../catch.hpp"
#include "../support.hpp"
#include "memory_file.hpp"

#include <rwkv/io/byte_reader.hpp>
#include <rwkv/io/crc32.hpp>
#include <rwkv/io/file.hpp>
#include <rwkv/io/zip.hpp>

using namespace rwkv::test;
using namespace std::string_literals;
using rwkv::io::ByteReader;
using rwkv::io::read_zip_directory;
using rwkv::io::read_zip_entry;

namespace {

const std::filesystem::path archives = std::filesystem::path(RWKV_FIXTURES_DIR) / "pytorch";

/// An InputFile, but for what stands in front of it: so many bytes that nobody wrote.
class Far final : public rwkv::ByteSource {
  public:
    Far(std::uint64_t before, MemoryFile end)
        : ByteSource("file", before + end.size()), before_(before), end_(std::move(end)) {}

  private:
    std::size_t do_read(std::uint64_t offset, std::span<std::byte> out) const override {
        end_.read(offset - before_, out);
        return out.size();
    }

    std::uint64_t before_;
    MemoryFile end_;
};

std::uint32_t crc(std::string_view text) {
    return rwkv::io::crc32(std::as_bytes(std::span(text)));
}

std::string number(std::uint64_t value, int bytes) {
    std::string text;
    for (; bytes > 0; --bytes, value >>= 8U) text.push_back(static_cast<char>(value & 0xFFU));
    return text;
}

}  // namespace

TEST_CASE("bytes are read in order and never past their end", "[zip]") {
    const std::string where = "file", bytes = "\x01\x02\x03\x04\x05\x06\x07\x08\x09\xFF\xFE\xFD\xFC\xFB\xFA text"s;
    ByteReader in(std::as_bytes(std::span(bytes)), where, "part");
    CHECK(in.u64() == 0x0807060504030201);
    CHECK(in.u8() == 9);
    CHECK(in.u16() == 0xFEFF);
    CHECK(in.u32() == 0xFAFBFCFD);
    CHECK(in.position() == 15);
    CHECK(in.remaining() == 5);
    const std::string refusal = "FormatError file: part: expected 8 more bytes at byte 15, found 5";
    CHECK(outcome([&] { in.u64(); }) == refusal);
    CHECK(outcome([&] { in.take(~std::uint64_t{0}); }).ends_with("found 5"));
    CHECK(in.take(0).empty());
    CHECK(in.text(5) == " text");
    CHECK(outcome([&] { in.u8(); }) == "FormatError file: part: expected 1 more bytes at byte 20, found 0");
}

TEST_CASE("checksums are those of ZIP", "[zip]") {
    CHECK(crc("") == 0);
    CHECK(crc("123456789") == 0xCBF43926);  // the check value that catalogues of CRCs give
}

TEST_CASE("the archives PyTorch writes", "[zip]") {
    for (const char* name : {"old.pth", "new.pth", "new_without_crc.pth"}) {
        const rwkv::io::InputFile file(archives / name);
        const std::string bytes = read_all(archives / name);
        bool pickle = false;
        for (const auto& entry : read_zip_directory(file)) {
            CAPTURE(name, entry.name);
            CHECK((entry.size == 0 || entry.offset % 64 == 0));
            const auto read = read_zip_entry(file, entry, 10'000);
            CHECK(std::string(reinterpret_cast<const char*>(read.data()), read.size()) ==
                  bytes.substr(entry.offset, entry.size));
            CHECK((entry.crc == 0) == (entry.size == 0 || name == "new_without_crc.pth"s));
            if (entry.size > 0)
                CHECK(as_expected(outcome([&] { return read_zip_entry(file, entry, entry.size - 1); }),
                                  {"FormatError", "expected at most", entry.name}));
            pickle = pickle || entry.name.ends_with("/data.pkl");
        }
        CHECK(pickle);
    }
}

TEST_CASE("an archive of more than 4 GiB", "[zip]") {
    // Only the end exists: one entry of 6 bytes, 5 GiB in, whose place is in a zip64 extra field.
    constexpr std::uint64_t begin = std::uint64_t{5} << 30U;
    const std::string local = "PK\3\4" + number(20, 2) + std::string(20, '\0') + number(1, 2) + number(0, 2) + "a";
    const std::string stored =
        local.substr(0, 14) + number(crc("abcdef"), 4) + number(6, 4) + number(6, 4) + local.substr(26) + "abcdef";
    const std::string extra = number(1, 2) + number(8, 2) + number(begin, 8);
    const std::string directory = "PK\1\2" + number(20, 2) + stored.substr(4, 2) + stored.substr(6, 20) + number(1, 2) +
                                  number(extra.size(), 2) + std::string(10, '\0') + number(0xFFFFFFFF, 4) + "a" + extra;
    const std::uint64_t at = begin + stored.size();
    const std::string zip64 = "PK\6\6" + number(44, 8) + number(45, 4) + number(0, 8) + number(1, 8) + number(1, 8) +
                              number(directory.size(), 8) + number(at, 8);
    const std::string locator = "PK\6\7" + number(0, 4) + number(at + directory.size(), 8) + number(1, 4);
    const std::string end = "PK\5\6" + number(0, 4) + number(1, 2) + number(1, 2) + number(directory.size(), 4) +
                            number(0xFFFFFFFF, 4) + number(0, 2);
    const std::string whole = stored + directory + zip64 + locator + end;
    // The search for the end reads 64 KiB.
    const std::string room(70'000, '\0');
    const Far file{begin - room.size(), MemoryFile(room + whole)};
    const auto entries = read_zip_directory(file);
    REQUIRE(entries.size() == 1);
    CHECK(entries[0].offset == begin + local.size());
    CHECK(entries[0].size == 6);
    CHECK(read_zip_entry(file, entries[0], 6).size() == 6);
}

TEST_CASE("an archive ends in the longest comment, or in no more than a directory may have", "[zip]") {
    std::string bytes = read_all(archives / "new.pth");
    bytes.replace(bytes.size() - 2, 2, "\xFF\xFF");
    CHECK(read_zip_directory(MemoryFile(bytes + std::string(0xFFFF, '.'))).size() > 0);

    // Nothing but the end exists, of a directory of so many bytes.
    constexpr std::uint64_t most = 64'000'000;
    const std::string found = outcome([&] {
        (void)read_zip_directory(Far{most - 70'000 + 1, MemoryFile(std::string(70'000, '\0') + "PK\5\6" + number(0, 8) +
                                                                   number(most + 1, 4) + number(0, 6))});
    });
    CHECK(
        as_expected(found, {"FormatError", "end record: expected at most 100000 entries, found 0 in 64000001 bytes"}));
}

TEST_CASE("an archive that shrinks while it is read is an error", "[zip]") {
    const TempDir directory;
    const rwkv::io::InputFile file(directory.write("new.pth", read_all(archives / "new.pth")));
    std::filesystem::resize_file(file.name(), 100);
    CHECK(as_expected(outcome([&] { return read_zip_directory(file); }), {"FileError", "the end of the file"}));
}
