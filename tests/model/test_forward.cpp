#include <cstdlib>
#include <numeric>

#include "../catch.hpp"
#include "../kernels/support.hpp"
#include "support.hpp"

using namespace rwkv;
using namespace rwkv::test;

namespace {

struct Answered {
    const char* model;
    const char* expected;
};

// Every fixture against the answers it has; several share one set of weights.
constexpr Answered cases[] = {{"plain", "plain"},  {"sharded", "plain"}, {"odd", "odd"},  {"tied", "tied"},
                              {"bare", "tied"},    {"mixed", "mixed"},   {"f16", "f16"},  {"bf16", "bf16"},
                              {"blinkdl", "bf16"}, {"loud", "loud"},     {"text", "text"}};

constexpr Index chunks[] = {1, 2, 7, 64, 1 << 12};

/// Has new workspaces compute for a target, for as long as it lives.
class ForcedTarget {
  public:
    explicit ForcedTarget(const Target& target) { kernels::choose_target(&target); }
    ~ForcedTarget() { kernels::choose_target(nullptr); }
    ForcedTarget(const ForcedTarget&) = delete;
    ForcedTarget& operator=(const ForcedTarget&) = delete;
};

std::vector<double> oracle_logits(const Model& model, const Expected& expected) {
    BasicState<double> state(model.config());
    BasicWorkspace<double> workspace(model.config(), {.threads = 1, .chunk = 64});
    return logits_at<double>(model, expected.tokens, expected.positions, state, workspace);
}

}  // namespace

TEST_CASE("logits equal Hugging Face's and the double oracle's at every position, in every mode", "[network]") {
    for (const Answered& test : cases) {
        const Model model = load_model(fixture(test.model));
        const Expected expected(test.expected);
        const std::vector<double> oracle = oracle_logits(model, expected);
        CAPTURE(test.model);
        CHECK(error_of(oracle, expected.logits) < tolerance);
        for (const Target* target : kernels::available_targets()) {
            const ForcedTarget forced(*target);
            std::vector<float> first;
            for (const Index chunk : chunks) {
                for (const int threads : {1, 2}) {
                    CAPTURE(target->name, chunk, threads);
                    State state(model.config());
                    Workspace workspace(model.config(), {.threads = threads, .chunk = chunk});
                    const auto found = logits_at<float>(model, expected.tokens, expected.positions, state, workspace);
                    CHECK(error_of(found, expected.logits) < tolerance);
                    CHECK(error_of(found, oracle) < tolerance);
                    CHECK(error_of(span_of(state.attention_shift()), expected.att_shift) < tolerance);
                    CHECK(error_of(span_of(state.feed_forward_shift()), expected.ffn_shift) < tolerance);
                    CHECK(error_of(span_of(state.numerator()), expected.num) < tolerance);
                    CHECK(error_of(span_of(state.denominator()), expected.den) < tolerance);
                    CHECK(error_of(span_of(state.maximum()), expected.max) < tolerance);
                    if (threads == 1) first = found;
                    CHECK(found == first);  // not by tolerance: threads change nothing
                }
            }
        }
    }
}

TEST_CASE("weights asked for in another format compute what the oracle makes of them", "[network]") {
    for (const WeightFormat format : {WeightFormat::f32, WeightFormat::f16, WeightFormat::bf16}) {
        for (const char* name : {"plain", "odd", "tied", "mixed", "f16", "bf16"}) {
            CAPTURE(name, static_cast<int>(format));
            const Model model = load_model(fixture(name), {.format = format});
            const Expected expected(name);
            State state(model.config());
            Workspace workspace(model.config());
            const auto found = logits_at<float>(model, expected.tokens, expected.positions, state, workspace);
            CHECK(error_of(found, oracle_logits(model, expected)) < tolerance);
            // F64 rounded to float is all that f32 can lose; 16 bits lose more, but not the meaning.
            CHECK(error_of(found, expected.logits) < (format == WeightFormat::f32 ? tolerance : 0.1));
        }
    }
}

