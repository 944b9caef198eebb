// Speculative decoding: the text, its log-probabilities and the conversation are those without it.

#include <algorithm>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include <rwkv/rwkv.hpp>

#include "../catch.hpp"
#include "../kernels/support.hpp"
#include "support.hpp"

using namespace rwkv;
using namespace rwkv::test;

namespace {

/// Lets only the bytes of a text through, one after the other, and perhaps some others beside: a text that copies.
class Follow : public TokenConstraint {
  public:
    explicit Follow(std::string text, int others = 0) : text_(std::move(text)), others_(others) {}
    void mask(std::span<float> logits) override {
        const auto next = static_cast<std::size_t>(static_cast<unsigned char>(text_[at_ % text_.size()]));
        for (std::size_t i = 0; i < logits.size(); ++i) {
            const bool other = others_ > 0 && i > 'a' && i <= 'a' + static_cast<std::size_t>(others_);
            if (i != next && !other) logits[i] = -std::numeric_limits<float>::infinity();
            if (i == next && others_ > 0) logits[i] += 3.0f;
        }
    }
    void accept(TokenId) override { ++at_; }
    void forced(std::span<const TokenId> text, std::vector<TokenId>& tokens) override {
        CHECK(text.size() == at_);
        for (std::size_t i = 0; i < forces; ++i)
            tokens.push_back(static_cast<unsigned char>(text_[(at_ + i) % text_.size()]));
        tokens.insert(tokens.end(), stray.begin(), stray.end());
    }
    std::unique_ptr<TokenConstraint> clone() const override { return std::make_unique<Follow>(*this); }

    std::size_t forces = 0;          // the number of tokens that it says must come next
    std::vector<TokenId> stray = {};  // and tokens that the text does not have

  private:
    std::string text_;
    int others_;
    std::size_t at_ = 0;
};

const std::string tale = "the fox said to the hare: the fox said to the bear, and the hare said to the fox. ";

/// Options of every kind, of which many have something to remember from token to token.
std::vector<GenerationOptions> many_options() {
    const SamplingOptions remembering{.temperature = 1.2f,
                                      .top_p = 0.95f,
                                      .mirostat_tau = 4.0f,
                                      .presence_penalty = 0.4f,
                                      .frequency_penalty = 0.4f,
                                      .repetition_penalty = 1.2f,
                                      .no_repeat_ngram_size = 12,
                                      .logit_bias = {{TokenId{'a'}, 3.0f}, {TokenId{' '}, 4.0f}},
                                      .seed = 5};
    SamplingOptions copying{.temperature = 1.0f, .seed = 9};
    copying.constraint = std::make_shared<Follow>(tale);
    SamplingOptions straying = remembering;
    straying.no_repeat_ngram_size = 0;
    straying.constraint = std::make_shared<Follow>(tale, 3);
    SamplingOptions greedy;
    greedy.constraint = std::make_shared<Follow>(tale, 20);
    return {{.max_new_tokens = 120},
            {.max_new_tokens = 90, .sampling = remembering, .top_logprobs = 3},
            {.max_new_tokens = 130, .sampling = copying, .top_logprobs = 1},
            {.max_new_tokens = 130, .sampling = straying},
            {.max_new_tokens = 130, .sampling = greedy},
            {.max_new_tokens = 1, .sampling = copying},
            {.max_new_tokens = 0, .sampling = copying},
            {.max_new_tokens = 200, .sampling = copying, .stop_strings = {"bear, and the", "never"}},
            {.max_new_tokens = 200, .sampling = copying, .stop_token_ids = {TokenId{'.'}}}};
}

void check_same_text(const Generation& found, const Generation& expected) {
    CHECK(found.text == expected.text);
    CHECK(found.tokens == expected.tokens);
    CHECK(found.finish_reason == expected.finish_reason);
    CHECK(found.prompt_tokens == expected.prompt_tokens);
    CHECK(found.decode_steps == expected.decode_steps);
    CHECK(found.accepted_tokens <= found.drafted_tokens);
    REQUIRE(found.log_probabilities.size() == expected.log_probabilities.size());
    REQUIRE(found.top_logprobs.size() == expected.top_logprobs.size());
    // Bit for bit where quantized weights meet bytes.
    const double allowed = multiplies_bytes(kernels::best_target()) ? 0.0 : 1e-2;
    for (std::size_t i = 0; i < found.log_probabilities.size(); ++i)
        CHECK(std::abs(found.log_probabilities[i] - expected.log_probabilities[i]) <= allowed);
    for (std::size_t i = 0; i < found.top_logprobs.size(); ++i)
        for (std::size_t j = 0; j < found.top_logprobs[i].size(); ++j)
            CHECK(found.top_logprobs[i][j].token == expected.top_logprobs[i][j].token);
}

void check_same_conversation(const Conversation& found, const Conversation& expected) {
    CHECK(found.tokens == expected.tokens);
    CHECK(found.logits.size() == expected.logits.size());
    if (!multiplies_bytes(kernels::best_target())) return;
    CHECK(found.logits == expected.logits);
    CHECK(found.state == expected.state);
}

struct Texts {
    Model model = load_model(fixture("text"), {.format = WeightFormat::q8});
    Tokenizer tokenizer = load_tokenizer(fixture("text"));
};

/// Made as drivers of batches do, with passes of any number of tokens taking the same time: drafts always pay.
void decode(const Model& model, std::span<Sequence*> sequences, Workspace& workspace) {
    const PassTimes times;
    for (;;) {
        std::vector<SequenceTokens> batch;
        std::vector<Sequence*> in_batch;
        Index tokens = 0;
        for (Sequence* sequence : sequences) {
            if (sequence->finished()) continue;
            if (sequence->pending().empty()) {
                sequence->accept(sequence->logits());
                continue;
            }
            batch.push_back(sequence->next_pass(times, tokens));
            tokens += std::ssize(batch.back().tokens);
            in_batch.push_back(sequence);
        }
        if (batch.empty()) {
            if (std::ranges::all_of(sequences, [](const Sequence* sequence) { return sequence->finished(); })) return;
            continue;
        }
        CHECK(model.forward(batch, workspace, [&](Index i, Index position, std::span<const float> logits) {
            in_batch[static_cast<std::size_t>(i)]->accept(logits, position);
            return true;
        }));
    }
}

}  // namespace

