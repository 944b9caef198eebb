// `convert` from the outside: what it writes, says and refuses. That the numbers are right is shown in tests/model.

#include <csignal>
#include <cstdlib>
#include <string>

#include <sys/wait.h>
#include <unistd.h>

#include <nlohmann/json.hpp>

#include <rwkv/checkpoint/checkpoint.hpp>

#include "../support.hpp"

using namespace rwkv::test;
using Catch::Matchers::ContainsSubstring;
using Catch::Matchers::StartsWith;

namespace {

const std::string convert = std::string(RWKV_PROGRAMS_DIR) + "/convert";

std::string fixture(const std::string& name) {
    return (std::filesystem::path(RWKV_FIXTURES_DIR) / name).string();
}

struct Answer {
    int code;
    std::string output, error;
};

Answer run(const std::string& arguments) {
    const TempDir directory;
    const auto file = [&](const char* name) { return (directory.path() / name).string(); };
    const int status =
        std::system((convert + " " + arguments + " >'" + file("out") + "' 2>'" + file("err") + "'").c_str());
    REQUIRE(WIFEXITED(status));
    return {WEXITSTATUS(status), read_all(file("out")), read_all(file("err"))};
}

}  // namespace

TEST_CASE("convert writes a directory and says what is in it") {
    const TempDir directory;
    const std::string out = (directory.path() / "out").string();
    const Answer one = run(fixture("text") + " " + out);
    CHECK(one.code == 0);
    CHECK(one.error.empty());
    CHECK(one.output == "model.safetensors\ntokenizer.json\nconfig.json\n42 tensors, 40.5 kB\n");
    CHECK(read_all(out + "/tokenizer.json") == read_all(fixture("text") + "/tokenizer.json"));
    CHECK(nlohmann::json::parse(read_all(out + "/config.json")).at("torch_dtype") == "float16");

    const Answer split = run(fixture("plain") + " " + out + "2 --max-shard-size 100KB --format bf16 --tokenizer " +
                             fixture("text") + "/tokenizer.json");
    CHECK(split.code == 0);
    CHECK(split.output ==
          "model-00001-of-00002.safetensors\nmodel-00002-of-00002.safetensors\ntokenizer.json\n"
          "model.safetensors.index.json\nconfig.json\n60 tensors, 134.7 kB\n");
    for (const char* format : {"f32", "f16", "q8", "q4"}) {
        const std::string to = out + format;
        CHECK(run(fixture("tied") + " " + to + " --format " + format).code == 0);
        const auto file = rwkv::checkpoint::Checkpoint::open(std::filesystem::path(to));
        CHECK((file.find("head.weight") != nullptr) == (format[0] == 'q'));
    }
}

TEST_CASE("a size is a number of bytes, or of larger units, decimal ones as Hugging Face's") {
    const TempDir directory;
    int number = 0;
    const auto shards = [&](const std::string& size) {
        const std::string out = (directory.path() / std::to_string(++number)).string();
        const Answer answer = run(fixture("plain") + " " + out + " --max-shard-size " + size);
        CHECK(answer.code == 0);
        return rwkv::checkpoint::Checkpoint::open(std::filesystem::path(out)).file_count();
    };
    CHECK(shards("249000") == 1);  // there are 248,936
    CHECK(shards("249kb") == 1);
    CHECK(shards("248kB") == 2);
    CHECK(shards("244KiB") == 1);
    CHECK(shards("5GB") == 1);
    for (const char* wrong : {"0", "-1", "5XB", "GB", "''", "1.5GB", "+5GB", "99999999999999999999", "99999999TB"}) {
        CAPTURE(wrong);
        CHECK(run(fixture("plain") + " " + (directory.path() / "no").string() + " --max-shard-size " + wrong).code ==
              2);
    }
    CHECK_FALSE(std::filesystem::exists(directory.path() / "no"));
}

