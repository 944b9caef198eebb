// The numbers that `score` writes and prints, against Hugging Face's.

#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmath>
#include <cstdlib>
#include <fstream>

#include <nlohmann/json.hpp>

#include <rwkv/checkpoint/checkpoint.hpp>

#include "../catch.hpp"
#include "../model/support.hpp"

using namespace rwkv;
using namespace rwkv::test;

namespace {

/// Runs score on a fixture's own tokens and returns what --json printed.
nlohmann::json score(const std::string& name, const TempDir& directory, const std::string& options) {
    std::string ids;
    for (const TokenId token : Expected(name).tokens) ids += std::to_string(token) + "\n";
    const auto ids_file = directory.write("ids", ids), output = directory.path() / "out";
    const std::string command = std::string(RWKV_PROGRAMS_DIR) + "/score --json --model " + fixture(name).string() +
                                " --ids-file " + ids_file.string() + " " + options + " >" + output.string();
    REQUIRE(std::system(command.c_str()) == 0);
    return nlohmann::json::parse(read_all(output));
}

}  // namespace

TEST_CASE("score's logits and log-probabilities are Hugging Face's") {
    const Expected expected("odd");
    const std::size_t V = 67;
    for (const std::string mode : {"--mode rnn", "--mode parallel --chunk 20 --threads 2"}) {
        const TempDir directory;
        const auto logits_file = directory.path() / "logits.safetensors";
        const auto printed = score("odd", directory, mode + " --logits " + logits_file.string());
        const auto file = checkpoint::Checkpoint::open(logits_file);
        REQUIRE(file.find("logits")->info.shape == Shape{expected.tokens.size(), V});
        CHECK(error_of(elements<float>(file, "logits"), expected.logits) < tolerance);

        double nats = 0;
        CHECK(printed["log_probabilities"][0].is_null());
        for (std::size_t i = 1; i < expected.tokens.size(); ++i) {
            double sum = 0;
            for (std::size_t v = 0; v < V; ++v) sum += std::exp(static_cast<double>(expected.logits[(i - 1) * V + v]));
            const auto token = static_cast<std::size_t>(expected.tokens[i]);
            const double value = static_cast<double>(expected.logits[(i - 1) * V + token]) - std::log(sum);
            CHECK(std::abs(printed["log_probabilities"][i].get<double>() - value) < 1e-4);
            nats -= value;
        }
        const auto predicted = static_cast<double>(expected.tokens.size() - 1);
        CHECK(printed["tokens"] == expected.tokens.size());
        CHECK(printed["predicted"] == expected.tokens.size() - 1);
        CHECK(printed["ids"] == nlohmann::json(expected.tokens));
        CHECK(std::abs(printed["nats_per_token"].get<double>() - nats / predicted) < 1e-4);
        CHECK(std::abs(printed["perplexity"].get<double>() / std::exp(nats / predicted) - 1) < 1e-4);
        CHECK(printed["bits_per_byte"].is_null());  // there is no tokenizer, so nobody knows the bytes
    }
}

TEST_CASE("score's options change what they say") {
    const TempDir directory;
    const double plain = score("odd", directory, "")["nats_per_token"].get<double>();
    CHECK(std::abs(score("odd", directory, "--no-rescale")["nats_per_token"].get<double>() - plain) > 1e-5);
    const double bf16 = score("odd", directory, "--format bf16")["nats_per_token"].get<double>();
    CHECK(bf16 != plain);
    CHECK(std::abs(bf16 - plain) < 0.05);
    CHECK(score("odd", directory, "--format f32")["nats_per_token"].get<double>() == plain);
}

TEST_CASE("score measures how far a format strays from another") {
    const TempDir directory;
    CHECK(score("odd", directory, "--format f32 --kl-from f32")["kl_divergence"].get<double>() == 0);
    CHECK_FALSE(score("odd", directory, "").contains("kl_divergence"));
    // Against the definition, from the logits of both.
    const auto logits = [&](const std::string& format) {
        const auto file = directory.path() / (format + ".safetensors");
        score("odd", directory, "--chunk 11 --format " + format + " --logits " + file.string());
        return elements<float>(checkpoint::Checkpoint::open(file), "logits");
    };
    const auto p = logits("f32"), q = logits("q4");
    const std::size_t V = 67, predicted = p.size() / V - 1;
    double sum = 0;
    for (std::size_t row = 0; row < predicted; ++row) {
        double p_sum = 0, q_sum = 0;
        for (std::size_t v = row * V; v < (row + 1) * V; ++v)
            p_sum += std::exp(static_cast<double>(p[v])), q_sum += std::exp(static_cast<double>(q[v]));
        for (std::size_t v = row * V; v < (row + 1) * V; ++v)
            sum += std::exp(static_cast<double>(p[v])) / p_sum *
                   (static_cast<double>(p[v]) - static_cast<double>(q[v]) - std::log(p_sum) + std::log(q_sum));
    }
    const double found = score("odd", directory, "--chunk 11 --format q4 --kl-from f32")["kl_divergence"].get<double>();
    CHECK(found > 1e-4);
    CHECK(std::abs(found / (sum / static_cast<double>(predicted)) - 1) < 1e-4);
}

TEST_CASE("score that is ended leaves no half-written file") {
    const std::string program = std::string(RWKV_PROGRAMS_DIR) + "/score";
    std::string ids;
    for (int i = 0; i < 100000; ++i) ids += "5 ";
    for (const int signal : {SIGINT, SIGTERM, SIGHUP}) {
        const TempDir directory, out;
        const std::string ids_file = directory.write("ids", ids).string(), logits = (out.path() / "logits").string(),
                          model = fixture("text").string();
        const pid_t child = ::fork();
        REQUIRE(child >= 0);
        if (child == 0) {
            ::close(STDOUT_FILENO), ::close(STDERR_FILENO);
            ::execl(program.c_str(), "score", "--model", model.c_str(), "--ids-file", ids_file.c_str(), "--logits",
                    logits.c_str(), "--mode", "rnn", nullptr);
            ::_exit(127);
        }
        while (out.count() == 0 && ::waitpid(child, nullptr, WNOHANG) == 0) ::usleep(100);
        ::kill(child, signal);
        int status = 0;
        REQUIRE(::waitpid(child, &status, 0) == child);
        REQUIRE(WIFEXITED(status));
        CHECK(WEXITSTATUS(status) == 128 + signal);
        CHECK(out.count() == 0);
    }
}
