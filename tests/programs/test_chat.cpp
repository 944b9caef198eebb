// `chat` from the outside: in a pipe, and in a terminal of its own with somebody typing. The fixture's ids are bytes,
// so that what a saved conversation holds can be read, and biases on them decide what the model says.

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <string>
#include <string_view>
#include <vector>

#include <rwkv/checkpoint/checkpoint.hpp>
#include <rwkv/io/safetensors_writer.hpp>
#include <rwkv/text/utf8.hpp>

#include "../model/support.hpp"

using namespace rwkv;
using namespace rwkv::test;
using Catch::Matchers::ContainsSubstring;
using Catch::Matchers::EndsWith;
using Catch::Matchers::StartsWith;

namespace {

const std::string program = std::string(RWKV_PROGRAMS_DIR) + "/chat";

struct Answer {
    int code;
    std::string output, error;
};

/// What comes of input from a pipe.
Answer chat(const std::string& input, const std::string& options,
            const std::filesystem::path& model = fixture("text")) {
    const TempDir directory;
    const auto file = [&](const char* name) { return "'" + (directory.path() / name).string() + "'"; };
    directory.write("in", input);
    const std::string command = program + " --model '" + model.string() + "' " + options + " <" + file("in") + " >" +
                                file("out") + " 2>" + file("err");
    const int status = std::system(command.c_str());
    REQUIRE(WIFEXITED(status));
    return {WEXITSTATUS(status), read_all(directory.path() / "out"), read_all(directory.path() / "err")};
}

/// All that was read and said in a conversation saved by the fixture's model.
std::string text_of(const std::filesystem::path& conversation) {
    const auto tokens = elements<TokenId>(checkpoint::Checkpoint::open(conversation), "tokens");
    return {tokens.begin(), tokens.end()};
}

/// The same after some input.
std::string told(const std::string& input, const std::string& options) {
    const TempDir directory;
    const std::string file = (directory.path() / "saved").string();
    const Answer answer = chat(input + "/save " + file + "\n", options);
    INFO(answer.error);
    REQUIRE(answer.code == 0);
    return text_of(file);
}

/// The fixture's model with a World vocabulary of the single bytes: id 256 is byte 0, and 0 the end of text.
void make_world_model(const TempDir& directory) {
    const auto file = checkpoint::Checkpoint::open(fixture("text"));
    std::vector<TensorInfo> tensors;
    std::vector<std::byte> data;
    for (const checkpoint::CheckpointTensor& tensor : file.tensors()) {
        tensors.push_back({.name = tensor.info.name, .dtype = tensor.info.dtype, .shape = tensor.info.shape});
        data.resize(data.size() + tensor.info.bytes);
        file.read(tensor, 0, std::span(data).last(tensor.info.bytes));
        if (std::uint64_t& rows = tensors.back().shape.front(); rows == 256) {  // the embedding and the head
            data.resize(data.size() + tensor.info.bytes / rows);
            ++rows;
        }
    }
    io::SafetensorsWriter writer(directory.path() / "model.safetensors", tensors);
    writer.write(data);
    writer.finish();

    std::string config = read_all(fixture("text") / "config.json"), vocabulary = "256 b'\\x00' 1\n";
    config.replace(config.find("\"vocab_size\": 256"), 17, "\"vocab_size\": 257");
    directory.write("config.json", config);
    for (unsigned byte = 255; byte > 0; --byte) {
        char line[32];
        std::snprintf(line, sizeof line, "%u b'\\x%02x' 1\n", byte, byte);
        vocabulary.insert(0, line);
    }
    directory.write("rwkv_vocab_v20230424.txt", vocabulary);
}

/// Chat in a terminal, and whoever types there and looks at it.
class Terminal {
  public:
    explicit Terminal(const std::string& options) {
        terminal_ = ::posix_openpt(O_RDWR | O_NOCTTY);
        REQUIRE(terminal_ >= 0);
        REQUIRE(::grantpt(terminal_) == 0);
        REQUIRE(::unlockpt(terminal_) == 0);
        const std::string name = ::ptsname(terminal_);
        const std::string command = "exec " + program + " --model '" + fixture("text").string() + "' " + options;
        child_ = ::fork();
        REQUIRE(child_ >= 0);
        if (child_ == 0) {
            ::setsid();  // so that the terminal, once opened, is this process's own and Ctrl-C is its signal
            const int end = ::open(name.c_str(), O_RDWR);
            for (const int standard : {STDIN_FILENO, STDOUT_FILENO, STDERR_FILENO}) ::dup2(end, standard);
            ::close(terminal_);
            ::execl("/bin/sh", "sh", "-c", command.c_str(), nullptr);
            ::_exit(127);
        }
        expect("> ");
    }
    Terminal(const Terminal&) = delete;
    Terminal& operator=(const Terminal&) = delete;
    ~Terminal() {
        if (child_ > 0) {
            ::kill(child_, SIGKILL);
            ::waitpid(child_, nullptr, 0);
        }
        ::close(terminal_);
    }