TEST_CASE("convert ends as every program does, and leaves nothing behind") {
    const TempDir directory;
    const std::string out = (directory.path() / "out").string(), q4 = (directory.path() / "q4").string();
    CHECK_THAT(run("--help").output, ContainsSubstring("--max-shard-size"));
    CHECK(run("").code == 2);
    CHECK(run(fixture("text")).code == 2);
    CHECK(run(fixture("text") + " " + out + " --format q5").code == 2);
    CHECK(run(fixture("text") + " " + out + " --frobnicate").code == 2);
    const auto refused = [&](const std::string& arguments, const std::string& reason) {
        const Answer answer = run(arguments);
        CHECK(answer.code == 1);
        CHECK(answer.output.empty());
        CHECK_THAT(answer.error, StartsWith("convert: ") && ContainsSubstring(reason));
    };
    refused("no-such-model " + out, "no-such-model");
    refused(fixture("text") + " " + out + " --tokenizer no-such-file", "cannot open no-such-file");
    refused(fixture("text") + " " + fixture("plain"), "expected an empty directory, or none");
    refused(fixture("text") + " " + out + "/deeper", "deeper");
    CHECK(directory.count() == 0);
    CHECK(run(fixture("text") + " " + q4 + " --format q4").code == 0);
    refused(q4 + " " + out + " --format f32", "expected weights to convert to f32, found q4 weights");
    CHECK(directory.count() == 1);
}

TEST_CASE("a limit for the size of files ends a conversion like a full disk") {
    const TempDir directory;
    const std::string out = (directory.path() / "out").string();
    REQUIRE(std::system(("ulimit -f 8; " + convert + " " + fixture("plain") + " " + out + " >'" + out + ".log' 2>&1")
                            .c_str()) == 1 << 8);
    CHECK_THAT(read_all(out + ".log"), StartsWith("convert: cannot write") && ContainsSubstring("File too large"));
    CHECK_FALSE(std::filesystem::exists(out));
}

TEST_CASE("help that does not arrive is an error") {
    CHECK(std::system((convert + " --help >/dev/full 2>/dev/null").c_str()) == 1 << 8);
}

namespace {

/// Starts a conversion that takes a while, a file for each tensor, and sends it the signal once it has begun to write.
/// Its wait status.
int converted_until(int signal, const std::filesystem::path& out) {
    const pid_t program = ::fork();
    REQUIRE(program >= 0);
    if (program == 0) {
        ::close(STDOUT_FILENO), ::close(STDERR_FILENO);
        ::execl(convert.c_str(), "convert", fixture("odd").c_str(), out.c_str(), "--max-shard-size", "1", nullptr);
        ::_exit(127);
    }
    while (!std::filesystem::exists(out) && ::waitpid(program, nullptr, WNOHANG) == 0) ::usleep(100);
    ::kill(program, signal);
    int status = 0;
    REQUIRE(::waitpid(program, &status, 0) == program);
    return status;
}

}  // namespace

TEST_CASE("a conversion that is ended leaves nothing behind") {
    for (const int signal : {SIGINT, SIGTERM, SIGHUP}) {
        CAPTURE(signal);
        int ended = 0;
        for (int attempt = 0; attempt < 50 && ended < 3; ++attempt) {
            const TempDir directory;
            const int status = converted_until(signal, directory.path() / "out");
            REQUIRE(WIFEXITED(status));
            if (WEXITSTATUS(status) == 128 + signal) {
                ++ended;
                CHECK(directory.count() == 0);
            } else {  // it was done before
                CHECK(std::filesystem::exists(directory.path() / "out" / "config.json"));
            }
        }
        CHECK(ended == 3);
    }
}

TEST_CASE("after a conversion that was killed the next one says what is in the way") {
    int killed = 0;
    for (int attempt = 0; attempt < 50 && killed < 3; ++attempt) {
        const TempDir directory;
        const auto out = directory.path() / "out";
        if (!WIFSIGNALED(converted_until(SIGKILL, out)) || std::filesystem::is_empty(out)) continue;
        ++killed;
        const Answer again = run(fixture("odd") + " " + out.string());
        CHECK(again.code == 1);
        CHECK_THAT(again.error,
                   ContainsSubstring("found one that holds \"") && ContainsSubstring("remove what is there"));
    }
    CHECK(killed == 3);
}
