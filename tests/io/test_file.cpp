#include <atomic>
#include <cstddef>
#include <filesystem>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>
#include <csignal>

#include "../catch.hpp"
#include "../support.hpp"

#include <rwkv/io/file.hpp>

using namespace rwkv::test;
using rwkv::io::InputFile;
using rwkv::io::OutputFile;

namespace fs = std::filesystem;

namespace {

std::string read(const InputFile& file, std::uint64_t offset, std::size_t size) {
    std::string text(size, '?');
    file.read(offset, std::as_writable_bytes(std::span(text)));
    return text;
}

void write(OutputFile& file, const std::string& text) {
    file.write(std::as_bytes(std::span(text)));
}

}  // namespace

TEST_CASE("reading parts of a file", "[file]") {
    const TempDir directory;
    const auto path = directory.write("naïve name.bin", "0123456789");
    InputFile file(path);
    CHECK(file.size() == 10);
    CHECK(file.path() == path);
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
    std::vector<std::jthread> threads;
    for (std::size_t thread = 0; thread < 8; ++thread)
        threads.emplace_back([&, thread] {
            for (std::size_t i = 0; i < 200; ++i) {
                const std::size_t offset = (thread * 7919 + i * 2741) % (text.size() - 3000);
                if (read(file, offset, 3000) != text.substr(offset, 3000)) ++wrong;
            }
        });
    threads.clear();
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
        const std::string found = outcome([&] { file->map(range.first, range.second); });
        INFO(found);
        CHECK(found.starts_with("FileError " + path.string() + ": expected at least "));
    }
    CHECK(outcome([&] { InputFile(directory.write("empty", "")).map(0, 1); }).starts_with("FileError"));

    // Neither the object, nor the descriptor, nor the name is needed any longer.
    const auto part = file->map(4000, 9000);
    const auto alias = std::shared_ptr<const std::byte[]>(part, part.get() + 500);
    file.reset();
    fs::remove(path);
    CHECK(std::string(reinterpret_cast<const char*>(part.get()), 9000) == text.substr(4000, 9000));
    CHECK(std::string(reinterpret_cast<const char*>(alias.get()), 8500) == text.substr(4500, 8500));
}

#if defined(__linux__)
TEST_CASE("a mapping is given back, and one the system refuses is an error", "[file]") {
    const TempDir directory;
    const InputFile file(directory.write("mapped-and-let-go", repeat("0123456789", 1000)));
    const auto is_mapped = [] { return read_all("/proc/self/maps").find("mapped-and-let-go") != std::string::npos; };
    auto bytes = file.map(4097, 5);
    CHECK(is_mapped());
    auto alias = std::shared_ptr<const std::byte[]>(bytes, bytes.get() + 4);
    bytes.reset();
    CHECK(is_mapped());
    alias.reset();
    CHECK_FALSE(is_mapped());

    const fs::path unmappable = "/sys/kernel/mm/transparent_hugepage/enabled";  // a regular file of one page, it says
    if (!fs::exists(unmappable)) {
        WARN("skipped: no file at hand that cannot be mapped");
        return;
    }
    CHECK(as_expected(outcome([&] { InputFile(unmappable).map(0, 1); }),
                      {"FileError " + unmappable.string(), "expected a file that can be mapped, found "}));
}
#endif

