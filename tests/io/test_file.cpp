#include <atomic>
#include <cstddef>
#include <filesystem>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "../catch.hpp"
#include "../support.hpp"
#include "file_text.hpp"

#include <rwkv/io/file.hpp>

using namespace rwkv::test;
using rwkv::io::InputFile;
using rwkv::io::OutputFile;

namespace fs = std::filesystem;

TEST_CASE("reading parts of a file", "[file]") {
    const TempDir directory;
    const auto path = directory.write("naïve name.bin", "0123456789");
    InputFile file(path);
    CHECK(file.size() == 10);
    CHECK(file.name() == path.string());
    CHECK(file.modified() > 1'500'000'000);
    CHECK(read(file, 0, 10) == "0123456789");
    CHECK(read(file, 3, 4) == "3456");
    CHECK(read(file, 10, 0).empty());
    const InputFile moved = std::move(file);
    CHECK(read(moved, 9, 1) == "9");

    for (const auto& range : std::vector<std::pair<std::uint64_t, std::size_t>>{
             {0, 11}, {9, 2}, {10, 1}, {1'000'000, 1}, {~0ULL, 1}, {~0ULL, 2}, {1ULL << 63U, 1}}) {
        const std::string found = outcome([&] { read(moved, range.first, range.second); });
        INFO(found);
        CHECK(found.starts_with("FileError " + path.string() + ": expected "));
    }
    CHECK(as_expected(outcome([&] { read(moved, 8, 5); }),
                      {"at least 13 bytes, found the end of the file at or before byte 10"}));

    fs::resize_file(path, 5);
    CHECK(as_expected(outcome([&] { read(moved, 0, 10); }), {"FileError", "end of the file at or before byte 5"}));
    fs::resize_file(path, 0);
    CHECK(InputFile(path).size() == 0);
}

TEST_CASE("reading a file from several threads", "[file]") {
    const TempDir directory;
    std::string text;
    for (int i = 0; i < 100'000; ++i) text += std::to_string(i);
    const InputFile file(directory.write("f", text));
    std::atomic<int> wrong{0};
    in_threads(8, [&](std::size_t thread) {
        for (std::size_t i = 0; i < 200; ++i) {
            const std::size_t offset = (thread * 7919 + i * 2741) % (text.size() - 3000);
            if (read(file, offset, 3000) != text.substr(offset, 3000)) ++wrong;
        }
    });
    CHECK(wrong == 0);
}

TEST_CASE("mapping parts of a file", "[file]") {
    const TempDir directory;
    std::string text;
    for (int i = 0; i < 5000; ++i) text += std::to_string(i);
    const auto path = directory.write("f", text);
    auto file = std::make_optional<InputFile>(path);
    const auto mapped = [&](std::uint64_t offset, std::size_t size) {
        const auto bytes = file->map(offset, size);
        return std::string(reinterpret_cast<const char*>(bytes.get()), size);
    };
    for (const std::size_t offset : {0U, 1U, 4095U, 4096U, 4097U, 8192U, 12345U})
        for (const std::size_t size : {1U, 2U, 4096U, 5001U}) CHECK(mapped(offset, size) == text.substr(offset, size));
    CHECK(mapped(0, text.size()) == text);
    CHECK(mapped(text.size() - 1, 1) == text.substr(text.size() - 1));

    for (const auto& range : std::vector<std::pair<std::uint64_t, std::size_t>>{{0, 0},
                                                                                {5, 0},
                                                                                {0, text.size() + 1},
                                                                                {text.size(), 1},
                                                                                {1, text.size()},
                                                                                {~0ULL, 1},
                                                                                {~0ULL, 2},
                                                                                {1, ~0ULL}}) {
        const std::string found = outcome([&] { return file->map(range.first, range.second); });
        INFO(found);
        CHECK(found.starts_with("FileError " + path.string() + ": expected at least "));
    }
    CHECK(outcome([&] { return InputFile(directory.write("empty", "")).map(0, 1); }).starts_with("FileError"));

    // Neither the object, nor the descriptor, nor the name is needed any longer.
    const auto part = file->map(4000, 9000);
    const auto alias = std::shared_ptr<const std::byte[]>(part, part.get() + 500);
    file.reset();
    fs::remove(path);
    CHECK(std::string(reinterpret_cast<const char*>(part.get()), 9000) == text.substr(4000, 9000));
    CHECK(std::string(reinterpret_cast<const char*>(alias.get()), 8500) == text.substr(4500, 8500));
}

TEST_CASE("reading a text file", "[file]") {
    const TempDir directory;
    const auto path = directory.write("t", "12345");
    CHECK(rwkv::io::read_text(path, 5) == "12345");
    CHECK(as_expected(outcome([&] { return rwkv::io::read_text(path, 4); }),
                      {"FormatError " + path.string(), "expected at most 4 bytes, found 5"}));
    CHECK(rwkv::io::read_text(directory.write("empty", ""), 0).empty());
    CHECK(outcome([&] { return rwkv::io::read_text(directory.path(), 9); }).starts_with("FileError"));
}

TEST_CASE("a written file appears only when it is committed", "[file]") {
    const TempDir directory;
    const auto path = directory.path() / "out";
    {
        OutputFile file(path);
        CHECK(file.path() == path);
        write(file, "part");
        CHECK_FALSE(fs::exists(path));
        CHECK(directory.count() == 1);
    }
    CHECK(directory.count() == 0);  // given up: nothing stays

    OutputFile file(path);
    write(file, "one ");
    write(file, "");
    write(file, "two");
    file.commit();
    CHECK(read_all(path) == "one two");
    CHECK(directory.count() == 1);
    CHECK(outcome([&] { write(file, "x"); }).starts_with("FileError"));
    CHECK(outcome([&] { file.commit(); }).starts_with("FileError"));
    CHECK(read_all(path) == "one two");
}

TEST_CASE("an old file is replaced whole or not at all", "[file]") {
    const TempDir directory;
    const auto path = directory.write("out", "old");
    {
        OutputFile file(path);
        write(file, "new");
    }
    CHECK(read_all(path) == "old");
#if !defined(_WIN32)  // which replaces no file that is open
    const InputFile reader(path);
#endif
    {
        OutputFile first(path);
        OutputFile second(path);  // two at once do not meet
        write(first, "first");
        write(second, "second");
        OutputFile moved = std::move(second);
        OutputFile assigned(directory.path() / "other");
        assigned = std::move(moved);
        first.commit();
        CHECK(read_all(path) == "first");
        assigned.commit();
    }
    CHECK(read_all(path) == "second");
#if !defined(_WIN32)
    CHECK(read(reader, 0, 3) == "old");  // who had it open keeps it
#endif
    CHECK(directory.count() == 1);
}
