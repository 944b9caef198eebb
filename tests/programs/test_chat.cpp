// `chat` from the outside: in a pipe, and in a terminal of its own with somebody typing. The fixture's ids are bytes,
// so that what a saved conversation holds can be read, and biases on them decide what the model says.

#include <signal.h>
#include <sys/wait.h>

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <string>
#include <vector>

#include <rwkv/checkpoint/checkpoint.hpp>
#include <rwkv/io/safetensors_writer.hpp>
#include <rwkv/text/utf8.hpp>

#include "../model/support.hpp"
#include "terminal.hpp"

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

/// The text without the lines that begin so.
std::string without_lines(std::string text, const std::string& beginning) {
    for (std::size_t at = 0; at < text.size();) {
        const std::size_t end = std::min(text.find('\n', at), text.size() - 1) + 1;
        if (text.compare(at, beginning.size(), beginning) == 0)
            text.erase(at, end - at);
        else
            at = end;
    }
    return text;
}

/// What comes of input from a pipe, without what is always said of a model that is none for chats.
Answer chat(const std::string& input, const std::string& options,
            const std::filesystem::path& model = fixture("text")) {
    const TempDir directory;
    const auto file = [&](const char* name) { return "'" + (directory.path() / name).string() + "'"; };
    directory.write("in", input);
    const std::string command = program + " --model '" + model.string() + "' -t 1 " + options + " <" + file("in") +
                                " >" + file("out") + " 2>" + file("err");
    const int status = std::system(command.c_str());
    REQUIRE(WIFEXITED(status));
    const std::string error = read_all(directory.path() / "err");
    return {WEXITSTATUS(status), read_all(directory.path() / "out"),
            without_lines(without_lines(error, "seed: "), "note: \"")};
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

/// Chat in a terminal, waited for.
class ChatTerminal : public Terminal {
  public:
    explicit ChatTerminal(const std::string& options, Options terminal = Options())
        : Terminal(program + " --model '" + fixture("text").string() + "' -t 1 " + options, terminal) {
        begin_ = expect("> ");
    }

    /// What was shown before the first prompt.
    const std::string& begin() const { return begin_; }

  private:
    std::string begin_;
};

const std::string always_a = " --logit-bias 65=1000 ";
const std::string endless = always_a + "-n 1000000000000 ";

#if defined(RWKV_HAS_LIBEDIT)
constexpr bool edits = true;
#else
constexpr bool edits = false;
#endif

/// Whether chat was built with a library to edit lines; else says that a test is skipped.
bool edits_lines() {
    if (!edits) WARN("skipped: chat was built without libedit");
    return edits;
}

}  // namespace

TEST_CASE("a pipe of messages gives answers and nothing else") {
    const Answer answer = chat("hi\n\n  \nagain", always_a + "-n 3");
    CHECK(answer.code == 0);
    CHECK(answer.output == "AAA\nAAA\n");
    CHECK(answer.error == "(cut off: max_new_tokens is 3)\n(cut off: max_new_tokens is 3)\n");
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
        {"/set top_k 1.5", "chat: /set: top_k: expected an integer from 0 to 2147483647, found \"1.5\""},
        {"/set top_k 99999999999", "chat: /set: top_k: expected an integer from 0 to 2147483647, found"},
        {"/set top_p 0.5x", "chat: /set: top_p: expected a number, found \"0.5x\""},
        {"/set seed -2", "chat: /set: seed: expected an integer from 0 to 18446744073709551615, found"},
        {"/set max_new_tokens -1",
         "chat: /set: max_new_tokens: expected an integer from 0 to 9223372036854775807, found"},
        {"/set topp 1", "chat: /set: expected temperature, top_k, top_p"},
    };
    for (const auto& [command, complaint] : cases) {
        const Answer found = chat(std::string(command) + "\n/set\nhi\n", always_a + "-n 1");
        CHECK_THAT(found.error, StartsWith(complaint) && ContainsSubstring("top_p 0.85\n") &&
                                    ContainsSubstring("top_k 0\n") && ContainsSubstring("max_new_tokens 1\n"));
        CHECK(found.output == "A\n");
    }
    CHECK(chat("", "--top-p 3").code == 2);
}