TEST_CASE("a text with speculation is the text without, whatever the options") {
    const Texts texts;
    for (const Index longest : {1, 3, 8, 32}) {
        for (const int threads : {1, 2}) {
            Generator plain(texts.model, texts.tokenizer, {.threads = threads});
            Generator speculative(texts.model, texts.tokenizer, {.threads = threads});
            for (const GenerationOptions& options : many_options()) {
                plain.reset();
                speculative.reset();
                // Several turns, each of which begins where the last one ended.
                for (const std::string& turn : {tale, std::string(" and"), std::string()}) {
                    CAPTURE(longest, threads, turn);
                    GenerationOptions with = options;
                    with.speculation.max_draft_tokens = longest;
                    check_same_text(speculative.generate(turn, with), plain.generate(turn, options));
                    check_same_conversation(speculative.conversation(), plain.conversation());
                }
            }
        }
    }
}

TEST_CASE("sequences of one batch speculate or not, each by itself, in chunks of any size") {
    const Texts texts;
    for (const Index chunk : {1, 5, 256}) {
        Workspace workspace(texts.model.config(), {.threads = 2, .chunk = chunk});
        std::vector<GenerationOptions> options = many_options();
        std::vector<Sequence> sequences;
        std::vector<Sequence*> all;
        for (std::size_t i = 0; i < options.size(); ++i) {
            sequences.emplace_back(texts.model.config(), texts.tokenizer);
            options[i].sampling.seed = i;
            GenerationOptions with = options[i];
            if (i % 3 != 2) with.speculation.max_draft_tokens = static_cast<Index>(i + 4);
            sequences.back().begin(tale.substr(i), with);
        }
        for (Sequence& sequence : sequences) all.push_back(&sequence);
        decode(texts.model, all, workspace);
        Index accepted = 0, rejected = 0;
        for (std::size_t i = 0; i < options.size(); ++i) {
            CAPTURE(chunk, i);
            Generator alone(texts.model, texts.tokenizer, {.threads = 1});
            const Generation& found = sequences[i].result();
            check_same_text(found, alone.generate(tale.substr(i), options[i]));
            check_same_conversation(sequences[i].conversation(), alone.conversation());
            CHECK((i % 3 != 2 || found.drafted_tokens == 0));
            accepted += found.accepted_tokens;
            rejected += found.drafted_tokens - found.accepted_tokens;
        }
        CHECK(accepted > 100);
        CHECK(rejected > 10);
    }
}