TEST_CASE("quantized weights compute what the oracle makes of them", "[network]") {
    for (const WeightFormat format : {WeightFormat::q8, WeightFormat::q4}) {
        for (const char* fixture_name : {"plain", "odd", "tied", "loud"}) {
            const Model model = load_model(fixture(fixture_name), {.format = format});
            const Expected expected(fixture_name);
            const std::vector<double> oracle = oracle_logits(model, expected);
            CAPTURE(fixture_name, static_cast<int>(format));
            CHECK(model.weights().embeddings.format() < WeightFormat::q8);
            CHECK(model.weights().head->format() == format);
            // What so few weights lose is no measure of the format (see bench/NOTES.md), but they are the same model.
            CHECK(error_of(oracle, expected.logits) < (format == WeightFormat::q8 ? 0.1 : 0.8));
            for (const Target* target : kernels::available_targets()) {
                const ForcedTarget forced(*target);
                std::vector<float> first;
                for (const Index chunk : {1, 7, 64}) {
                    for (const int threads : {1, 2}) {
                        CAPTURE(target->name, chunk, threads);
                        State state(model.config());
                        Workspace workspace(model.config(), {.threads = threads, .chunk = chunk});
                        const auto found =
                            logits_at<float>(model, expected.tokens, expected.positions, state, workspace);
                        CHECK(error_of(found, oracle) < (multiplies_bytes(*target) ? 0.05 : 1e-3));
                        // Threads change nothing; nor, where products of a block are exact, does the chunk.
                        if (threads == 1 && (chunk == 1 || !multiplies_bytes(*target))) first = found;
                        CHECK(found == first);
                    }
                }
            }
        }
    }
}

TEST_CASE("sequences continued together get the logits they get alone", "[network]") {
    for (const char* fixture_name : {"plain", "odd"}) {
        for (const WeightFormat format : {WeightFormat::stored, WeightFormat::q8}) {
            const Model model = load_model(fixture(fixture_name), {.format = format});
            for (const Target* target : kernels::available_targets()) {
                const ForcedTarget forced(*target);
                const auto vocabulary = static_cast<std::size_t>(model.config().vocab_size);
                Workspace alone(model.config(), {.threads = 1, .chunk = 1});
                Workspace together(model.config(), {.threads = 2, .chunk = 40});
                for (const std::size_t sequences : {1U, 2U, 8U, 33U, 90U}) {
                    const double allowed = format == WeightFormat::stored ? tolerance
                                           : multiplies_bytes(*target)    ? 0.0
                                                                          : 1e-3;
                    std::vector<State> states, own;
                    std::vector<State*> batch;
                    for (std::size_t i = 0; i < sequences; ++i) {
                        states.emplace_back(model.config());
                        const std::vector<TokenId> before(i % 5, static_cast<TokenId>(i % vocabulary));
                        model.forward_state(before, states.back(), alone);
                        own.push_back(states.back().copy());
                    }
                    for (State& state : states) batch.push_back(&state);
                    for (std::size_t step = 0; step < 3; ++step) {
                        std::vector<TokenId> tokens;
                        for (std::size_t i = 0; i < sequences; ++i)
                            tokens.push_back(static_cast<TokenId>((i * 7 + step * 3) % vocabulary));
                        std::size_t seen = 0;
                        model.forward_batch(tokens, batch, together, [&](Index i, std::span<const float> logits) {
                            CAPTURE(fixture_name, static_cast<int>(format), sequences, i, step);
                            CHECK(i == static_cast<Index>(seen++));
                            const auto at = static_cast<std::size_t>(i);
                            CHECK(error_of(logits, model.forward(std::span(tokens).subspan(at, 1), own[at], alone)) <=
                                  allowed);
                            return true;
                        });
                        CHECK(seen == sequences);
                    }
                    for (std::size_t i = 0; i < sequences; ++i)
                        CHECK(error_of(span_of(states[i].numerator()), span_of(own[i].numerator())) <= allowed);
                }
            }
        }
    }
}

TEST_CASE("a batch that cannot be answered is refused before anything is computed", "[network]") {
    const Model model = load_model(fixture("plain"));
    State a(model.config()), b(model.config());
    const State empty(model.config());
    Workspace workspace(model.config());
    const auto refused = [&](std::vector<TokenId> tokens, std::vector<State*> states) {
        return outcome([&] {
            model.forward_batch(tokens, states, workspace, [](Index, auto) {
                throw std::logic_error("called");
                return true;
            });
        });
    };
    CHECK(refused({1, 2}, {&a}).find("expected one for each of 2 tokens, found 1") != std::string::npos);
    CHECK(
        refused({1, 2}, {&a, &a}).find("state of sequence 1: expected a state of its own, found that of sequence 0") !=
        std::string::npos);
    CHECK(refused({1, 2}, {&a, nullptr}).find("state of sequence 1: expected a state, found none") !=
          std::string::npos);
    CHECK(refused({1, 101}, {&a, &b}).find("found 101") != std::string::npos);
    CHECK(a == empty);
    CHECK(b == empty);
    CHECK(model.forward_batch({}, {}, workspace, [](Index, auto) { return false; }));
}