TEST_CASE("what goes wrong does not end the chat") {
    const struct {
        const char *input, *complaint;
    } cases[] = {
        {"/frobnicate it", "chat: there is no command \"/frobnicate\"; the commands are\n/retry"},
        {"/save", "chat: /save: expected the name of a file, found none"},
        {"/save /dev/null/x", "chat: cannot create /dev/null/x"},
        {"/load no-such-file", "chat: cannot open no-such-file"},
        {"/retry", "chat: /retry: expected a message"},
        {"\xff", "chat: standard input: line 1, byte 1: expected UTF-8, found the byte FF"},
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
    ChatTerminal terminal(endless);
    terminal.type("hi\r");
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
    terminal.type("/retry\r");
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
    ChatTerminal terminal(always_a + "-n 3 --mode rnn");
    terminal.enter("hi");
    for (int i = 0; i < 200; ++i) {
        terminal.type(repeat("long ", 800) + "\\\r");
        terminal.expect("\r\n| ");
    }
    terminal.type("end\r");
    terminal.expect("prompt [");
    terminal.type(ctrl_c);
    terminal.expect("it is forgotten");
    terminal.expect("> ");
    terminal.enter("/save " + mine);
    CHECK(text_of(mine) == text_of(expected));
    terminal.type("/retry\r");  // sends it again
    terminal.expect("prompt [");
    terminal.type(ctrl_c);
    terminal.expect("it is forgotten");
    terminal.expect("> ");
    CHECK_THAT(terminal.enter("again"), StartsWith("AAA\r\n"));
    terminal.enter("/save " + mine);
    CHECK(text_of(mine) == text_of(expected) + "\n\nBob: again\n\nAlice:AAA");
}

TEST_CASE("Ctrl-C at the prompt clears what was typed") {
    ChatTerminal terminal(always_a + "-n 3");
    terminal.type("half a li");
    terminal.expect("half a li");
    terminal.type(ctrl_c);
    terminal.expect("(Ctrl-C again, Ctrl-D or /quit to leave)");
    terminal.expect("> ");
    terminal.type("one line \\\r");
    terminal.expect("| ");
    terminal.type(ctrl_c);
    CHECK_THAT(terminal.expect("> "), ContainsSubstring("to leave") && !ContainsSubstring("A"));
    terminal.enter("/set seed 77");
    CHECK_THAT(terminal.enter("/set"), ContainsSubstring("seed 77\r\n"));
    terminal.type("/quit\r");
    CHECK(terminal.end() == 0);
}

TEST_CASE("in a terminal") {
    ChatTerminal terminal("--logit-bias 27=1000 -n 3 --prompt-format world");
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

TEST_CASE("Ctrl-C twice leaves") {
    ChatTerminal terminal(always_a + "-n 3");
    terminal.type("half a line");
    terminal.expect("line");
    terminal.type(ctrl_c);
    terminal.expect("> ");
    terminal.enter("one message");
    terminal.type(ctrl_c);
    terminal.expect("> ");
    terminal.type(ctrl_c);
    CHECK(terminal.end() == 0);
    CHECK(terminal.is_ordinary());
}

TEST_CASE("a line is edited, and the lines before come back") {
    if (!edits_lines()) return;
    const TempDir directory;
    const std::string file = (directory.path() / "saved").string();
    ChatTerminal terminal(always_a + "-n 1");
    terminal.enter("second" + ctrl_a + "the ");
    terminal.enter(up_key + left_key + left_key + left_key + "X");
    terminal.enter("end\x1b[1~the \x1b[4~\x1b[5~\x1b[6~\x1b[2~!");  // Home, End; PgUp, PgDn and Insert do nothing
    terminal.enter("/save " + file);
    CHECK(text_of(file) == "Bob: the second\n\nAlice:A\n\nBob: the secXond\n\nAlice:A\n\nBob: the end!\n\nAlice:A");
}

TEST_CASE("a line may have any length") {
    if (!edits_lines()) return;
    const TempDir directory;
    const std::string file = (directory.path() / "saved").string(), line = repeat("word ", 2000) + "end";
    ChatTerminal terminal(always_a + "-n 1");
    terminal.type(line + "\r");
    terminal.expect("(cut");
    terminal.expect("> ");
    terminal.enter("/save " + file);
    CHECK((text_of(file) == "Bob: " + line + "\n\nAlice:A"));
}

TEST_CASE("what is pasted is one message") {
    if (!edits_lines()) return;
    const TempDir directory;
    const std::string file = (directory.path() / "saved").string();
    const std::string text =
        "/* a\nprogram */\nint x;\t// \xC3\xA9, \xF0\x9F\x98\x80\n" + repeat("long ", 1400) + "line";
    ChatTerminal terminal(always_a + "-n 1", {.columns = 80});
    CHECK_THAT(terminal.begin(), ContainsSubstring("\x1b[?2004h"));
    terminal.type(pasted(text + "\n"));
    terminal.expect("line");
    terminal.type("s\r");
    terminal.expect("(cut");
    terminal.expect("> ");
    terminal.enter("/save " + file);
    CHECK((text_of(file) == "Bob: " + text + "s\n\nAlice:A"));
    terminal.type(ctrl_d);
    CHECK(terminal.end() == 0);
    CHECK_THAT(terminal.shown(), ContainsSubstring("\x1b[?2004l"));
    CHECK(terminal.is_ordinary());
}

TEST_CASE("what is typed while an answer is given waits, and Ctrl-C behind it is heard") {
    if (!edits_lines()) return;
    const TempDir directory;
    const std::string file = (directory.path() / "saved").string();
    ChatTerminal terminal(always_a + "-n 100000");
    terminal.type("hi\r");
    terminal.expect("AAAA");
    terminal.type(pasted(repeat("x", 9000) + "\nsecond line") + "\r");
    terminal.expect("(cut");
    terminal.expect("(cut");
    terminal.expect("> ");
    terminal.enter("/save " + file);
    const std::string text = text_of(file);
    CHECK(text.find("Bob: " + repeat("x", 9000) + "\nsecond line\n\nAlice:A") != text.npos);

    terminal.enter("/set max_new_tokens 1000000000000");
    for (int i = 0; i < 10; ++i) {
        terminal.type("hi\r");
        terminal.expect("AAAA");
        terminal.type(pasted(repeat("x", i % 2 == 0 ? 9000 : 50)) + ctrl_c);
        terminal.expect("> ");
    }
    terminal.type(ctrl_d);
    CHECK(terminal.end() == 0);
}

TEST_CASE("Ctrl-Z gives the terminal back, and takes it again") {
    ChatTerminal terminal(endless, {.columns = 200, .has_shell = true});
    terminal.type("half ");
    terminal.expect("half ");
    terminal.type(ctrl_z);
    CHECK(terminal.is_ordinary_when_stopped());
    terminal.resume();
    if (edits) {
        terminal.expect("> half ");
        terminal.type("a line\r");
    } else {
        terminal.type("a line\r");
    }
    terminal.expect("AAAAAAAA");  // the answer
    terminal.type(ctrl_z);
    CHECK(terminal.is_ordinary_when_stopped());
    terminal.resume();
    terminal.expect("AAAAAAAA");
    if (edits) CHECK_FALSE(terminal.is_ordinary());
    terminal.type(ctrl_c);
    terminal.expect("> ");
    terminal.type(ctrl_d);
    CHECK(terminal.end() == 0);
}

TEST_CASE("a signal that ends chat finds the terminal restored") {
    for (const int signal : {SIGTERM, SIGHUP, SIGQUIT}) {
        CAPTURE(signal);
        ChatTerminal waiting(endless);
        waiting.type("half a line");
        waiting.expect("line");
        waiting.signal(signal);
        CHECK(waiting.end() == 128 + signal);
        CHECK(waiting.is_ordinary());
        ChatTerminal answering(endless);
        answering.type("hi\r");
        answering.expect("AAAAA");
        answering.signal(signal);
        CHECK(answering.end() == 128 + signal);
        CHECK(answering.is_ordinary());
    }
    // One that is ignored, as nohup's, stays so.
    const TempDir directory;
    const std::string script =
        directory
            .write("script", "trap '' HUP\n(sleep 1; kill -HUP $$; sleep 0.2; kill -TERM $$) &\nexec " + program +
                                 " --model '" + fixture("text").string() + "'" + endless + " <<<hi >/dev/null 2>&1\n")
            .string();
    CHECK(WEXITSTATUS(std::system(("bash '" + script + "'").c_str())) == 128 + SIGTERM);
}

TEST_CASE("a narrow terminal, and one that changes its width") {
    const TempDir directory;
    const std::string file = (directory.path() / "saved").string();
    ChatTerminal terminal(always_a + "-n 1 --prompt-format raven", {.columns = 20});
    std::string bar = terminal.begin();  // of loading
    bar.erase(0, bar.find("loading"));
    bar.resize(bar.find("\x1b[K"));
    CHECK(bar.size() < 20);
    terminal.type("a line of more than twenty columns");
    terminal.expect("mns");
    for (const int columns : {50, 11, 30}) {
        terminal.resize(columns);
        if (edits) terminal.expect("\x1b[J> a ");
    }
    terminal.type("!\r");
    terminal.expect("(cut");
    terminal.expect("> ");
    terminal.resize(200);
    terminal.enter("/save " + file);
    CHECK(text_of(file) == "Bob: a line of more than twenty columns!\n\nAlice:A");
}

TEST_CASE("a terminal's own lines are cut at its limit, and that is said") {
    const TempDir directory;
    const std::string notes = (directory.path() / "notes").string(), file = (directory.path() / "saved").string();
    Terminal terminal(program + " --model '" + fixture("text").string() + "' -t 1 " + always_a + "-n 1 2>'" + notes +
                      "'");
    terminal.type(repeat("x", 3000) + "\n");  // echoed by the terminal
    terminal.expect("A\r\n");
    terminal.type(repeat("y", 5000) + "\n/save " + file + "\n");
    terminal.expect("A\r\n");
    terminal.type(ctrl_d);
    CHECK(terminal.end() == 0);
    CHECK_THAT(read_all(notes), ContainsSubstring("note: line 2 was cut short") && !ContainsSubstring("line 1 was"));
}

TEST_CASE("a model that is no chat model is asked about") {
    const TempDir directory;
    const auto answers = [&](const std::string& keys) {
        ChatTerminal terminal(always_a + "-n 1");
        CHECK_THAT(terminal.begin(),
                   ContainsSubstring("does not look like a chat model") && EndsWith("[Y/n, or a message] > "));
        terminal.type(keys + "\r");
        if (keys == "n" || keys == " No") return terminal.end();
        terminal.expect("\r\n");
        const std::string shown = terminal.expect("> ");
        CHECK((shown.find("A\r\n") != shown.npos) == (keys == "hi"));
        terminal.type(ctrl_d);
        return terminal.end();
    };
    for (const char* keys : {"y", "", "hi", "n", " No", "/reset"}) {
        CAPTURE(keys);
        CHECK(answers(keys) == 0);
    }
    ChatTerminal named(always_a + "-n 1 --prompt-format raven");
    CHECK_THAT(named.begin(), !ContainsSubstring("like a chat model") && EndsWith("\n> "));

    // In a pipe it is noted; not where the model's name, or its tokenizer, says that it is one.
    const auto notes = [&](const std::filesystem::path& model, const std::string& options) {
        const std::string err = (directory.path() / "err").string();
        const std::string command = "echo hi | " + program + " -m '" + model.string() + "' -t 1 -n 1 " + options +
                                    " >/dev/null 2>'" + err + "'";
        CHECK(std::system(command.c_str()) == 0);
        return read_all(err);
    };
    const auto raven = directory.path() / "RWKV-4-Raven-test", craven = directory.path() / "craven",
               world = directory.path() / "w";
    for (const auto& copy : {raven, craven}) std::filesystem::copy(fixture("text"), copy);
    std::filesystem::create_directory(world);
    const TempDir made;
    make_world_model(made);
    std::filesystem::copy(made.path(), world);
    CHECK_THAT(notes(fixture("text"), ""),
               ContainsSubstring("does not look like a chat model") && ContainsSubstring("--prompt-format"));
    CHECK_THAT(notes(craven, ""), ContainsSubstring("does not look like a chat model"));
    CHECK_THAT(notes(fixture("text"), "--prompt-format raven"), !ContainsSubstring("like a chat model"));
    CHECK_THAT(notes(raven, ""), !ContainsSubstring("like a chat model"));
    CHECK_THAT(notes(world, ""), !ContainsSubstring("like a chat model"));
}

TEST_CASE("a seed of nobody's choice is said, and can be given again") {
    const TempDir directory;
    const auto answers = [&](const std::string& input, const std::string& options) {
        const std::string err = (directory.path() / "err").string(), out = (directory.path() / "out").string();
        const std::string command = "printf '" + input + "' | " + program + " -m '" + fixture("text").string() +
                                    "' -t 1 -n 20 " + options + " >'" + out + "' 2>'" + err + "'";
        CHECK(std::system(command.c_str()) == 0);
        const std::string said = read_all(err);
        const std::size_t at = said.find("seed: ");
        return std::pair(at == said.npos ? "" : said.substr(at + 6, said.find('\n', at) - at - 6), read_all(out));
    };
    for (const std::string options : {"", "--seed -1"}) {
        const auto [seed, text] = answers("hi\\n", options);
        REQUIRE(!seed.empty());
        CHECK(answers("hi\\n", "--seed " + seed) == std::pair(std::string(), text));
        CHECK(answers("hi\\n", options).first != seed);
    }
    CHECK(!answers("/set seed -1\\n", "--seed 1").first.empty());
}

TEST_CASE("messages from files of other systems") {
    CHECK(told("\xEF\xBB\xBFhi\n", always_a + "-n 1") == "Bob: hi\n\nAlice:A");
    const Answer latin = chat("hi\none\\\ncaf\xE9\nhi\n", always_a + "-n 1");
    CHECK(latin.code == 1);
    CHECK(latin.output == "A\nA\n");
    CHECK_THAT(latin.error,
               ContainsSubstring("chat: standard input: line 3, byte 4: expected UTF-8, found the byte E9"));
    using namespace std::string_literals;
    for (const std::string& text : {"\xFF\xFEh\0i\0\n\0"s, "h\0i\0!\0\n\0"s, "\xFE\xFF\0h\0i\0\n"s}) {
        const Answer wide = chat(text, always_a + "-n 1");
        CHECK(wide.code == 1);
        CHECK(wide.output.empty());
        CHECK_THAT(wide.error,
                   ContainsSubstring("chat: standard input: line 1, byte 1: expected a text in UTF-8, found UTF-16"));
    }
}

TEST_CASE("a conversation is saved where there is no directory yet") {
    const TempDir directory;
    const std::string file = (directory.path() / "new/and newer/talk").string();
    CHECK(chat("hi\n/save " + file + "\n", always_a + "-n 1").code == 0);
    CHECK(text_of(file) == "Bob: hi\n\nAlice:A");
    // As a shell would take the name.
    CHECK(chat("hi\n/save \"" + file + " too\"\n", always_a + "-n 1").code == 0);
    CHECK(text_of(file + " too") == "Bob: hi\n\nAlice:A");
    REQUIRE(::setenv("HOME", directory.path().c_str(), 1) == 0);
    CHECK(chat("hi\n/save ~/talk\n/load ~/talk\n", always_a + "-n 1").code == 0);
    CHECK(text_of((directory.path() / "talk").string()) == "Bob: hi\n\nAlice:A");
}
