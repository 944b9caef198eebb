// What speculative decoding gains: tokens per second with drafts and without, by turns, on a text that repeats much of
// its prompt and on one that repeats nothing.
//
// The demo model writes a tale, which is the prompt; the answers are made of it by rules (a summary, an edited copy).
// No small model and no random weights would write such answers, so a constraint forces them, token by token, with and
// without drafts alike: what is accepted is what the text allows, and all else (passes, logits, sampling) is real.

#include <algorithm>
#include <cstdio>
#include <fstream>
#include <iterator>
#include <limits>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include <CLI/CLI.hpp>

#include <rwkv/rwkv.hpp>

#include "../examples/demo_model.hpp"
#include "../examples/terminal.hpp"
#include "measure.hpp"
#include "synthetic.hpp"

namespace {

using rwkv::Index;

/// Forces a text, token by token.
class Forced : public rwkv::TokenConstraint {
  public:
    explicit Forced(std::vector<rwkv::TokenId> tokens) : tokens_(std::move(tokens)) {}
    void mask(std::span<float> logits) override {
        const auto next = static_cast<std::size_t>(tokens_[at_]);
        const float logit = logits[next];
        std::fill(logits.begin(), logits.end(), -std::numeric_limits<float>::infinity());
        logits[next] = logit;
    }
    void accept(rwkv::TokenId) override { ++at_; }
    bool finished() const override { return at_ == tokens_.size(); }
    std::unique_ptr<TokenConstraint> clone() const override { return std::make_unique<Forced>(*this); }

  private:
    std::vector<rwkv::TokenId> tokens_;
    std::size_t at_ = 0;
};

std::string replaced(std::string text, const std::vector<std::pair<std::string, std::string>>& words) {
    for (const auto& [from, to] : words)
        for (std::size_t at = 0; (at = text.find(from, at)) != text.npos; at += to.size())
            text.replace(at, from.size(), to);
    return text;
}

/// Two sentences of each three, the second up to its first comma, after words that are not the tale's.
std::string summary(const std::string& tale) {
    const char* const openings[] = {" In short,", " After that,", " We also learn that", " At last"};
    std::string text;
    for (std::size_t begin = 0, i = 0; begin < tale.size(); ++i) {
        const std::size_t end = std::min(tale.find(". ", begin), tale.size());
        std::string sentence = tale.substr(begin, end - begin);
        begin = end + 2;
        if (i % 3 == 2) continue;
        if (i % 3 == 1) sentence = openings[i / 3 % 4] + (" " + sentence.substr(0, sentence.find(',')));
        text += " " + sentence + ".";
    }
    return text;
}

/// The same tale of a girl and a sultan.
std::string edited(const std::string& tale) {
    return replaced(tale, {{" he ", " she "},
                           {" his ", " her "},
                           {" him", " her"},
                           {" King", " Sultan"},
                           {" king", " sultan"},
                           {" forest", " desert"}});
}

struct Case {
    std::string name, prompt, answer;
};

struct Options {
    std::string directory = demo_model(), shape, draft, text, draft_format = "q8";
    std::vector<std::string> formats{"f32", "q8"};
    std::vector<int> threads{1, 2};
    std::vector<std::string> cases;
    Index tokens = 160, longest = 8;
    int repeats = 5;
};

std::vector<Case> cases_of(const Options& options, const rwkv::Model& demo, const rwkv::Tokenizer& tokenizer) {
    rwkv::Generator writer(demo, tokenizer, {.threads = 1});
    const auto tale = [&](std::uint64_t seed) {
        writer.reset();
        rwkv::GenerationOptions writing{.max_new_tokens = 400,
                                        .sampling = {.temperature = 0.8f, .top_p = 0.9f, .seed = seed}};
        writing.sampling.suppress_tokens = {demo.config().eos_token_id};
        return "Once upon a time" + writer.generate("Once upon a time", writing).text;
    };
    const std::string one = tale(1), other = tale(2);
    std::vector<Case> cases{{"summary", one + "\n\nThe tale in few words:\n", summary(one)},
                            {"edit", one + "\n\nThe same of a girl and a sultan:\n", edited(one)},
                            {"new text", one + "\n\nAnother tale:\n", other}};
    if (!options.text.empty()) {
        std::ifstream file(options.text, std::ios::binary);
        const std::string text{std::istreambuf_iterator<char>(file), {}};
        if (text.size() < 8000) throw rwkv::FileError(options.text, "", "8,000 bytes at least", "fewer");
        const std::string end = text.substr(text.size() - 8000);
        cases.push_back({"file", end.substr(0, 2000), end.substr(2000)});
    }
    if (!options.cases.empty())
        std::erase_if(cases, [&](const Case& some) { return std::ranges::count(options.cases, some.name) == 0; });
    return cases;
}

void run(const Options& options) {
    std::printf("answers are forced by a constraint, with and without drafts; weights of %s\n",
                options.shape.empty() ? options.directory.c_str() : (options.shape + " are random").c_str());
    const std::string vocabulary = options.draft.empty() ? options.directory : options.draft;
    const rwkv::Tokenizer tokenizer = rwkv::load_tokenizer(vocabulary),
                          demo_tokenizer = rwkv::load_tokenizer(demo_model());
    const std::vector<Case> cases = cases_of(options, rwkv::load_model(demo_model()), demo_tokenizer);
    std::printf("%-7s %7s %-9s %10s %10s %6s %9s %9s %12s\n", "format", "threads", "text", "tokens/s", "with", "gain",
                "drafted", "accepted", "tokens/pass");
    for (const std::string& format : options.formats) {
        const rwkv::WeightFormat weights = *rwkv::weight_format_of(format);
        const Index vocab_size = options.draft.empty() ? 0 : rwkv::load_config(options.draft).vocab_size;
        const rwkv::Model model = options.shape.empty() ? rwkv::load_model(options.directory, {.format = weights})
                                                        : synthetic::model(options.shape, weights, vocab_size);
        for (const int threads : options.threads) {
            std::shared_ptr<rwkv::DraftModel> draft;
            const auto executor = std::make_shared<rwkv::ThreadPool>(threads);
            if (!options.draft.empty())
                draft = std::make_shared<rwkv::DraftModel>(
                    rwkv::load_model(options.draft, {.format = *rwkv::weight_format_of(options.draft_format)}),
                    rwkv::WorkspaceOptions{.executor = executor});
            for (const Case& one : cases) {
                const std::vector<rwkv::TokenId> prompt = tokenizer.encode(one.prompt);
                std::vector<rwkv::TokenId> answer = tokenizer.encode(one.answer);
                answer.resize(std::min(answer.size(), static_cast<std::size_t>(options.tokens)));
                rwkv::GenerationOptions plain{.max_new_tokens = std::numeric_limits<Index>::max()};
                plain.sampling.constraint = std::make_shared<Forced>(answer);
                rwkv::GenerationOptions speculative = plain;
                speculative.speculation = {
                    .max_draft_tokens = options.longest, .prompt_lookup = draft == nullptr, .draft_model = draft};
                rwkv::Generator generator(model, {.executor = executor});
                const auto measure = [&](const rwkv::GenerationOptions& some) {
                    generator.reset();
                    return generator.generate(prompt, some);
                };
                std::vector<double> without, with, gain;
                rwkv::Generation last;
                measure(speculative);
                for (int i = 0; i < options.repeats; ++i) {
                    const auto speed = [](const rwkv::Generation& result) {
                        return static_cast<double>(result.decode_steps) / result.decode_seconds;
                    };
                    without.push_back(speed(measure(plain)));
                    with.push_back(speed(last = measure(speculative)));
                    gain.push_back(with.back() / without.back());
                }
                if (last.tokens != answer) std::printf("another text than was forced!\n");
                std::printf("%-7s %7d %-9s %10.1f %10.1f %5.2fx %9td %9td %12.2f\n", format.c_str(), threads,
                            one.name.c_str(), measure::median(without), measure::median(with), measure::median(gain),
                            last.drafted_tokens, last.accepted_tokens,
                            static_cast<double>(last.decode_steps) /
                                static_cast<double>(last.decode_steps - last.accepted_tokens));
                std::fflush(stdout);
            }
        }
    }
}

}  // namespace

