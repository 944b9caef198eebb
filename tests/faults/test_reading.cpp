// Reads that fail, are interrupted or come in pieces, files that shrink while they are read, and paths that lead to
// something else than a file.

#include "support.hpp"

#include <algorithm>
#include <functional>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>
#include <cerrno>

#include <rwkv/convert_model.hpp>
#include <rwkv/load_tokenizer.hpp>
#include <rwkv/state_file.hpp>

using namespace rwkv;
using namespace rwkv::test;

namespace fs = std::filesystem;

namespace {

/// Has everything this thread asks the system for judged as an ordinary user's wish, if it may be anyone's.
class OrdinaryUser {
  public:
    OrdinaryUser() : before_(::geteuid()), is_one_(before_ != 0 || ::seteuid(nobody) == 0) {}
    ~OrdinaryUser() { is_one_ = is_one_ && ::seteuid(before_) == 0; }
    OrdinaryUser(const OrdinaryUser&) = delete;
    OrdinaryUser& operator=(const OrdinaryUser&) = delete;
    bool is_one() const noexcept { return is_one_; }

  private:
    static constexpr uid_t nobody = 65534;
    uid_t before_;
    bool is_one_;
};

/// Puts something that is no readable file at a path.
const std::map<std::string, std::function<bool(const fs::path&)>> strange_things{
    {"directory", [](const fs::path& path) { return fs::create_directory(path); }},
    {"pipe", [](const fs::path& path) { return ::mkfifo(path.c_str(), 0600) == 0; }},
    {"socket",
     [](const fs::path& path) {
         sockaddr_un address{};
         address.sun_family = AF_UNIX;
         path.string().copy(address.sun_path, sizeof address.sun_path - 1);
         const int socket = ::socket(AF_UNIX, SOCK_STREAM, 0);
         const bool bound = ::bind(socket, reinterpret_cast<const sockaddr*>(&address), sizeof address) == 0;
         ::close(socket);
         return bound;
     }},
    {"device", [](const fs::path& path) { return fs::create_symlink("/dev/null", path), true; }},
    {"dangling link", [](const fs::path& path) { return fs::create_symlink("nowhere", path), true; }},
    {"link to itself", [](const fs::path& path) { return fs::create_symlink(path.filename(), path), true; }},
    {"file without permission",
     [](const fs::path& path) {
         std::ofstream(path) << "secret";
         fs::permissions(path, fs::perms::none);
         return true;
     }},
};

}  // namespace

TEST_CASE("reads that fail, are interrupted, or come in pieces", "[reading]") {
    const TempDir directory;
    const fs::path vocabulary = directory.write("world.txt", small_vocabulary());
    const Model small = load_model(fixture("bf16"), {.threads = 1});
    Conversation conversation{.state = State(small.config()), .tokens = {1, 2, 3}, .logits = {}};
    const State::View numerator = conversation.state.numerator();
    std::fill_n(numerator.data(), numerator.size(), 0.5f);
    save_state(conversation.state, directory.path() / "state");
    save_conversation(conversation, directory.path() / "conversation");

    // Each says whether what it read is what the file holds.
    const auto model = [](const fs::path& path) {
        return [path, whole = all_elements(load_model(path))] {
            return all_elements(load_model(path, {.threads = 1})) == whole;
        };
    };
    const fs::path adapter = fixture("adapters") / "second";
    const auto adapted = [&] {
        return all_elements(load_model(fixture("plain"), {.threads = 1, .adapters = {{adapter}}}));
    };
    const auto tokenizer = [](const fs::path& path) {
        const auto ids = [path] { return load_tokenizer(path).encode("The cat and the abcd"); };
        return [ids, whole = ids()] { return ids() == whole; };
    };
    const std::vector<std::pair<fs::path, std::function<bool()>>> readers{
        {fixture("bf16"), model(fixture("bf16"))},
        {fixture("sharded"), model(fixture("sharded"))},
        {fixture("pytorch") / "views", model(fixture("pytorch") / "views")},
        {fixture(""), [&, whole = adapted()] { return adapted() == whole; }},
        {fixture("text") / "tokenizer.json", tokenizer(fixture("text") / "tokenizer.json")},
        {vocabulary, tokenizer(vocabulary)},
        {directory.path() / "state",
         [&] { return load_state(directory.path() / "state", small.config()) == conversation.state; }},
        {directory.path() / "conversation",
         [&] {
             const auto found = load_conversation(directory.path() / "conversation", small.config());
             return found.state == conversation.state && found.tokens == conversation.tokens;
         }},
    };
    struct Row {
        int error;
        std::size_t largest;
        std::string expected;
    };
    const std::vector<Row> rows{
        {EIO, 0, "Input/output error"}, {ENOMEM, 0, "Cannot allocate memory"},
        {0, 0, "the end of the file"},  {EINTR, 0, "accepted"},
        {EINTR, 3000, "accepted"},      {0, 3000, "the end of the file"},
    };
    for (const auto& [path, reads_well] : readers) {
        CAPTURE(path);
        bool good = false;
        const auto action = [&, &read = reads_well] { good = read(); };
        for (const auto& [error, largest, expected] : rows) {
            faults.largest_transfer = largest;
            const long calls =
                fail_each(faults.reads, error, action, [&, &file = path, &wanted = expected](const std::string& found) {
                    if (found == "accepted")
                        CHECK(good);
                    else
                        CHECK(as_expected(found, {"FileError ", file.string(), wanted}));
                });
            CHECK(calls >= 1);
        }
        faults.largest_transfer = 1;
        CHECK(reads_well());
        faults.largest_transfer = 0;
    }
}

