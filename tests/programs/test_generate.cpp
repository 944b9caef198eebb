// What `generate` prints, against the library.

#include <cstdlib>
#include <fstream>
#include <sstream>
#include <string>
#include <vector>

#include <nlohmann/json.hpp>

#include <rwkv/rwkv.hpp>

#include "../catch.hpp"
#include "../model/support.hpp"
#include "terminal.hpp"

using namespace rwkv;
using namespace rwkv::test;
using Catch::Matchers::ContainsSubstring;
using Catch::Matchers::EndsWith;
using Catch::Matchers::StartsWith;

namespace {

/// What generate wrote to standard output for those options, which the shell reads.
std::string generate(const std::string& options) {
    const TempDir directory;
    const auto output = directory.path() / "out";
    const std::string command = std::string(RWKV_PROGRAMS_DIR) + "/generate --model " + fixture("text").string() + " " +
                                options + " >" + output.string() + " 2>/dev/null";
    REQUIRE(std::system(command.c_str()) == 0);
    return read_all(output);
}

std::vector<nlohmann::json> json_lines(const std::string& options) {
    std::istringstream output(generate("--json " + options));
    std::vector<nlohmann::json> lines;
    for (std::string line; std::getline(output, line);) lines.push_back(nlohmann::json::parse(line));
    return lines;
}

Generation by_library(const std::string& prompt, const GenerationOptions& options) {
    return Generator(load_model(fixture("text")), load_tokenizer(fixture("text"))).generate(prompt, options);
}

}  // namespace

TEST_CASE("generate's continuations are those of a generator with the next seeds") {
    const auto lines =
        json_lines("--prompt 'The cat' -n 12 --temperature 0.9 --top-p 0.9 --seed 7 --num 3 --top-logprobs 2");
    REQUIRE(lines.size() == 3);
    for (std::size_t i = 0; i < 3; ++i) {
        const Generation expected = by_library(
            "The cat",
            {.max_new_tokens = 12, .sampling = {.temperature = 0.9f, .top_p = 0.9f, .seed = 7 + i}, .top_logprobs = 2});
        const nlohmann::json& found = lines[i];
        CHECK(found["seed"] == 7 + i);
        CHECK(found["text"] == expected.text);
        CHECK(found["tokens"] == nlohmann::json(expected.tokens));
        CHECK(found["finish_reason"] == "length");
        CHECK(found["prompt_tokens"] == 7);
        CHECK(found["decode_steps"] == 11);
        CHECK(found["prompt_seconds"].get<double>() > 0);
        REQUIRE(found["log_probabilities"].size() == 12);
        REQUIRE(found["top_logprobs"].size() == 12);
        for (std::size_t t = 0; t < 12; ++t) {
            // Prompts read in other chunks differ by rounding.
            CHECK(std::abs(found["log_probabilities"][t].get<double>() - expected.log_probabilities[t]) < 1e-4);
            REQUIRE(found["top_logprobs"][t].size() == 2);
            CHECK(found["top_logprobs"][t][0][0] == expected.top_logprobs[t][0].token);
        }
    }
    const std::string text = generate("--prompt 'The cat' -n 12 --temperature 0.9 --top-p 0.9 --seed 7 --num 2");
    CHECK(text.find("--- 1 of 2, seed 7\n" + lines[0]["text"].get<std::string>() + "\n") == 0);
    CHECK(text.ends_with("--- 2 of 2, seed 8\n" + lines[1]["text"].get<std::string>() + "\n"));
}