TEST_CASE("a text that copies its prompt is read in few passes") {
    const Texts texts;
    Sequence sequence(texts.model.config(), texts.tokenizer);
    Workspace workspace(texts.model.config(), {.threads = 1});
    SamplingOptions sampling{.temperature = 1.0f};
    sampling.constraint = std::make_shared<Follow>(tale);
    sequence.begin(tale, {.max_new_tokens = 80, .sampling = sampling, .speculation = {.max_draft_tokens = 8}});
    const PassTimes times;
    int passes = 0;
    for (; !sequence.finished(); ++passes) {
        const SequenceTokens pass = sequence.next_pass(times);
        CHECK(pass.tokens.size() <= std::max<std::size_t>(9, tale.size()));
        CHECK(sequence.pending().size() == (passes == 0 ? tale.size() : 1));
        texts.model.forward(std::span(&pass, 1), workspace, [&](Index, Index position, std::span<const float> logits) {
            CHECK((passes == 0 || sequence.next_position() == position || sequence.next_position() == -1));
            sequence.accept(logits, position);
            return true;
        });
    }
    CHECK(sequence.result().text == tale.substr(0, 80));
    CHECK(passes < 25);
    CHECK(sequence.result().accepted_tokens > 55);
}

TEST_CASE("what a constraint forces is read in one pass, without speculation too") {
    const Texts texts;
    for (const int others : {0, 3}) {
        for (const std::size_t forces : {1U, 5U, 100U}) {
            for (const Index chunk : {1, 4, 64}) {
                CAPTURE(others, forces, chunk);
                const auto constraint = std::make_shared<Follow>(tale, others);
                GenerationOptions options{.max_new_tokens = 100, .sampling = {.temperature = 1.0f, .seed = 4}};
                options.sampling.constraint = constraint;
                Generator plain(texts.model, texts.tokenizer, {.threads = 1});
                const Generation expected = plain.generate("so", options);
                CHECK(expected.drafted_tokens == 0);
                constraint->forces = forces;  // with others beside, not all that it says comes true
                for (const Index speculates : {0, 6}) {
                    Generator forced(texts.model, texts.tokenizer, {.threads = 1, .chunk = chunk});
                    options.speculation.max_draft_tokens = speculates;
                    const Generation found = forced.generate("so", options);
                    check_same_text(found, expected);
                    check_same_conversation(forced.conversation(), plain.conversation());
                    const Index passes = found.decode_steps - found.accepted_tokens;
                    if (others > 0) continue;
                    CHECK(found.accepted_tokens == found.drafted_tokens);
                    // A pass of one token and the tokens forced gives one more than these; at most 16 are forced.
                    const Index in_pass = std::min<Index>({static_cast<Index>(forces), chunk - 1, 16}) + 1;
                    CHECK(passes <= 99 / in_pass + 1);
                }
                Workspace workspace(texts.model.config(), {.threads = 1, .chunk = chunk});
                Sequence sequence(texts.model.config(), texts.tokenizer);
                Sequence* one = &sequence;
                sequence.begin("so", options);
                decode(texts.model, std::span(&one, 1), workspace);
                check_same_text(sequence.result(), expected);
                check_same_conversation(sequence.conversation(), plain.conversation());
            }
        }
    }
}

