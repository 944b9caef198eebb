// `tokenize` from the outside: what it answers, line by line, and how it ends.

#include <cstdlib>
#include <string>
#include <vector>

#include <sys/wait.h>

#include <nlohmann/json.hpp>

#include "../support.hpp"
#include "../text/support.hpp"

using namespace rwkv::test;
using Catch::Matchers::ContainsSubstring;
using Catch::Matchers::StartsWith;
using nlohmann::json;

namespace {

const std::string tokenize = std::string(RWKV_PROGRAMS_DIR) + "/tokenize";
const std::string bytes = (std::filesystem::path(RWKV_FIXTURES_DIR) / "text").string();  // a model whose ids are bytes

int run(const std::string& command) {
    const int status = std::system(command.c_str());
    REQUIRE(WIFEXITED(status));
    return WEXITSTATUS(status);
}

struct Answer {
    int code;
    std::string output, error;
};

Answer answer(const std::string& input, const std::string& options, const std::string& program = tokenize) {
    const TempDir directory;
    const auto file = [&](const char* name) { return "'" + (directory.path() / name).string() + "'"; };
    directory.write("in", input);
    const int code = run(program + " " + options + " <" + file("in") + " >" + file("out") + " 2>" + file("err"));
    return {code, read_all(directory.path() / "out"), read_all(directory.path() / "err")};
}

}  // namespace

TEST_CASE("tokenize gives the reference's ids and texts") {
    std::string texts, ids, decoded;
    const json expected = read_json(tokenizer_file("expected.json"));
    for (const json& row : expected.at("cases")) {
        if (row.at("tokenizer") != "small") continue;
        texts += row.at("text").dump(-1, ' ', ids.size() % 2 == 0) + "\n";
        ids += row.at("ids").dump() + "\n";
        decoded += row.at("decoded").dump() + "\n";
    }
    const std::string model = "--model '" + tokenizer_file("small.json").string() + "'";
    const Answer encoding = answer(texts, model), decoding = answer(ids, model + " --decode");
    CHECK(encoding.code == 0);
    CHECK((encoding.output == ids));
    CHECK(encoding.error.empty());
    CHECK(decoding.code == 0);
    CHECK((decoding.output == decoded));
}

TEST_CASE("tokenize takes any form of JSON") {
    const std::string model = "-m '" + bytes + "'";
    CHECK(answer("", model).output.empty());
    CHECK(answer("\"\"", model).output == "[]\n");
    CHECK(answer(" \"a\\u0000\\n\\ud83d\\ude00\" \r\n\"b\"", model).output == "[97,0,10,240,159,152,128]\n[98]\n");
    CHECK(answer("[]\n [ 97 ,\t98,0 ] \r\n[226,130]", model + " --decode").output ==
          "\"\"\n\"ab\\u0000\"\n\"\xEF\xBF\xBD\"\n");
    const Answer large = answer("\"" + std::string(5'000'000, 'a') + "\"\n", model);
    CHECK(large.code == 0);
    CHECK(large.output.size() == 3 * 5'000'000 + 2);  // more values than a file of the library's may have
    CHECK((answer(large.output, model + " --decode").output == "\"" + std::string(5'000'000, 'a') + "\"\n"));
}