    void type(std::string_view keys) {
        while (!keys.empty()) {
            const ssize_t count = ::write(terminal_, keys.data(), keys.size());
            REQUIRE(count > 0);
            keys.remove_prefix(static_cast<std::size_t>(count));
        }
    }

    /// Waits for the text and returns what was shown since the last time, up to its end.
    std::string expect(const std::string& text) {
        const auto deadline = Clock::now() + patience;
        std::size_t at = shown_.find(text);
        while (at == shown_.npos) {
            const std::size_t searched = shown_.size() - std::min(shown_.size(), text.size());
            if (!look(deadline))
                FAIL("waiting for \"" << text << "\", seeing \""
                                      << shown_.substr(shown_.size() - std::min<std::size_t>(shown_.size(), 2000))
                                      << '"');
            at = shown_.find(text, searched);
        }
        const std::string seen = shown_.substr(0, at + text.size());
        shown_.erase(0, seen.size());
        return seen;
    }

    /// Types a line at the prompt and returns what was shown until the next prompt.
    std::string enter(const std::string& line) {
        type(line + "\n");
        expect("\r\n");  // the line itself
        return expect("> ");
    }

    /// Waits for the program to end; its exit code.
    int end() {
        const auto deadline = Clock::now() + patience;
        while (look(deadline)) {
        }
        REQUIRE(Clock::now() < deadline);
        int status = 0;
        REQUIRE(::waitpid(child_, &status, 0) == child_);
        child_ = -1;
        REQUIRE(WIFEXITED(status));
        return WEXITSTATUS(status);
    }

  private:
    using Clock = std::chrono::steady_clock;
    static constexpr std::chrono::seconds patience{120};

    /// Waits for more to be shown; false where nothing more comes: the program has ended, or hangs.
    bool look(Clock::time_point deadline) {
        const auto left = std::chrono::duration_cast<std::chrono::milliseconds>(deadline - Clock::now()).count();
        pollfd waited_for{terminal_, POLLIN, 0};
        char bytes[4096];
        if (left <= 0 || ::poll(&waited_for, 1, static_cast<int>(left)) != 1) return false;
        const ssize_t count = ::read(terminal_, bytes, sizeof bytes);
        if (count > 0) shown_.append(bytes, static_cast<std::size_t>(count));
        return count > 0;
    }

    int terminal_ = -1;
    pid_t child_ = -1;
    std::string shown_;
};

const std::string ctrl_c = "\x03", ctrl_d = "\x04";
const std::string always_a = " --logit-bias 65=1000 ";
const std::string endless = always_a + "-n 1000000000000 ";

}  // namespace

TEST_CASE("a pipe of messages gives answers and nothing else") {
    const Answer answer = chat("hi\n\n  \nagain", always_a + "-n 3");
    CHECK(answer.code == 0);
    CHECK(answer.output == "AAA\nAAA\n");
    CHECK(answer.error == "(cut: max_new_tokens is 3)\n(cut: max_new_tokens is 3)\n");
    // Space, A, space, A: a space before the answer is the model's habit, and not shown.
    const std::string by_turns =
        "--temperature 0 --logit-bias 32=2000 --logit-bias 65=1500 --frequency-penalty 1000 "
        "--presence-penalty 0 --penalty-decay 1 -n 4";
    CHECK(chat("hi", by_turns).output == "A A\n");
    CHECK(told("hi\n", by_turns) == "Bob: hi\n\nAlice: A A");
    CHECK(chat("hi\n", "--logit-bias 27=1000 -n 2").output == "\x1b\x1b\n");  // what is no terminal gets all of it
    CHECK(chat("hi\\", always_a + "-n 1").output == "A\n");
    CHECK(chat("/quit\nhi\n", always_a).output == "");
}