TEST_CASE("tokens that a constraint forces and the model has no output for are left to the model") {
    const Texts texts;
    GenerationOptions options{.max_new_tokens = 40, .sampling = {.temperature = 1.0f, .seed = 4}};
    const auto constraint = std::make_shared<Follow>(tale);
    options.sampling.constraint = constraint;
    const Generation expected = Generator(texts.model, texts.tokenizer, {.threads = 1}).generate("so", options);
    for (const TokenId stray : {TokenId(256), TokenId(100'000), TokenId(-1)}) {
        CAPTURE(stray);
        for (const std::size_t forces : {0U, 3U}) {
            constraint->forces = forces;
            constraint->stray = {stray, 'a'};
            check_same_text(Generator(texts.model, texts.tokenizer, {.threads = 1}).generate("so", options), expected);
        }
    }
}

TEST_CASE("a draft that does not pay is not made") {
    const Texts texts;
    const auto drafted = [&](double seconds_of_nine) {
        Sequence sequence(texts.model.config(), texts.tokenizer);
        Workspace workspace(texts.model.config(), {.threads = 1});
        PassTimes times;
        for (int i = 0; i < 3; ++i) {
            times.add(1, 1.0);
            for (Index tokens = 2; tokens <= 9; ++tokens)
                times.add(tokens, 1.0 + (seconds_of_nine - 1.0) * static_cast<double>(tokens - 1) / 8.0);
        }
        SamplingOptions sampling;
        sampling.constraint = std::make_shared<Follow>(tale);
        sequence.begin(tale, {.max_new_tokens = 60, .sampling = sampling, .speculation = {.max_draft_tokens = 8}});
        while (!sequence.finished()) {
            const SequenceTokens pass = sequence.next_pass(times);
            texts.model.forward(std::span(&pass, 1), workspace, [&](Index, Index position, auto logits) {
                sequence.accept(logits, position);
                return true;
            });
        }
        CHECK(sequence.result().text == tale.substr(0, 60));
        return sequence.result().drafted_tokens;
    };
    CHECK(drafted(1.2) > 40);
    CHECK(drafted(12.0) == 0);
}

TEST_CASE("a draft model drafts, and the text stays that of the model") {
    const Texts texts;
    const Model other = load_model(fixture("text"));  // nearly the same, so that most of its drafts are right
    for (const bool lookup : {false, true}) {
        for (const GenerationOptions& options : many_options()) {
            Generator plain(texts.model, texts.tokenizer, {.threads = 1});
            Generator speculative(texts.model, texts.tokenizer, {.threads = 1});
            Sequence sequence(texts.model.config(), texts.tokenizer);
            Workspace workspace(texts.model.config(), {.threads = 1});
            GenerationOptions with = options;
            with.speculation = {.max_draft_tokens = 5,
                                .prompt_lookup = lookup,
                                .draft_model = std::make_shared<DraftModel>(other, WorkspaceOptions{.threads = 1})};
            for (const std::string& turn : {tale, std::string(" and"), std::string()}) {
                const Generation expected = plain.generate(turn, options);
                check_same_text(speculative.generate(turn, with), expected);
                check_same_conversation(speculative.conversation(), plain.conversation());
                sequence.begin(turn, with);
                Sequence* one = &sequence;
                decode(texts.model, std::span(&one, 1), workspace);
                check_same_text(sequence.result(), expected);
                check_same_conversation(sequence.conversation(), plain.conversation());
                if (!options.sampling.constraint && options.sampling.temperature == 0.0f && !turn.empty())
                    CHECK(sequence.result().accepted_tokens > 60);
            }
        }
    }
}

TEST_CASE("a generation with a draft is left at any token") {
    const Texts texts;
    SamplingOptions sampling{.temperature = 1.0f};
    sampling.constraint = std::make_shared<Follow>(tale);
    const GenerationOptions options{.max_new_tokens = 60, .sampling = sampling};
    GenerationOptions with = options;
    with.speculation.max_draft_tokens = 8;
    for (int count = 1; count < 30; ++count) {
        // A callback ends the text in the middle of a draft.
        Generator plain(texts.model, texts.tokenizer, {.threads = 1});
        Generator speculative(texts.model, texts.tokenizer, {.threads = 1});
        const auto until = [&](int left) { return [left](auto) mutable { return --left > 0; }; };
        check_same_text(speculative.generate(tale, with, until(count)), plain.generate(tale, options, until(count)));
        check_same_conversation(speculative.conversation(), plain.conversation());
        check_same_text(speculative.generate("so", with), plain.generate("so", options));
        check_same_conversation(speculative.conversation(), plain.conversation());
    }
    // A copy in the middle of a draft, and one that gives up the rest of it, go on as without.
    Workspace workspace(texts.model.config(), {.threads = 1});
    Sequence plain(texts.model.config(), texts.tokenizer);
    Sequence* one = &plain;
    plain.begin(tale, options);
    decode(texts.model, std::span(&one, 1), workspace);
    for (Index stop = 1; stop < 40; ++stop) {
        Sequence sequence(texts.model.config(), texts.tokenizer);
        sequence.begin(tale, with);
        std::optional<Sequence> copy;
        while (std::ssize(sequence.result().tokens) < stop) {
            const SequenceTokens pass = sequence.next_pass();
            const auto logits = texts.model.forward_sequence(pass, workspace);
            for (Index i = 0; i < logits.cols() && std::ssize(sequence.result().tokens) < stop; ++i)
                sequence.accept({logits.col(i), static_cast<std::size_t>(logits.rows())},
                                logits.cols() > 1 ? i : std::ssize(pass.tokens) - 1);
        }
        copy.emplace(sequence.copy());
        const State& before = std::as_const(sequence).state();
        CHECK(before == copy->state());
        static_cast<void>(sequence.state());
        CHECK(sequence.next_position() == -1);
        for (Sequence* other : {&sequence, &*copy}) {
            decode(texts.model, std::span(&other, 1), workspace);
            check_same_text(other->result(), plain.result());
            check_same_conversation(other->conversation(), plain.conversation());
        }
    }
}

TEST_CASE("what is thrown in the middle of a draft leaves the conversation before that token") {
    const Texts texts;
    Workspace workspace(texts.model.config(), {.threads = 1});
    for (int fails = 1; fails < 40; ++fails) {
        int calls = 0;
        SamplingOptions sampling{.temperature = 1.0f};
        sampling.constraint = std::make_shared<Follow>(tale);
        const GenerationOptions options{.max_new_tokens = 60, .sampling = sampling};
        GenerationOptions with = options;
        with.speculation.max_draft_tokens = 8;
        with.sampling.logits_processor = [&](auto, auto) {
            if (++calls == fails) throw std::string("not now");
        };
        Sequence sequence(texts.model.config(), texts.tokenizer), plain(texts.model.config(), texts.tokenizer);
        plain.begin(tale, options);
        sequence.begin(tale, with);
        int thrown = 0;
        while (!sequence.finished()) {
            if (sequence.pending().empty()) {
                sequence.accept(sequence.logits());
                continue;
            }
            const SequenceTokens pass = sequence.next_pass();
            texts.model.forward(std::span(&pass, 1), workspace, [&](Index, Index position, auto logits) {
                try {
                    sequence.accept(logits, position);
                } catch (const std::string&) {
                    ++thrown;
                    CHECK(sequence.pending().empty());
                    CHECK(sequence.logits().size() == logits.size());
                    CHECK(std::ssize(sequence.result().tokens) == fails - 1);
                }
                return true;
            });
        }
        CHECK(thrown == 1);
        Sequence* one = &plain;
        decode(texts.model, std::span(&one, 1), workspace);
        check_same_text(sequence.result(), plain.result());
        check_same_conversation(sequence.conversation(), plain.conversation());
    }
}

TEST_CASE("speculation that cannot be is refused before anything is computed") {
    const Texts texts;
    Generator generator(texts.model, texts.tokenizer, {.threads = 1});
    const auto refused = [&](SpeculationOptions speculation) {
        return outcome([&] { generator.generate(tale, {.speculation = std::move(speculation)}); });
    };
    const auto draft = [](const char* name) { return std::make_shared<DraftModel>(load_model(fixture(name))); };
    CHECK(refused({.max_draft_tokens = -1}).find("max_draft_tokens: expected 0 to 32, found -1") != std::string::npos);
    CHECK(refused({.max_draft_tokens = 33}).find("max_draft_tokens: expected 0 to 32, found 33") != std::string::npos);
    CHECK(refused({.max_draft_tokens = 4, .draft_model = draft("plain")}).find("draft_model") != std::string::npos);
    const TempDir directory;
    write_changed("bare", directory.path(), [](auto&) {});
    std::string config = read_all(fixture("bare") / "config.json");
    const auto tied = config.find("\"tie_word_embeddings\": true");
    REQUIRE(tied != config.npos);
    directory.write("config.json", config.replace(tied, 27, "\"tie_word_embeddings\": false"));
    const auto headless = std::make_shared<DraftModel>(load_model(directory.path()));
    CHECK(refused({.max_draft_tokens = 4, .draft_model = headless}).find("expected a model with a head") !=
          std::string::npos);
    CHECK(generator.tokens().empty());

    // Logits that are not of the pass that next_pass asked for.
    Sequence sequence(texts.model.config(), texts.tokenizer);
    Workspace workspace(texts.model.config(), {.threads = 1});
    SamplingOptions sampling;
    sampling.constraint = std::make_shared<Follow>(tale);
    sequence.begin(tale, {.sampling = sampling, .speculation = {.max_draft_tokens = 4}});
    std::vector<float> logits(static_cast<std::size_t>(texts.model.config().vocab_size));
    while (sequence.next_position() < 0) {
        sequence.accept(logits);
        static_cast<void>(sequence.next_pass());
    }
    const std::size_t count = sequence.tokens().size();
    CHECK_THROWS_AS(sequence.accept(logits), ArgumentError);     // nothing has read the draft
    CHECK_THROWS_AS(sequence.accept(logits, 0), ArgumentError);  // likewise
    CHECK_FALSE(sequence.accept(logits, 1).token);
    CHECK(sequence.tokens().size() == count);
}