TEST_CASE("tokenize refuses a line by its number, and has answered those before") {
    const std::string model = "--model '" + bytes + "'";
    for (const char* line :
         {"", " ", "a", "\"a", "\"a\" \"b\"", "[97]", "{}", "3", "null", "'a'", "\"\\ud800\"", "\"\\ud800\\u0041\"",
          "\"\xFF\"", "\"\xED\xA0\x80\"", "\"\\x41\"", "\"\t\"", "\"a\",", "\xEF\xBB\xBF\"a\""}) {
        INFO(line);
        const Answer found = answer(std::string("\"a\"\n") + line + "\n\"c\"\n", model);
        CHECK(found.code == 1);
        CHECK(found.output == "[97]\n");
        CHECK_THAT(found.error, StartsWith("tokenize: standard input: line 2") && ContainsSubstring(": expected "));
    }
    for (const char* line :
         {"",        "97",     "[",       "[97",    "[97,",  "[97,]",        "[,97]",
          "[97 98]", "[97]]",  "[97] 98", "[[97]]", "[-1]",  "[-0]",         "[+1]",
          "[01]",    "[1.0]",  "[1e1]",   "[0x1]",  "[256]", "[2147483648]", "[18446744073709551617]",
          "[\"a\"]", "[null]", "{}",      "\"a\"",  "97, 98"}) {
        INFO(line);
        const Answer found = answer(std::string("[97]\n") + line + "\n[98]\n", model + " --decode");
        CHECK(found.code == 1);
        CHECK(found.output == "\"a\"\n");
        CHECK_THAT(found.error, StartsWith("tokenize: standard input: line 2: expected "));
    }
    CHECK_THAT(answer("[97, x", model + " --decode").error, ContainsSubstring("found \"x\" at byte 6"));
    CHECK_THAT(answer("[97,", model + " --decode").error, ContainsSubstring("found the end of the line at byte 5"));
}

TEST_CASE("tokenize ends as every program does") {
    const std::string model = "--model '" + bytes + "'";
    CHECK_THAT(answer("", "--help").output, ContainsSubstring("--decode"));
    CHECK(answer("", model + " --frobnicate").code == 2);
    CHECK_THAT(answer("", "--model no-such-model").error, ContainsSubstring("cannot open no-such-model"));
    CHECK(answer("", "--model no-such-model").code == 1);
    CHECK(run("printf '\"a\"\\n' | " + tokenize + " " + model + " >/dev/full 2>/dev/null") == 1);
    CHECK(run(tokenize + " " + model + " </ >/dev/null 2>&1") == 1);  // a directory cannot be read
}

TEST_CASE("tokenize needs no model where the demo model is") {
    CHECK(answer("\"Once upon a time\"", "").output == "[2686,644,260,538]\n");
    CHECK_THAT(answer("", "--help").output, ContainsSubstring("examples/fairy-tales"));
    const Answer elsewhere = answer("\"a\"", "", RWKV_TOKENIZE_ELSEWHERE);
    CHECK(elsewhere.code == 2);
    CHECK_THAT(elsewhere.error, StartsWith("--model is required"));
    CHECK(answer("\"a\"", "--model '" + bytes + "'", RWKV_TOKENIZE_ELSEWHERE).output == "[97]\n");
}

TEST_CASE("tokenize answers a line before it waits for the next") {
    const TempDir directory;
    const auto talk = directory.write("talk", "coproc T { exec " + tokenize + " --model '" + bytes + R"('; }
for i in 1 2 3; do
    echo "\"$i\"" >&${T[1]} && read -r -t 60 -u ${T[0]} line && [ "$line" = "[$((48 + i))]" ] || exit 1
done)");
    CHECK(run("bash '" + talk.string() + "'") == 0);
}

TEST_CASE("tokenize reads lines from files of other systems") {
    using namespace std::string_literals;
    const std::string model = "--model '" + bytes + "'";
    CHECK(answer("\xEF\xBB\xBF\"a\"\r\n\"b\"", model).output == "[97]\n[98]\n");
    const Answer latin = answer("\"a\"\n\"caf\xE9\"\n", model);
    CHECK(latin.code == 1);
    CHECK(latin.output == "[97]\n");
    CHECK_THAT(
        latin.error,
        StartsWith("tokenize: standard input: line 2, byte 5: expected UTF-8, found the byte E9, as in Latin-1"));
    for (const std::string& text : {"\xFF\xFE\"\0a\0\"\0\n\0"s, "\0\"\0a\0\"\0\n"s}) {
        const Answer wide = answer(text, model);
        CHECK(wide.code == 1);
        CHECK_THAT(wide.error,
                   StartsWith("tokenize: standard input: line 1, byte 1: expected a text in UTF-8, found UTF-16"));
    }
}