namespace {

/// Weights in double, as no file has them: another type of matrix for the blocks.
class DoubleMatrix {
  public:
    DoubleMatrix() = default;
    explicit DoubleMatrix(const WeightMatrix& matrix)
        : rows_(matrix.rows()), cols_(matrix.cols()), elements_(static_cast<std::size_t>(rows_ * cols_)) {
        for (Index i = 0; i < rows_; ++i) matrix.copy_row(i, 0, cols_, elements_.data() + i * cols_);
    }
    Index rows() const { return rows_; }
    Index cols() const { return cols_; }
    template <class Scalar>
    void copy_row(Index i, Index begin, Index end, Scalar* out) const {
        for (Index c = begin; c < end; ++c)
            *out++ = static_cast<Scalar>(elements_[static_cast<std::size_t>(i * cols_ + c)]);
    }

  private:
    Index rows_ = 0, cols_ = 0;
    std::vector<double> elements_;
};

model::BasicWeights<DoubleMatrix> in_double(const model::Weights& weights) {
    const auto norm = [](const model::LayerNormWeights& from) {
        return model::LayerNormWeights{from.weight.copy(), from.bias.copy(), from.epsilon};
    };
    model::BasicWeights<DoubleMatrix> to{.config = weights.config,
                                         .embeddings = DoubleMatrix(weights.embeddings),
                                         .pre_ln = norm(weights.pre_ln),
                                         .blocks = {},
                                         .ln_out = norm(weights.ln_out),
                                         .head = DoubleMatrix(*weights.head)};
    for (const auto& block : weights.blocks) {
        const auto& att = block.attention;
        const auto& ffn = block.feed_forward;
        to.blocks.push_back({norm(block.ln1),
                             norm(block.ln2),
                             {att.decay.copy(), att.time_first.copy(), att.time_mix_key.copy(),
                              att.time_mix_value.copy(), att.time_mix_receptance.copy(), DoubleMatrix(att.key),
                              DoubleMatrix(att.value), DoubleMatrix(att.receptance), DoubleMatrix(att.output)},
                             {ffn.time_mix_key.copy(), ffn.time_mix_receptance.copy(), DoubleMatrix(ffn.key),
                              DoubleMatrix(ffn.receptance), DoubleMatrix(ffn.value)}});
    }
    return to;
}

}  // namespace

TEST_CASE("the blocks compute the same with another type of matrix, in float and in double", "[network]") {
    for (const char* name : {"odd", "mixed", "tied", "f16", "bf16"}) {
        CAPTURE(name);
        const Model model = load_model(fixture(name));
        const Expected expected(name);
        const auto weights = in_double(model.weights());
        const auto logits = [&]<class Scalar>(Scalar) {
            BasicState<Scalar> state(weights.config);
            BasicWorkspace<Scalar> workspace(weights.config, {.threads = 2, .chunk = 30});
            return logits_of<DoubleMatrix, Scalar>(weights, expected.tokens, expected.positions, state, workspace);
        };
        const auto oracle = logits(double());
        CHECK(error_of(logits(float()), oracle) < tolerance);
        CHECK(error_of(oracle, expected.logits) < tolerance);
        CHECK(oracle == oracle_logits(model, expected));
    }
}

TEST_CASE("a mixed file keeps every matrix in its own type", "[network]") {
    const Model model = load_model(fixture("mixed"));
    std::set<WeightFormat> types;
    for (const auto& block : model.weights().blocks)
        for (const auto* matrix : {&block.attention.key, &block.attention.value, &block.attention.receptance,
                                   &block.attention.output, &block.feed_forward.key})
            types.insert(matrix->format());
    CHECK(types == std::set{WeightFormat::f16, WeightFormat::bf16, WeightFormat::f32});
}

