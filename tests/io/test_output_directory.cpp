#include <string>

#include "../catch.hpp"
#include "../support.hpp"

#include <rwkv/io/file.hpp>
#include <rwkv/io/output_directory.hpp>

using namespace rwkv::test;
using rwkv::io::OutputDirectory;
using rwkv::io::write_text;

TEST_CASE("a directory that is not kept is as it was before", "[output_directory]") {
    const TempDir directory;
    const auto made = directory.path() / "made", empty = directory.path() / "empty";
    std::filesystem::create_directory(empty);
    for (const auto& path : {made, empty}) {
        OutputDirectory output(path);
        write_text(output.file("a"), "1");
        write_text(output.file("b"), "2");
        output.file("never written");
        CHECK(read_all(path / "a") == "1");
    }
    CHECK_FALSE(std::filesystem::exists(made));
    CHECK(std::filesystem::is_empty(empty));
    for (const auto& path : {made, empty}) {
        OutputDirectory output(path);
        write_text(output.file("a"), "1");
        output.keep();
    }
    CHECK(read_all(made / "a") == "1");
    CHECK(read_all(empty / "a") == "1");
}

TEST_CASE("files of others are not touched", "[output_directory]") {
    const TempDir directory;
    const auto made = directory.path() / "made";
    {
        OutputDirectory output(made);
        write_text(output.file("ours"), "");
        write_text(made / "theirs", "came in between");
    }
    CHECK(read_all(made / "theirs") == "came in between");
    CHECK_FALSE(std::filesystem::exists(made / "ours"));

    CHECK(
        as_expected(outcome([&] { OutputDirectory{made}; }),
                    {"FileError " + made.string(),
                     "expected an empty directory, or none, found one that holds \"theirs\": remove what is there, or "
                     "name another directory"}));
    write_text(made / ".rwkv-12-0.part", "");
    CHECK(
        as_expected(outcome([&] { OutputDirectory{made}; }),
                    {"found one that holds \".rwkv-12-0.part\", left by a program that was ended while it wrote, and 1 "
                     "more: remove"}));
    CHECK(as_expected(outcome([&] { OutputDirectory{made / "theirs"}; }), {"FileError", "theirs"}));
    const auto nowhere = made / "no" / "x";
    CHECK(as_expected(outcome([&] { OutputDirectory{nowhere}; }),
                      {"FileError cannot create the directory " + nowhere.string() + ": No such file"}));
#if !defined(_WIN32)
    CHECK(as_expected(outcome([&] { OutputDirectory{made / "theirs" / "x"}; }), {"FileError", "Not a directory"}));
    std::filesystem::create_directory_symlink(made, directory.path() / "link");
    CHECK(as_expected(outcome([&] { OutputDirectory{directory.path() / "link"}; }),
                      {"one that holds", "remove what is there"}));
#endif
}