TEST_CASE("the conversation reads naturally, whatever an answer ended in") {
    CHECK(told("hi\nagain\n", always_a + "-n 3") == "Bob: hi\n\nAlice:AAA\n\nBob: again\n\nAlice:AAA");
    // Cut in the middle of the separator.
    CHECK(told("hi\nagain\n", "--logit-bias 10=1000 -n 1") == "Bob: hi\n\nAlice:\n\nBob: again\n\nAlice:\n");
    // By the separator: it is there already.
    CHECK(told("hi\nagain\n", "--logit-bias 10=1000") == "Bob: hi\n\nAlice:\n\nBob: again\n\nAlice:\n\n");
    // By the end-of-text token, which is not kept.
    CHECK(told("hi\nagain\n", "--logit-bias 0=1000") == "Bob: hi\n\nAlice:\n\nBob: again\n\nAlice:");
    // By another stop string, A and B coming by turns: it is neither shown nor kept.
    const std::string by_turns =
        "--temperature 0 --logit-bias 65=2000 --logit-bias 66=1500 --frequency-penalty 1000 "
        "--presence-penalty 0 --penalty-decay 1 --stop BA";
    CHECK(chat("hi\n", by_turns).output == "A\n");
    CHECK(told("hi\nagain\n", by_turns) == "Bob: hi\n\nAlice:A\n\nBob: again\n\nAlice:A");
}

TEST_CASE("an answer at random is in the conversation as it was shown") {
    const TempDir directory;
    const std::string file = (directory.path() / "saved").string();
    // Line ends are common enough for two in a row to come soon, and nothing else ends the answers.
    const Answer answer =
        chat("hi\nagain\n/save " + file + "\n", "--seed 1 --suppress-tokens 0 --logit-bias 10=5 -n 1000000");
    const std::string text = text_of(file), first = "Bob: hi\n\nAlice:", second = "\n\nBob: again\n\nAlice:";
    REQUIRE_THAT(text, StartsWith(first) && EndsWith("\n\n"));
    const std::size_t at = text.find("\n\n", first.size());
    REQUIRE(text.substr(at, second.size()) == second);
    CHECK(text.find("\n\n", at + second.size()) == text.size() - 2);
    const auto shown = [](const std::string& bytes) {
        std::string said = text::lossy_utf8(bytes);
        said.erase(0, std::min(said.find_first_not_of(" \n"), said.size()));
        return said + "\n";
    };
    CHECK(answer.output == shown(text.substr(first.size(), at - first.size())) +
                               shown(text.substr(at + second.size(), text.size() - 2 - at - second.size())));
}

TEST_CASE("the prompt format is the model's, or the one asked for") {
    const std::string short_answer = always_a + "-n 1 ";
    CHECK(told("hi\n", short_answer + "--prompt-format world") == "User: hi\n\nAssistant:A");
    CHECK_THAT(told("hi\nagain\n", short_answer + "--prompt-format raven-instruct"),
               StartsWith("Below is an instruction") &&
                   ContainsSubstring("# Instruction:\nhi\n\n# Response:\nA\n\nBelow is an instruction") &&
                   EndsWith("# Instruction:\nagain\n\n# Response:\nA"));
    CHECK(told("one\\\n\\\n two\n", short_answer) ==
          "Bob: one\n two\n\nAlice:A");  // lines joined, the blank one left out
    CHECK(told("a\r\n /b\r\n", short_answer) == "Bob: a\n\nAlice:A\n\nBob: /b\n\nAlice:A");
    CHECK(chat("", "--prompt-format raven-chat").code == 2);

    const TempDir directory;
    const std::string file = (directory.path() / "saved").string();
    make_world_model(directory);
    CHECK(chat("hi\n/save " + file + "\n", short_answer, directory.path()).code == 0);
    CHECK(text_of(file) == "User: hi\n\nAssistant:A");
}