TEST_CASE("the passes agree with each other", "[network]") {
    const Model model = load_model(fixture("odd"));
    const Expected expected("odd");
    const auto& tokens = expected.tokens;
    const auto V = static_cast<std::size_t>(model.config().vocab_size);
    Workspace workspace(model.config(), {.threads = 2, .chunk = 50});

    State all_state(model.config());
    std::vector<float> all, hidden;
    std::vector<Index> positions;
    model.forward_all(tokens, all_state, workspace, [&](Index position, std::span<const float> logits) {
        positions.push_back(position);
        all.insert(all.end(), logits.begin(), logits.end());
        return true;
    });
    std::vector<Index> counted(tokens.size());
    std::iota(counted.begin(), counted.end(), 0);
    CHECK(positions == counted);
    CHECK(error_of(all, expected.logits) < tolerance);

    State last_state(model.config());
    const auto last = model.forward(tokens, last_state, workspace);
    CHECK(error_of(last, std::span(all).last(V)) < tolerance);
    CHECK(last_state == all_state);

    State hidden_state(model.config());
    model.forward_hidden(tokens, hidden_state, workspace, [&](Index, std::span<const float> row) {
        hidden.insert(hidden.end(), row.begin(), row.end());
        return true;
    });
    CHECK(error_of(hidden, expected.hidden) < tolerance);
    CHECK(hidden_state == all_state);

    State only_state(model.config());
    model.forward_state(tokens, only_state, workspace);
    CHECK(only_state == all_state);
}

TEST_CASE("a long prompt, cut into parts, gives the same logits by any number of threads", "[network][threads]") {
    const Expected expected("odd");
    std::vector<TokenId> tokens;
    while (tokens.size() < 700) tokens.insert(tokens.end(), expected.tokens.begin(), expected.tokens.end());
    tokens.resize(700);
    for (const WeightFormat format : {WeightFormat::stored, WeightFormat::q8, WeightFormat::q4}) {
        const Model model = load_model(fixture("odd"), {.format = format});
        const auto logits = [&](int threads, Index chunk) {
            State state(model.config());
            Workspace workspace(model.config(), {.threads = threads, .chunk = chunk});
            std::vector<float> all;
            std::vector<Index> positions;
            model.forward_all(tokens, state, workspace, [&](Index position, std::span<const float> row) {
                positions.push_back(position);
                all.insert(all.end(), row.begin(), row.end());
                return true;
            });
            CHECK(std::ranges::is_sorted(positions));
            CHECK(positions.size() == tokens.size());
            return all;
        };
        const std::vector<float> whole = logits(1, 64);
        for (const Index chunk : {200, 256, 700}) {
            const std::vector<float> alone = logits(1, chunk);
            CHECK(error_of(alone, whole) < tolerance);
            for (const int threads : {2, 3, 5}) {
                CAPTURE(name(format), chunk, threads);
                const bool same = logits(threads, chunk) == alone;  // not by tolerance, and never printed
                CHECK(same);
            }
        }
    }
}

TEST_CASE("a text may come in any pieces", "[network]") {
    const Model model = load_model(fixture("plain"));
    const Expected expected("plain");
    const std::span<const TokenId> tokens(expected.tokens);
    for (const std::size_t cut : {std::size_t(1), std::size_t(16), std::size_t(65), tokens.size() - 1}) {
        State state(model.config());
        Workspace workspace(model.config(), {.threads = 1, .chunk = 32});
        model.forward_state(tokens.first(cut), state, workspace);
        const auto last = model.forward(tokens.subspan(cut), state, workspace);
        CHECK(error_of(last, std::span(expected.logits).last(last.size())) < tolerance);
    }
}

TEST_CASE("rescale_every can be left out, for parity with those who do", "[network]") {
    const TempDir directory;
    write_changed("odd", directory.path(), [](auto&) {});
    std::string config = read_all(fixture("odd") / "config.json");
    const auto at = config.find("\"rescale_every\": 2");
    REQUIRE(at != config.npos);
    config.replace(at, 18, "\"rescale_every\": 0");
    directory.write("config.json", config);

    const Expected expected("odd");
    const auto logits_of = [&](const Model& model) {
        State state(model.config());
        Workspace workspace(model.config());
        return logits_at<float>(model, expected.tokens, expected.positions, state, workspace);
    };
    const auto without = logits_of(load_model(fixture("odd"), {.rescale = false}));
    CHECK(without == logits_of(load_model(directory.path())));
    CHECK(error_of(without, expected.logits) > 1e-3);  // it is no detail: 0.025 by Hugging Face's own count
}