TEST_CASE("every sampling option of generate is the library's") {
    const struct {
        std::string words;
        SamplingOptions options;
    } cases[] = {
        {"--temperature 0.7", {.temperature = 0.7f}},
        {"--temperature 1 --top-k 5", {.temperature = 1, .top_k = 5}},
        {"--temperature 1 --top-p 0.5", {.temperature = 1, .top_p = 0.5f}},
        {"--temperature 2 --min-p 0.2", {.temperature = 2, .min_p = 0.2f}},
        {"--temperature 1 --typical-p 0.3", {.temperature = 1, .typical_p = 0.3f}},
        {"--temperature 1 --mirostat-tau 2 --mirostat-eta 0.5",
         {.temperature = 1, .mirostat_tau = 2, .mirostat_eta = 0.5f}},
        {"--temperature 0.3 --top-p 0.6 --order hugging-face",
         {.temperature = 0.3f, .top_p = 0.6f, .order = SamplingOrder::hugging_face}},
        {"--temperature 0.3 --top-p 0.6 --order rwkv", {.temperature = 0.3f, .top_p = 0.6f}},
        {"--presence-penalty 0.5", {.presence_penalty = 0.5f}},
        {"--frequency-penalty 2 --penalty-decay 0.5", {.frequency_penalty = 2, .penalty_decay = 0.5f}},
        {"--frequency-penalty 2", {.frequency_penalty = 2}},
        {"--repetition-penalty 1.5", {.repetition_penalty = 1.5f}},
        {"--no-repeat-ngram-size 1", {.no_repeat_ngram_size = 1}},
        {"--logit-bias 65=1e3 66=-inf", {.logit_bias = {{65, 1e3f}, {66, -std::numeric_limits<float>::infinity()}}}},
        {"--suppress-tokens 33 94 10", {.suppress_tokens = {33, 94, 10}}},
        {"--temperature 1 --seed 99", {.temperature = 1, .seed = 99}},
    };
    std::vector<std::vector<TokenId>> all;
    for (const auto& [words, options] : cases) {
        INFO(words);
        const auto expected = by_library("x", {.max_new_tokens = 25, .sampling = options}).tokens;
        CHECK(json_lines("--prompt x -n 25 " + words + (words.find("--seed") == words.npos ? " --seed 0" : ""))
                  .at(0)["tokens"] == nlohmann::json(expected));
        all.push_back(expected);
    }
    std::sort(all.begin(), all.end());
    CHECK(std::unique(all.begin(), all.end()) == all.end());  // each of them changes something
}

TEST_CASE("generate ends where it is told to") {
    const std::string text = by_library("The cat", {.max_new_tokens = 40}).text;
    std::size_t at = 3;
    const auto letter = [&](std::size_t i) { return std::isalnum(static_cast<unsigned char>(text[i])) != 0; };
    while (at + 1 < text.size() && !(letter(at) && letter(at + 1))) ++at;
    REQUIRE(at + 1 < text.size());
    const std::string stop = text.substr(at, 2);
    const auto found = json_lines("--prompt 'The cat' -n 40 --stop never --stop " + stop).at(0);
    CHECK(found["finish_reason"] == "stop");
    CHECK(found["text"] == text.substr(0, text.find(stop)));
    CHECK(generate("--prompt 'The cat' -n 40 --stop " + stop) == text.substr(0, text.find(stop)) + "\n");
    const auto ended =
        json_lines("--prompt 'The cat' -n 40 --stop-token-ids 255 " + std::to_string(static_cast<int>(stop[0]))).at(0);
    CHECK(ended["finish_reason"] == "eos");
    CHECK(ended["text"] == text.substr(0, text.find(stop[0])));
}

TEST_CASE("generate's text is held to a schema, a grammar or an expression") {
    const TempDir directory;
    const auto schema = directory.path() / "schema.json", rules = directory.path() / "rules.gbnf";
    std::ofstream(schema) << R"({"type":"object","properties":{"ok":{"type":"boolean"}},"required":["ok"],)"
                          << R"("additionalProperties":false})";
    std::ofstream(rules) << "root ::= [0-9]{2} \"-\" end\nend ::= \"a\" | \"b\"\n";
    const auto object = json_lines("--prompt x -n 40 --json-schema " + schema.string()).at(0);
    CHECK(nlohmann::json::parse(object["text"].get<std::string>())["ok"].is_boolean());
    CHECK(object["finish_reason"] == "constraint");
    const std::string by_rules = generate("--prompt x -n 40 --temperature 1 --seed 3 --grammar " + rules.string());
    REQUIRE(by_rules.size() == 5);
    CHECK((by_rules[2] == '-' && (by_rules[3] == 'a' || by_rules[3] == 'b')));
    CHECK(generate("--prompt x -n 40 --regex 'ab{3}c'") == "abbbc\n");
    CHECK(json_lines("--prompt x -n 2 --regex 'a[bc]{30}'").at(0)["finish_reason"] == "length");
    const std::string program =
        std::string(RWKV_PROGRAMS_DIR) + "/generate --prompt x --model " + fixture("text").string();
    for (const std::string& wrong : {std::string("--regex 'a(?=b)'"), "--regex a --grammar " + rules.string(),
                                     "--json-schema " + rules.string(), std::string("--grammar /nowhere")}) {
        INFO(wrong);
        CHECK(std::system((program + " " + wrong + " >/dev/null 2>&1").c_str()) != 0);
    }
}