TEST_CASE("a file that shrinks is an error to who reads it and the end of who has it mapped", "[file]") {
    const TempDir directory;
    const auto path = directory.write("f", repeat("x", 100'000));
    const InputFile file(path);
    const auto bytes = file.map(0, 100'000);
    fs::resize_file(path, 10);
    CHECK(as_expected(outcome([&] { read(file, 90'000, 1); }), {"FileError", "end of the file"}));
    const pid_t child = ::fork();
    REQUIRE(child >= 0);
    if (child == 0) {
        std::signal(SIGBUS, SIG_DFL);
        const volatile std::byte gone = bytes[90'000];
        ::_exit(std::to_integer<int>(gone) & 1);
    }
    int status = 0;
    REQUIRE(::waitpid(child, &status, 0) == child);
    CHECK(WIFSIGNALED(status));
    CHECK(WTERMSIG(status) == SIGBUS);
}

TEST_CASE("what is not a readable regular file is refused without waiting", "[file]") {
    const TempDir directory;
    const auto fails = [](const fs::path& path, const std::string& part) {
        const std::string found = outcome([&] { InputFile file(path); });
        INFO(found);
        CHECK(as_expected(found, {"FileError " + path.string() + ": expected a re", part}));
    };
    fails(directory.path() / "none", "No such file");
    fails("", "No such file");
    fails(directory.path(), "a regular file, found a directory");
    fails("/dev/null", "a regular file, found a device");
    const auto pipe = directory.path() / "pipe";
    REQUIRE(::mkfifo(pipe.c_str(), 0600) == 0);
    fails(pipe, "a regular file, found a named pipe");

    const auto file = directory.write("file", "x");
    fails(file / "below", "Not a directory");
    const auto link = directory.path() / "link";
    fs::create_symlink(file, link);
    CHECK(read(InputFile(link), 0, 1) == "x");
    fs::create_symlink(directory.path() / "gone", directory.path() / "broken");
    fails(directory.path() / "broken", "No such file");
    fs::create_symlink(directory.path() / "loop", directory.path() / "loop");
    fails(directory.path() / "loop", "symbolic links");

    if (::geteuid() == 0) {
        WARN("skipped: root may read files without permission");
    } else {
        fs::permissions(file, fs::perms::none);
        fails(file, "Permission denied");
        fs::permissions(file, fs::perms::owner_all);
    }
}

TEST_CASE("reading a text file", "[file]") {
    const TempDir directory;
    const auto path = directory.write("t", "12345");
    CHECK(rwkv::io::read_text(path, 5) == "12345");
    CHECK(as_expected(outcome([&] { rwkv::io::read_text(path, 4); }),
                      {"FormatError " + path.string(), "expected at most 4 bytes, found 5"}));
    CHECK(rwkv::io::read_text(directory.write("empty", ""), 0).empty());
    CHECK(outcome([&] { rwkv::io::read_text(directory.path(), 9); }).starts_with("FileError"));
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
    struct stat status {};
    REQUIRE(::stat(path.c_str(), &status) == 0);
    CHECK((status.st_mode & 0400U) != 0);
    CHECK((status.st_mode & 0111U) == 0);
}

TEST_CASE("an old file is replaced whole or not at all", "[file]") {
    const TempDir directory;
    const auto path = directory.write("out", "old");
    {
        OutputFile file(path);
        write(file, "new");
    }
    CHECK(read_all(path) == "old");
    const InputFile reader(path);
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
    CHECK(read(reader, 0, 3) == "old");  // who had it open keeps it
    CHECK(directory.count() == 1);
}

TEST_CASE("places where no file can be written", "[file]") {
    const TempDir directory;
    const auto fails = [](const fs::path& path, const std::string& part) {
        const std::string found = outcome([&] { OutputFile(path).commit(); });
        INFO(found);
        CHECK(as_expected(found, {"FileError " + path.string(), part}));
    };
    fails(directory.path() / "none" / "out", "No such file");
    fails(directory.path(), "a regular file or none");
    fails("/dev/null", "a regular file or none");
    const auto pipe = directory.path() / "pipe";
    REQUIRE(::mkfifo(pipe.c_str(), 0600) == 0);
    fails(pipe, "a regular file or none");
    fails(directory.path() / std::string(300, 'x'), "File name too long");
    CHECK(directory.count() == 1);

    // The longest name there can be works.
    OutputFile(directory.path() / std::string(255, 'x')).commit();
    CHECK(fs::exists(directory.path() / std::string(255, 'x')));

    {
        // The target becomes a directory in the meantime.
        OutputFile file(directory.path() / "later");
        fs::create_directory(directory.path() / "later");
        CHECK(as_expected(outcome([&] { file.commit(); }), {"FileError", "to take this name"}));
    }
    CHECK(directory.count() == 3);
}

TEST_CASE("a disk that takes no more is an error, and leaves nothing", "[file]") {
    const TempDir directory;
    rlimit before{};
    REQUIRE(::getrlimit(RLIMIT_FSIZE, &before) == 0);
    const auto old_handler = std::signal(SIGXFSZ, SIG_IGN);
    rlimit limit = before;
    limit.rlim_cur = 1000;
    std::string found;
    if (::setrlimit(RLIMIT_FSIZE, &limit) == 0) {
        found = outcome([&] {
            OutputFile file(directory.path() / "out");
            write(file, std::string(600, 'x'));
            CHECK(as_expected(outcome([&] { write(file, std::string(600, 'x')); }),
                              {"FileError", "to write 200 bytes, found File too large"}));
            // What came before it is not to be completed by trying again.
            CHECK(outcome([&] { write(file, "x"); }).starts_with("FileError"));
            file.commit();
        });
        ::setrlimit(RLIMIT_FSIZE, &before);
    }
    std::signal(SIGXFSZ, old_handler);
    INFO(found);
    CHECK(as_expected(found, {"FileError", "to write the file out, found Bad file descriptor"}));
    CHECK(directory.count() == 0);
}