TEST_CASE("a trained model's logits are those PyTorch computed", "[network]") {
    const auto found = shared_data("tiny-rwkv-4-660k");
    if (!found) return;
    const std::filesystem::path& directory = *found;
    const std::string bytes = read_all(directory / "expected-logits.f32");
    std::vector<float> expected(bytes.size() / sizeof(float));
    std::memcpy(expected.data(), bytes.data(), bytes.size());
    const std::vector<TokenId> tokens{'"', 'i', 'n'};
    for (const WeightFormat format : {WeightFormat::stored, WeightFormat::f32}) {
        const Model model = load_model(directory, {.format = format});
        for (const Index chunk : {1, 64}) {
            State state(model.config());
            Workspace workspace(model.config(), {.threads = 2, .chunk = chunk});
            CHECK(error_of(model.forward(tokens, state, workspace), expected) < tolerance);
        }
    }
}

TEST_CASE("calls that cannot be answered are refused before anything is computed", "[network]") {
    const Model model = load_model(fixture("plain"));
    const Model other = load_model(fixture("odd"));
    State state(model.config());
    Workspace workspace(model.config());
    const std::vector<TokenId> tokens{1, 2, 3};
    static_cast<void>(model.forward(tokens, state, workspace));
    const State before = state.copy();

    const auto refused = [&](std::vector<TokenId> ids) {
        return outcome([&] { static_cast<void>(model.forward(ids, state, workspace)); });
    };
    CHECK(refused({}).find("tokens: expected at least one, found none") != std::string::npos);
    CHECK(refused({1, -1}).find("token 1: expected an id from 0 to 100, found -1") != std::string::npos);
    CHECK(refused({101}).find("found 101") != std::string::npos);
    CHECK(refused({2147483647}).find("found 2147483647") != std::string::npos);
    State foreign_state(other.config());
    Workspace foreign_workspace(other.config());
    CHECK_THROWS_AS(model.forward(tokens, foreign_state, workspace), ArgumentError);
    CHECK_THROWS_AS(model.forward(tokens, state, foreign_workspace), ArgumentError);
    CHECK(state == before);

    model.forward_state({}, state, workspace);  // nothing to read is nothing to refuse
    CHECK(state == before);

    for (const WorkspaceOptions& options :
         {WorkspaceOptions{-1, 1}, {1025, 1}, {1, 0}, {1 << 20, 1}, {1, -5}, {1, 1 << 30}})
        CHECK_THROWS_AS(Workspace(model.config(), options), ArgumentError);
}

TEST_CASE("prompt progress counts the tokens", "[network]") {
    const Model model = load_model(fixture("plain"));
    State state(model.config());
    Workspace workspace(model.config(), {.threads = 1, .chunk = 4});
    std::vector<std::uint64_t> seen;
    const auto logits =
        model.forward(std::vector<TokenId>(10, 1), state, workspace,
                      {.progress = [&](std::string_view stage, std::uint64_t done, std::uint64_t total) {
                          CHECK(stage == "prompt");
                          CHECK(total == 10);
                          seen.push_back(done);
                          return true;
                      }});
    CHECK_FALSE(logits.empty());
    CHECK(seen == std::vector<std::uint64_t>{4, 8, 10});
}

TEST_CASE("a bare model without a head gives hidden states and no logits", "[network]") {
    const TempDir directory;
    write_changed("bare", directory.path(), [](auto&) {});
    std::string config = read_all(fixture("bare") / "config.json");
    const auto at = config.find("\"tie_word_embeddings\": true");
    REQUIRE(at != config.npos);
    directory.write("config.json", config.replace(at, 27, "\"tie_word_embeddings\": false"));

    const Model model = load_model(directory.path());
    const Expected expected("tied");
    State state(model.config());
    Workspace workspace(model.config());
    CHECK_FALSE(model.has_head());
    CHECK_THROWS_AS(model.forward(expected.tokens, state, workspace), ArgumentError);
    std::vector<float> hidden;
    model.forward_hidden(expected.tokens, state, workspace, [&](Index, std::span<const float> row) {
        hidden.insert(hidden.end(), row.begin(), row.end());
        return true;
    });
    CHECK(error_of(hidden, expected.hidden) < tolerance);
}
