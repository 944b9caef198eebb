#include <cstddef>
#include <filesystem>
#include <memory>
#include <span>
#include <string>

#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>
#include <csignal>

#include "../catch.hpp"
#include "../support.hpp"
#include "file_text.hpp"

#include <rwkv/io/file.hpp>

// What files are like on POSIX systems alone: pipes, signals, modes, the system's words.

using namespace rwkv::test;
using rwkv::io::InputFile;
using rwkv::io::OutputFile;

namespace fs = std::filesystem;

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
    CHECK(as_expected(outcome([&] { return InputFile(unmappable).map(0, 1); }),
                      {"FileError cannot map " + unmappable.string() + ": "}));
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

TEST_CASE("a written file is its owner's to read, and no program", "[file]") {
    const TempDir directory;
    const auto path = directory.path() / "out";
    rwkv::io::write_text(path, "text");
    struct stat status {};
    REQUIRE(::stat(path.c_str(), &status) == 0);
    CHECK((status.st_mode & 0400U) != 0);
    CHECK((status.st_mode & 0111U) == 0);
}

TEST_CASE("what is not a readable regular file is refused without waiting", "[file]") {
    const TempDir directory;
    const auto fails = [](const fs::path& path, const std::string& part) {
        const std::string found = outcome([&] { InputFile file(path); });
        INFO(found);
        const std::string open = "FileError cannot open " + (path.empty() ? "\"\"" : path.string());
        CHECK(
            (found.starts_with(open) || found.starts_with("FileError " + path.string() + ": expected a regular file")));
        CHECK(as_expected(found, {part}));
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
    fails(directory.path() / "broken",
          ", a symbolic link to " + (directory.path() / "gone").string() + ": No such file");
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

TEST_CASE("places where no file can be written", "[file]") {
    const TempDir directory;
    const auto fails = [](const fs::path& path, const std::string& part) {
        const std::string found = outcome([&] { OutputFile(path).commit(); });
        INFO(found);
        CHECK(as_expected(found, {"FileError ", path.string(), part}));
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
        CHECK(as_expected(
            outcome([&] { file.commit(); }),
            {"FileError cannot rename ", ".part to " + (directory.path() / "later").string() + ": Is a dir"}));
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
                              {"FileError cannot write 200 bytes to ", "/out: File too large"}));
            // What came before it is not to be completed by trying again.
            CHECK(outcome([&] { write(file, "x"); }).starts_with("FileError"));
            file.commit();
        });
        ::setrlimit(RLIMIT_FSIZE, &before);
    }
    std::signal(SIGXFSZ, old_handler);
    INFO(found);
    CHECK(as_expected(found, {"FileError cannot write ", "/out to the disk: Bad file descriptor"}));
    CHECK(directory.count() == 0);
}