TEST_CASE("retry and reset leave no trace") {
    const TempDir directory;
    const auto saved = [&](const std::string& input) {
        const std::string file = (directory.path() / "saved").string();
        const Answer answer = chat(input + "/save " + file + "\n", "--seed 1 --suppress-tokens 0 10 -n 20");
        INFO(answer.error);
        CHECK(answer.code == (input.find('\xff') == input.npos ? 0 : 1));
        return read_all(file);
    };
    const std::string once = saved("/set seed 5\nhi\n"), twice = saved("hi\n/set seed 5\nagain\n");
    CHECK(saved("hi\n") != once);
    CHECK(saved("hi\n/set seed 5\n/retry\n") == once);
    CHECK(saved("hi\nwhat?\n/set seed 5\n/reset\nhi\n") == once);
    CHECK(saved("hi\nagain\n/retry\n/set seed 5\n/retry\n") == twice);
    CHECK(saved("hi\n/set seed 5\nagain\n\xff\n") == twice);  // what cannot be read is not
    // Another answer each time, without being told a seed.
    CHECK(saved("hi\n/retry\n") != saved("hi\n"));
    CHECK(saved("hi\n/retry\n") == saved("/set seed 2\nhi\n"));
}

TEST_CASE("a conversation saved goes on as if it had not been") {
    const TempDir directory;
    const std::string file = (directory.path() / "a file").string(), options = "--seed 1 --suppress-tokens 0 10 -n 20";
    const std::string straight = chat("hi\n/save " + file + "\nagain\n", options).output;
    const std::string gone_on = chat("/set seed 2\nwhat?\n/set seed 2\n/load " + file + "\nagain\n", options).output;
    CHECK(straight.substr(straight.size() / 2) != gone_on.substr(0, gone_on.size() / 2));
    const std::string last = straight.substr(chat("hi\n", options).output.size());
    CHECK(!last.empty());
    CHECK(gone_on.ends_with(last));
    // An empty conversation is one too; retry does not reach beyond what was loaded.
    CHECK(chat("/save " + file + "\nhi\n/load " + file + "\n/retry\nhi\n", always_a + "-n 1").output == "A\nA\n");
}

TEST_CASE("settings change on the fly, and only to what will do") {
    Answer answer = chat("/set temperature 0.5\n/set top_k 7\n/set seed 12\n/set\n", "--top-p 0.25");
    for (const char* line : {"temperature 0.5\n", "top_k 7\n", "top_p 0.25\n", "seed 12\n", "presence_penalty 0.2\n",
                             "penalty_decay 0.996\n", "mirostat_tau 0\n", "max_new_tokens 1024\n"})
        CHECK_THAT(answer.error, ContainsSubstring(line));
    answer = chat("hi\n/set max_new_tokens 1\nhi\n", always_a + "-n 2");
    CHECK(answer.output == "AA\nA\n");
    const struct {
        const char *command, *complaint;
    } cases[] = {
        {"/set top_p 3", "chat: Sampler: top_p: expected a number from 0 to 1, found 3"},
        {"/set top_p", "chat: /set: top_p: expected a number, found \"\""},
        {"/set top_k 1.5", "chat: /set: top_k: expected a number, found \"1.5\""},
        {"/set max_new_tokens -1", "chat: /set: max_new_tokens: expected 0 or more, found -1"},
        {"/set topp 1", "chat: /set: expected temperature, top_k, top_p"},
    };
    for (const auto& [command, complaint] : cases) {
        const Answer found = chat(std::string(command) + "\n/set\nhi\n", always_a + "-n 1");
        CHECK_THAT(found.error, StartsWith(complaint) && ContainsSubstring("top_p 0.85\n") &&
                                    ContainsSubstring("top_k 0\n") && ContainsSubstring("max_new_tokens 1\n"));
        CHECK(found.output == "A\n");
    }
    CHECK(chat("", "--top-p 3").code == 1);
}

TEST_CASE("what goes wrong does not end the chat") {
    const struct {
        const char *input, *complaint;
    } cases[] = {
        {"/frobnicate it", "chat: no command \"/frobnicate\"; there are\n/retry"},
        {"/save", "chat: /save: expected the name of a file, found none"},
        {"/save no-such-dir/x", "chat: cannot create no-such-dir/x"},
        {"/load no-such-file", "chat: cannot open no-such-file"},
        {"/retry", "chat: /retry: expected a message"},
        {"\xff", "chat: "},
    };
    for (const auto& [input, complaint] : cases) {
        const Answer answer = chat(std::string(input) + "\nhi\n", always_a + "-n 1");
        CHECK_THAT(answer.error, StartsWith(complaint));
        CHECK(answer.output == "A\n");
        CHECK(answer.code == 1);  // in a pipe, where nobody may see the complaint
    }
    CHECK_THAT(chat("/load " + (fixture("text") / "model.safetensors").string() + "\n", "").error,
               ContainsSubstring("format: expected rwkv-4 conversation"));
    const std::string lost = "echo hi | timeout 120 " + program + " --model '" + fixture("text").string() + "'" +
                             endless + "2>&1 >/dev/full";  // nobody hears the answer: it ends
    CHECK(WEXITSTATUS(std::system(lost.c_str())) == 1);
}