TEST_CASE("generate's ids are its text's") {
    const auto text = json_lines("--prompt A -n 10").at(0), ids = json_lines("--prompt 65 --ids -n 10").at(0);
    CHECK(ids["tokens"] == text["tokens"]);
    CHECK(!ids.contains("text"));
}

TEST_CASE("generate says in a terminal that it waits for a prompt, and takes what is typed") {
    const std::string command =
        std::string(RWKV_PROGRAMS_DIR) + "/generate --model '" + fixture("text").string() + "' -n 12";
    Terminal terminal(command);
    CHECK_THAT(terminal.expect("\n"), StartsWith("(waiting for the prompt: type it, then Ctrl-D on a line of its own"));
    terminal.type("The cat\nsat\n" + ctrl_d);
    CHECK(terminal.end() == 0);
    // The terminal shows a line end as two characters.
    CHECK_THAT(terminal.shown(), ContainsSubstring("\r\nprompt 12 tokens"));
    const std::string text = by_library("The cat\nsat\n", {.max_new_tokens = 12}).text;
    const TempDir directory;
    CHECK(generate("-n 12 --prompt-file - <" + directory.write("prompt", "The cat\nsat\n").string()) == text + "\n");

    Terminal cut(command + " --prompt-file /dev/stdin");
    cut.expect("(waiting for the prompt");
    cut.type(repeat("x", 3000) + "\n" + repeat("y", 5000) + "\n" + ctrl_d);
    CHECK(cut.end() == 0);
    CHECK_THAT(cut.shown(), ContainsSubstring("note: line 2 was cut short: a terminal takes 4095 bytes in a line"));
}

TEST_CASE("the bar of generate fits any terminal") {
    for (const int columns : {10, 20, 40, 120}) {
        CAPTURE(columns);
        Terminal terminal(std::string(RWKV_PROGRAMS_DIR) + "/generate -p Once -n 1", {.columns = columns});
        CHECK(terminal.end() == 0);
        std::string shown = terminal.shown();
        shown.resize(shown.rfind("\r\x1b[K"));
        std::size_t longest = 0;
        for (std::size_t at = 0; (at = shown.find('\r', at)) != shown.npos; ++at)
            longest = std::max(longest, std::min(shown.find("\x1b[K", at), shown.size()) - at - 1);
        CHECK(longest < static_cast<std::size_t>(columns));
        CHECK(longest >= 4);
    }
}

TEST_CASE("generate draws a seed of its own unless told one, and says which") {
    const TempDir directory;
    const auto answer = [&](const std::string& options) {
        const auto error = directory.path() / "err";
        const std::string command = std::string(RWKV_PROGRAMS_DIR) + "/generate --model " + fixture("text").string() +
                                    " -p x -n 30 " + options + " 2>" + error.string() + " >" +
                                    (directory.path() / "out").string();
        REQUIRE(std::system(command.c_str()) == 0);
        const std::string said = read_all(error);
        const std::string seed = said.starts_with("seed: ") ? said.substr(6, said.find('\n') - 6) : "";
        return std::pair(seed, read_all(directory.path() / "out"));
    };
    for (const std::string options : {"--temperature 1", "--temperature 1 --seed -1"}) {
        const auto [seed, text] = answer(options);
        REQUIRE(!seed.empty());
        CHECK(answer("--temperature 1 --seed " + seed) == std::pair(std::string(), text));
        CHECK(answer(options).first != seed);
    }
    CHECK(answer("").first.empty());  // greedy: no seed matters
    CHECK(json_lines("-p x -n 2 --temperature 1 --seed 18446744073709551615").at(0)["seed"] == 18446744073709551615U);
}
