#include <cstddef>
#include <cstdint>
#include <limits>
#include <memory>
#include <new>
#include <span>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

#include "../archive.hpp"
#include "../catch.hpp"

#include <rwkv/io/byte_source.hpp>

using namespace rwkv::test;
using rwkv::ByteSource;
using rwkv::MemorySource;

namespace {

std::string read(const ByteSource& source, std::uint64_t offset, std::size_t size) {
    std::string text(size, '?');
    source.read(offset, std::as_writable_bytes(std::span(text)));
    return text;
}

/// How reading all ten bytes of a file ends, given what becomes of each read.
std::string after(Archive::OnRead on_read) {
    Archive archive(std::move(on_read));
    archive.add("ten", "0123456789");
    std::string text;
    const std::string found = outcome([&] { text = read(*archive.open("ten"), 0, 10); });
    if (found == "accepted") CHECK(text == "0123456789");
    return found;
}

}  // namespace

TEST_CASE("bytes in memory are read within their size", "[source]") {
    const MemorySource source("memory", "0123456789");
    CHECK(source.name() == "memory");
    CHECK(source.size() == 10);
    CHECK(read(source, 0, 10) == "0123456789");
    CHECK(read(source, 3, 4) == "3456");
    CHECK(read(source, 10, 0).empty());
    constexpr auto last = std::numeric_limits<std::uint64_t>::max();
    for (const auto& [offset, size] :
         std::vector<std::pair<std::uint64_t, std::size_t>>{{0, 11}, {9, 2}, {10, 1}, {11, 0}, {last, 1}, {last, 2}}) {
        const std::string found = outcome([&, at = offset, count = size] { read(source, at, count); });
        CAPTURE(offset, size, found);
        CHECK(found.starts_with("FileError memory: expected "));
    }
    CHECK(as_expected(outcome([&] { read(source, 8, 5); }),
                      {"at least 13 bytes, found the end of the file at or before byte 10"}));
    CHECK(rwkv::io::read_text(source, 10) == "0123456789");
    CHECK(outcome([&] { return rwkv::io::read_text(source, 9); }) ==
          "FormatError memory: expected at most 9 bytes, found 10");
    CHECK(rwkv::io::read_text(MemorySource("empty", ""), 0).empty());
}

TEST_CASE("bytes in memory are mapped where they lie, and kept by their owner", "[source]") {
    auto bytes = std::make_shared<const std::string>("0123456789");
    const std::weak_ptr<const std::string> kept = bytes;
    auto source = std::make_shared<const MemorySource>("memory", *bytes, bytes);
    const char* const place = bytes->data();
    bytes.reset();
    auto mapped = source->map(4, 3);
    CHECK(reinterpret_cast<const char*>(mapped.get()) == place + 4);
    source.reset();
    REQUIRE_FALSE(kept.expired());
    CHECK(mapped[2] == std::byte{'6'});
    mapped.reset();
    CHECK(kept.expired());

    const std::string own = "0123456789";
    const MemorySource borrowed("memory", own);
    CHECK(reinterpret_cast<const char*>(borrowed.map(0, 10).get()) == own.data());
    constexpr auto last = std::numeric_limits<std::size_t>::max();
    for (const auto& [offset, size] :
         std::vector<std::pair<std::uint64_t, std::size_t>>{{0, 0}, {5, 0}, {0, 11}, {10, 1}, {last, 1}, {1, last}})
        CHECK(outcome([&, at = offset, count = size] {
                  return borrowed.map(at, count);
              }).starts_with("FileError memory: expected at least "));
    Archive archive;
    archive.add("file", "bytes");
    CHECK(archive.open("file")->map(0, 5) == nullptr);  // has to be read
}

TEST_CASE("a source may read a part of what is asked for, and the rest is asked for", "[source]") {
    for (const std::size_t most : {1U, 2U, 3U, 9U, 10U})
        CHECK(after([&](std::size_t, std::size_t bytes) { return std::min(most, bytes); }) == "accepted");
}

TEST_CASE("what goes wrong in a source is an error that names it", "[source]") {
    // Each at the third read of two bytes, so at byte 4.
    const auto third = [](auto fail) {
        return after([fail](std::size_t number, std::size_t) -> std::size_t { return number < 2 ? 2 : fail(); });
    };
    CHECK(third([]() -> std::size_t { return 0; }) ==
          "FileError archive/ten: expected at least 10 bytes, found the end of the file at or before byte 4");
    CHECK(third([]() -> std::size_t { return 7; }) ==
          "FileError archive/ten: expected at most 6 bytes read at byte 4, found 7");
    CHECK(third([]() -> std::size_t { throw std::runtime_error("the card was pulled out"); }) ==
          "FileError cannot read archive/ten at byte 4: the card was pulled out");
    CHECK(third([]() -> std::size_t { throw 7; }) == "FileError cannot read archive/ten at byte 4: an exception");
    CHECK(third([]() -> std::size_t { throw rwkv::ModelError("here", "the key is wrong"); }) ==
          "ModelError the key is wrong");
    CHECK_THROWS_AS(third([]() -> std::size_t { throw std::bad_alloc(); }), std::bad_alloc);

    try {
        Archive archive([](std::size_t, std::size_t) -> std::size_t { throw std::runtime_error("reason"); });
        archive.add("file", "bytes");
        read(*archive.open("file"), 0, 5);
        FAIL("accepted");
    } catch (const rwkv::FileError& error) {
        CHECK(error.where() == "archive/file");
        CHECK(error.found() == "reason");
    }
}

TEST_CASE("files in memory by their names", "[source]") {
    rwkv::MemoryFiles files("pack");
    CHECK(files.names().empty());
    CHECK_FALSE(files.contains("a"));
    CHECK(files.open("a") == nullptr);
    files.add("a", "first");
    files.add("b", std::make_shared<const MemorySource>("b of a database", "bytes"));
    CHECK(files.names() == std::vector<std::string>{"a", "b"});
    CHECK(files.contains("a"));
    CHECK(files.open("a")->name() == "pack/a");
    CHECK(files.open("b")->name() == "b of a database");
    files.add("a", "second");
    CHECK(files.names().size() == 2);
    CHECK(rwkv::io::read_text(*files.open("a"), 9) == "second");
    CHECK(rwkv::MemoryFiles("").name_of("config.json") == "config.json");
}