TEST_CASE("a file that cannot be mapped is an error", "[reading]") {
    const auto load = [] { return load_model(fixture("bf16"), {.threads = 1, .mapped = true}); };
    const long calls = fail_each(faults.maps, ENOMEM, load, [](const std::string& found) {
        CHECK((found == "accepted" || as_expected(found, {"FileError cannot map ", "Cannot allocate"})));
    });
    CHECK(calls >= 10);
}

TEST_CASE("a model's file that shrinks while it is read is an error", "[reading]") {
    const TempDir directory;
    write_wide(directory.path());
    const fs::path path = directory.path() / "model.safetensors";
    const std::string whole = read_all(path);
    const std::vector<float> elements = all_elements(load_model(directory.path()));
    for (const int threads : {1, 2}) {
        const auto shrink = [&](std::string_view, std::uint64_t done, std::uint64_t total) {
            if (done < total) fs::resize_file(path, 5000);
            return true;
        };
        const std::string found =
            outcome([&] { return load_model(directory.path(), {.threads = threads, .progress = shrink}); });
        INFO(found);
        // The second thread may have read all the rest before the first says how far they are.
        CHECK((as_expected(found, {"FileError " + path.string(), "the end of the file"}) ||
               (threads == 2 && found == "accepted")));
        directory.write("model.safetensors", whole);
        CHECK(all_elements(load_model(directory.path())) == elements);
    }
    const fs::path out = directory.path() / "out";
    const auto shrink = [&](auto...) { return fs::resize_file(path, 5000), true; };
    CHECK(as_expected(outcome([&] { convert_model(directory.path(), out, {.threads = 1, .progress = shrink}); }),
                      {"FileError " + path.string(), "the end of the file"}));
    CHECK_FALSE(fs::exists(out));
}

TEST_CASE("a path that leads to something else than a file is an error, not waited for", "[reading]") {
    struct Place {
        std::string file;     ///< in whose place the strange thing is
        std::string fixture;  ///< the other files
        std::function<void(const fs::path& directory)> load;
        bool named = false;  ///< the call names the thing itself
    };
    const Config config = load_model(fixture("text")).config();
    const auto model = [](const fs::path& directory) { return load_model(directory); };
    const auto tokenizer = [](const fs::path& directory) { return load_tokenizer(directory); };
    const std::vector<Place> places{
        {"w.safetensors", "text", [](const fs::path& directory) { return load_model(directory / "w.safetensors"); },
         true},
        {"w.pth", "text", [](const fs::path& directory) { return load_model(directory / "w.pth"); }, true},
        {"i.bin.index.json", "text",
         [](const fs::path& directory) { return load_model(directory / "i.bin.index.json"); }, true},
        {"model.safetensors", "text", model},
        {"model.safetensors.index.json", "sharded", model},
        {"model-00002-of-00003.safetensors", "sharded", model},
        {"pytorch_model.bin", "pytorch/mixed", model},
        {"config.json", "text", model},
        {"tokenizer.json", "text", tokenizer},
        {"rwkv_vocab_v20230424.txt", "plain", tokenizer},
        {"t.json", "text", [](const fs::path& directory) { return load_tokenizer(directory / "t.json"); }, true},
        {"w.txt", "text", [](const fs::path& directory) { return load_tokenizer(directory / "w.txt"); }, true},
        {"s", "text", [&](const fs::path& directory) { return load_state(directory / "s", config); }, true},
        {"c", "text", [&](const fs::path& directory) { return load_conversation(directory / "c", config); }, true},
        {"t.json", "text",
         [](const fs::path& directory) {
             convert_model(fixture("text"), directory / "out", {.tokenizer = directory / "t.json"});
         }},
    };
    ::alarm(120);  // a path that is waited for ends the program
    for (const Place& place : places)
        for (const auto& [kind, make] : strange_things) {
            const TempDir directory;
            for (const auto& [name, bytes] : files_in(fixture(place.fixture)))
                if (name != place.file) directory.write(name, bytes);
            const fs::path path = directory.path() / place.file;
            REQUIRE(make(path));
            const OrdinaryUser user;
            if (kind == "file without permission" && !user.is_one()) {
                WARN("skipped: root may read any file, and cannot be anyone else here");
                continue;
            }
            const std::string found = outcome([&] { place.load(directory.path()); });
            INFO(kind << " as " << place.file << ": " << found);
            CHECK(as_expected(found, {"FileError ", path.string()}));
            // A directory that is named itself is looked into.
            if (kind == "directory" && !place.named) CHECK(found.ends_with("a regular file, found a directory"));
        }
    ::alarm(0);
}
