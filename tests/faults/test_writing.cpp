// A disk that is full or fails, at every single call: an error that names the file, nothing half-written, and what was
// there before unharmed.

#include "support.hpp"

#include <functional>
#include <map>
#include <span>
#include <string>
#include <vector>

#include <cerrno>

#include <rwkv/convert_model.hpp>
#include <rwkv/state_file.hpp>

using namespace rwkv;
using namespace rwkv::test;

namespace fs = std::filesystem;

namespace {

struct Fault {
    Calls& calls;
    std::vector<int> errors;
    bool may_be_interrupted;
};

std::vector<Fault> faults_of_disks() {
    return {{faults.opens, {ENOSPC, EMFILE}, true},
            {faults.writes, {ENOSPC, EIO, EDQUOT, 0}, true},
            {faults.syncs, {EIO, ENOSPC}, true},
            {faults.closes, {EIO, ENOSPC}, true},
            {faults.renames, {EIO, ENOSPC}, false}};
}

/// Has every call of the action fail in turn, in every way a disk can, also where it takes no more than `piece` bytes
/// at a time; `look` is told each outcome.
void fill_disk(std::size_t piece, const std::function<void()>& action,
               const std::function<void(const std::string& found)>& look) {
    for (const Fault& fault : faults_of_disks()) {
        for (const int error : fault.errors) {
            const long calls = fail_each(fault.calls, error, action, look);
            CHECK(calls >= 1);
        }
        if (!fault.may_be_interrupted) continue;
        fail_each(fault.calls, EINTR, action, [&](const std::string& found) {
            CHECK(found == "accepted");
            look(found);
        });
    }
    faults.largest_transfer = piece;
    fail_each(faults.writes, ENOSPC, action, look);
    fail_each(faults.writes, EINTR, action, [&](const std::string& found) {
        CHECK(found == "accepted");
        look(found);
    });
    faults.largest_transfer = 0;
}

}  // namespace

TEST_CASE("a file is written whole or stays as it was, whatever the disk does", "[writing]") {
    const Model model = load_model(fixture("text"));
    Conversation conversation{.state = State(model.config()), .tokens = {1, 2, 3}, .logits = {}};
    const std::map<std::string, std::function<void(const fs::path&)>> writers{
        {"text", [](const fs::path& path) { io::write_text(path, "some words"); }},
        {"safetensors",
         [](const fs::path& path) {
             io::SafetensorsWriter writer(path, {{.name = "t", .dtype = DType::u8, .shape = {10}}});
             writer.write(std::as_bytes(std::span("01234", 5)));
             writer.write(std::as_bytes(std::span("56789", 5)));
             writer.finish();
         }},
        {"state", [&](const fs::path& path) { save_state(conversation.state, path); }},
        {"conversation", [&](const fs::path& path) { save_conversation(conversation, path); }},
    };
    for (const auto& [name, write] : writers) {
        CAPTURE(name);
        const TempDir directory;
        const fs::path path = directory.path() / "out";
        write(path);
        const std::string whole = read_all(path);
        for (const bool replaces : {false, true}) {
            const auto prepare = [&] { replaces ? void(directory.write("out", "old")) : void(fs::remove(path)); };
            prepare();
            fill_disk(
                100, [&, &write_to = write] { write_to(path); },
                [&](const std::string& found) {
                    CHECK((found == "accepted" || as_expected(found, {"FileError cannot ", path.string()})));
                    CHECK(read_all(path) == (found == "accepted" ? whole : replaces ? "old" : ""));
                    CHECK(fs::exists(path) == (replaces || found == "accepted"));
                    CHECK(directory.count() == (fs::exists(path) ? 1 : 0));
                    prepare();
                });
        }
    }
}

TEST_CASE("what failed to reach the disk is not taken for written later", "[writing]") {
    const TempDir directory;
    const fs::path path = directory.write("out", "old");
    for (Calls* calls : {&faults.syncs, &faults.closes, &faults.renames}) {
        io::OutputFile file(path);
        file.write(std::as_bytes(std::span("new")));
        calls->fail(0, EIO);
        CHECK(as_expected(outcome([&] { file.commit(); }), {"FileError", "Input/output error"}));
        CHECK(calls->heal());
        CHECK(as_expected(outcome([&] { file.commit(); }), {"FileError", "Bad file descriptor"}));
        CHECK(as_expected(outcome([&] { file.write(std::as_bytes(std::span("x"))); }), {"FileError", "Bad file"}));
        CHECK(read_all(path) == "old");
    }
    CHECK(directory.count() == 1);
}

TEST_CASE("a disk that takes nothing and gives no reason is not written to for ever", "[writing]") {
    const TempDir directory;
    const fs::path path = directory.write("out", "old");
    faults.writes.fail(0, 0, true);
    CHECK(as_expected(outcome([&] { io::write_text(path, "new"); }), {"FileError", "No space left"}));
    CHECK(faults.writes.heal());
    CHECK(read_all(path) == "old");
    CHECK(directory.count() == 1);
}

TEST_CASE("a model is converted whole or not at all, whatever the disk does", "[writing]") {
    const TempDir directory;
    const fs::path out = directory.path() / "out";
    const auto convert = [&] {
        convert_model(fixture("text"), out, {.format = WeightFormat::q8, .max_shard_size = 50'000, .threads = 1});
    };
    convert();
    const auto whole = files_in(out);
    for (const bool there : {false, true}) {
        const auto prepare = [&] {
            fs::remove_all(out);
            if (there) fs::create_directory(out);
        };
        prepare();
        fill_disk(2000, convert, [&](const std::string& found) {
            if (found == "accepted") {
                CHECK(files_in(out) == whole);
            } else {
                // What cannot be opened may be the original.
                CHECK((as_expected(found, {"FileError cannot ", out.string()}) ||
                       as_expected(found, {"FileError cannot ", fixture("text").string()})));
                CHECK(fs::exists(out) == there);
                if (there) CHECK(fs::is_empty(out));
            }
            prepare();
        });
    }
}