TEST_CASE("Ctrl-C stops the answer and not the program") {
    const TempDir directory;
    const std::string file = (directory.path() / "saved").string();
    Terminal terminal(endless);
    terminal.type("hi\n");
    terminal.expect("AAAAAAAAAA");  // the answer has no end: it comes as it is made
    terminal.type(ctrl_c);
    terminal.expect("> ");
    terminal.enter("/set max_new_tokens 3");
    CHECK_THAT(terminal.enter("again"), StartsWith("AAA\r\n\r\n"));
    terminal.enter("/save " + file);
    const std::string text = text_of(file);
    const std::size_t end = text.find_first_not_of('A', 15);
    CHECK(text.substr(0, 25) == "Bob: hi\n\nAlice:AAAAAAAAAA");
    CHECK(text.substr(end) == "\n\nBob: again\n\nAlice:AAA");

    terminal.enter("/set max_new_tokens 1000000000000");
    terminal.type("/retry\n");
    terminal.expect("AAAAAAAAAA");
    terminal.type(ctrl_c);
    terminal.expect("> ");
    terminal.type(ctrl_d);
    CHECK(terminal.end() == 0);
}

TEST_CASE("Ctrl-C while a message is read takes it back") {
    const TempDir directory;
    const std::string mine = (directory.path() / "mine").string(), expected = (directory.path() / "expected").string();
    REQUIRE(chat("hi\n/save " + expected + "\n", always_a + "-n 3").code == 0);
    Terminal terminal(always_a + "-n 3 --mode rnn");
    terminal.enter("hi");
    for (int i = 0; i < 200; ++i) {
        terminal.type(repeat("long ", 800) + "\\\n");
        terminal.expect("| ");
    }
    terminal.type("end\n");
    terminal.expect("prompt [");
    terminal.type(ctrl_c);
    terminal.expect("it is forgotten");
    terminal.expect("> ");
    terminal.enter("/save " + mine);
    CHECK(text_of(mine) == text_of(expected));
    terminal.type("/retry\n");  // sends it again
    terminal.expect("prompt [");
    terminal.type(ctrl_c);
    terminal.expect("it is forgotten");
    terminal.expect("> ");
    CHECK_THAT(terminal.enter("again"), StartsWith("AAA\r\n"));
    terminal.enter("/save " + mine);
    CHECK(text_of(mine) == text_of(expected) + "\n\nBob: again\n\nAlice:AAA");
}

TEST_CASE("Ctrl-C at the prompt clears what was typed") {
    Terminal terminal(always_a + "-n 3");
    terminal.type("half a li");
    terminal.expect("half a li");
    terminal.type(ctrl_c);
    terminal.expect("Ctrl-D or /quit to leave");
    terminal.expect("> ");
    terminal.type("one line \\\n");
    terminal.expect("| ");
    terminal.type(ctrl_c);
    CHECK_THAT(terminal.expect("> "), ContainsSubstring("to leave") && !ContainsSubstring("A"));
    terminal.enter("/set seed 77");
    CHECK_THAT(terminal.enter("/set"), ContainsSubstring("seed 77\r\n"));
    terminal.type("/quit\n");
    CHECK(terminal.end() == 0);
}

TEST_CASE("in a terminal") {
    Terminal terminal("--logit-bias 27=1000 -n 3 --prompt-format world");
    CHECK_THAT(terminal.enter("hi"),
               StartsWith("\uFFFD\uFFFD\uFFFD\r\n\r\n"));  // no escape sequence of the model's making
    CHECK_THAT(terminal.enter("/load no-such-file"), StartsWith("chat: cannot open no-such-file"));
    CHECK_THAT(terminal.enter("/frobnicate"), ContainsSubstring("/reset") && ContainsSubstring("/quit"));
    CHECK_THAT(terminal.enter("/help"), ContainsSubstring("/load FILE"));
    CHECK_THAT(terminal.enter("/reset"), StartsWith("(a new conversation)"));
    CHECK_THAT(terminal.enter("/retry"), StartsWith("chat: /retry: expected a message"));
    CHECK(terminal.enter("") == "> ");
    terminal.type(ctrl_d);
    CHECK(terminal.end() == 0);
}