int main(int argc, char** argv) {
    CLI::App app("Measures speculative decoding against decoding token by token, by turns.");
    Options options;
    const std::vector<std::string> formats(rwkv::weight_format_names.begin(), rwkv::weight_format_names.end());
    app.add_option("-m,--model", options.directory, "the model; its tokenizer must read English")->type_name("PATH");
    app.add_option("--shape", options.shape, "random weights of this shape in its place: 169m, 430m, 1b5")
        ->check(CLI::IsMember({"169m", "430m", "1b5"}).description(""))
        ->type_name("SHAPE");
    app.add_option("--draft-model", options.draft,
                   "draft by this model instead of prompt lookup; random weights get its vocabulary")
        ->type_name("PATH");
    app.add_option("--draft-format", options.draft_format, "its weight format")
        ->check(CLI::IsMember(formats).description(""))
        ->capture_default_str();
    app.add_option("--text", options.text, "one more case: the end of this file, whose beginning is the prompt")
        ->type_name("FILE");
    app.add_option("--case", options.cases, "only these: summary, edit, new text, file")->delimiter(',');
    app.add_option("--format", options.formats, "weight formats")
        ->check(CLI::IsMember(formats).description(""))
        ->delimiter(',')
        ->capture_default_str();
    app.add_option("-t,--threads", options.threads, "thread counts")->delimiter(',')->capture_default_str();
    app.add_option("-n,--tokens", options.tokens, "the maximum length of an answer")
        ->check(CLI::Range(2, 1 << 20).description(""))
        ->capture_default_str();
    app.add_option("--max-draft-tokens", options.longest, "the maximum length of a draft")
        ->check(CLI::Range(1, static_cast<int>(rwkv::max_draft_tokens)).description(""))
        ->capture_default_str();
    app.add_option("--repeats", options.repeats, "turns of which the median counts")
        ->check(CLI::Range(1, 100000).description(""))
        ->capture_default_str();
    return terminal::run(app, argc, argv, [&] { run(options); });
}
