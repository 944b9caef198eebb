#include <rwkv/load_tokenizer.hpp>
#include <rwkv/text/prompt_format.hpp>

#include "../support.hpp"

using namespace rwkv;
using namespace rwkv::test;

TEST_CASE("a message is told as models were taught to read one") {
    CHECK(normalize_message("Hello") == "Hello");
    CHECK(normalize_message("") == "");
    CHECK(normalize_message(" \r\n\t\n ") == "");
    CHECK(normalize_message("  \n\tone  two \n") == "one  two");
    CHECK(normalize_message("one\ntwo") == "one\ntwo");
    CHECK(normalize_message("one\r\ntwo\rthree") == "one\ntwo\nthree");
    CHECK(normalize_message("one\n\ntwo\n\n\n\nthree") == "one\ntwo\nthree");
    CHECK(normalize_message("one\r\n\r\ntwo") == "one\ntwo");
    CHECK(normalize_message("one\n \t\n two") == "one\n two");  // code keeps its indentation
    CHECK(normalize_message("\xE3\x80\x80é\xFF") == "\xE3\x80\x80é\xFF");
}

TEST_CASE("the prompts of the formats") {
    CHECK(prompt_format("raven").prompt(" Hi!\n") == "Bob: Hi!\n\nAlice:");
    CHECK(prompt_format("world").prompt("a\n\nb") == "User: a\nb\n\nAssistant:");
    CHECK(prompt_format("raven-instruct").prompt("Sing.") ==
          "Below is an instruction that describes a task. Write a response that appropriately completes the request."
          "\n\n# Instruction:\nSing.\n\n# Response:\n");
    CHECK(prompt_format("raven").stop_strings == std::vector<std::string>{"\n\n"});
    CHECK(prompt_format("world").stop_strings == std::vector<std::string>{"\n\n"});
    for (const std::string& stop : prompt_format("raven-instruct").stop_strings) CHECK(stop != "\n\n");
}

TEST_CASE("turns are separated once, whatever the answer ended in") {
    const PromptFormat& raven = prompt_format("raven");
    CHECK(raven.prompt("Hi!", "Alice: Well.") == "\n\nBob: Hi!\n\nAlice:");
    CHECK(raven.prompt("Hi!", "Alice: Well.\n") == "\nBob: Hi!\n\nAlice:");
    CHECK(raven.prompt("Hi!", "\n") == "\nBob: Hi!\n\nAlice:");
    CHECK(raven.prompt("Hi!", "Alice: Well.\n\n") == "Bob: Hi!\n\nAlice:");
    CHECK(raven.prompt("Hi!", "\n\n\n") == "Bob: Hi!\n\nAlice:");
    CHECK(raven.missing_separator("") == "");

    const PromptFormat own{"own", "<", ">", "ababac", {}};
    CHECK(own.missing_separator("ab") == "abac");
    CHECK(own.missing_separator("ababa") == "c");
    CHECK(own.missing_separator("xababab") == "ac");  // as much as there is, not as little
    CHECK(own.missing_separator("ababac") == "");
    CHECK(PromptFormat{}.prompt("as it is", "told") == "as it is");
}

TEST_CASE("formats go by their names") {
    for (const PromptFormat& format : prompt_formats()) CHECK(&prompt_format(format.name) == &format);
    CHECK(outcome([] { static_cast<void>(prompt_format("Raven")); }) ==
          "ArgumentError prompt_format: name: expected one of raven, raven-instruct, world, found \"Raven\"");
}

TEST_CASE("a model's format is guessed from its vocabulary") {
    const TempDir directory;
    CHECK(guess_prompt_format(directory.path()).name == "raven");
    directory.write("rwkv_vocab_v20230424.txt", "");
    CHECK(guess_prompt_format(directory.path()).name == "world");
    directory.write("tokenizer.json", "");  // is the one that is loaded
    CHECK(guess_prompt_format(directory.path()).name == "raven");
    CHECK(guess_prompt_format("no-such-dir").name == "raven");
}
