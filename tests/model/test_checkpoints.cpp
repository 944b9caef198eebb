// A pass that keeps the state after each token, and rolling back to one of them.

#include <span>
#include <string>
#include <vector>

#include "../catch.hpp"
#include "../kernels/support.hpp"
#include "support.hpp"

using namespace rwkv;
using namespace rwkv::test;

namespace {

std::vector<TokenId> tokens_from(const Model& model, std::size_t count, std::size_t first) {
    std::vector<TokenId> tokens;
    for (std::size_t i = 0; i < count; ++i)
        tokens.push_back(static_cast<TokenId>((first + i * 11) % static_cast<std::size_t>(model.config().vocab_size)));
    return tokens;
}

/// All numbers of a state, part by part.
std::vector<float> numbers_of(const State& state) {
    std::vector<float> numbers;
    for (const auto& part :
         {state.attention_shift(), state.feed_forward_shift(), state.numerator(), state.denominator(), state.maximum()})
        for (const float number : span_of(part)) numbers.push_back(number);
    return numbers;
}

/// Equal bit for bit where quantized weights meet bytes, else but for rounding.
bool same_numbers(std::span<const float> a, std::span<const float> b, WeightFormat format) {
    if (format != WeightFormat::stored && multiplies_bytes(kernels::best_target()))
        return std::equal(a.begin(), a.end(), b.begin(), b.end());
    return error_of(a, b) < (format == WeightFormat::stored ? tolerance : 1e-3);
}

}  // namespace

TEST_CASE("checkpoints are the states after each token, in a batch beside sequences without", "[network]") {
    for (const char* fixture_name : {"plain", "odd"}) {
        for (const WeightFormat format : {WeightFormat::stored, WeightFormat::q8, WeightFormat::q4}) {
            const Model model = load_model(fixture(fixture_name), {.format = format});
            const Config& config = model.config();
            // Two sequences with checkpoints, one of several chunks; between and after them others.
            const std::size_t lengths[] = {5, 3, 9, 40, 1};
            const bool keeps[] = {true, false, true, false, true};
            constexpr std::size_t count = std::size(lengths);
            for (const Index chunk : {1, 4, 16, 64}) {
                for (const int threads : {1, 2}) {
                    CAPTURE(fixture_name, static_cast<int>(format), chunk, threads);
                    Workspace workspace(config, {.threads = threads, .chunk = chunk});
                    Workspace single(config, {.threads = 1, .chunk = 1});
                    std::vector<std::vector<TokenId>> tokens;
                    std::vector<State> states, alone;
                    std::vector<Checkpoints> checkpoints;
                    for (std::size_t i = 0; i < count; ++i) {
                        tokens.push_back(tokens_from(model, lengths[i], i * 5));
                        states.emplace_back(config);
                        model.forward_state(tokens_from(model, i, 3), states[i], single);
                        alone.push_back(states[i].copy());
                        checkpoints.emplace_back(config, 12);
                    }
                    std::vector<SequenceTokens> batch;
                    for (std::size_t i = 0; i < count; ++i)
                        batch.push_back({tokens[i], &states[i], keeps[i] ? LogitsFor::all : LogitsFor::last,
                                         keeps[i] ? &checkpoints[i] : nullptr});
                    std::vector<std::vector<std::vector<float>>> logits(count);
                    CHECK(model.forward(batch, workspace, [&](Index i, Index, std::span<const float> values) {
                        logits[static_cast<std::size_t>(i)].emplace_back(values.begin(), values.end());
                        return true;
                    }));
                    for (std::size_t i = 0; i < count; ++i) {
                        if (!keeps[i]) {
                            CHECK(checkpoints[i].size() == 0);
                            model.forward_state(tokens[i], alone[i], single);
                            CHECK(same_numbers(numbers_of(states[i]), numbers_of(alone[i]), format));
                            continue;
                        }
                        REQUIRE(checkpoints[i].size() == std::ssize(tokens[i]));
                        REQUIRE(logits[i].size() == tokens[i].size());
                        for (std::size_t t = 0; t < tokens[i].size(); ++t) {
                            const auto expected = model.forward(tokens[i][t], alone[i], single);
                            CHECK(same_numbers(logits[i][t], expected, format));
                            CHECK(same_numbers(numbers_of(checkpoints[i].state(static_cast<Index>(t))),
                                               numbers_of(alone[i]), format));
                        }
                        CHECK(same_numbers(numbers_of(states[i]), numbers_of(alone[i]), format));
                    }
                }
            }
        }
    }
}

TEST_CASE("a sequence rolled back goes on as if the tokens after that had never been", "[network]") {
    const Model model = load_model(fixture("plain"), {.format = WeightFormat::q8});
    const auto tokens = tokens_from(model, 6, 2), others = tokens_from(model, 6, 50);
    for (Index back = 0; back < 6; ++back) {
        Workspace workspace(model.config(), {.threads = 1, .chunk = 16});
        State state(model.config()), expected(model.config());
        Checkpoints checkpoints(model.config(), 8);
        CHECK(checkpoints.capacity() == 8);
        CHECK(checkpoints.bytes() == 8 * state.bytes());
        // Passes append to the checkpoints.
        model.forward(std::vector<SequenceTokens>{{std::span(tokens).first(2), &state, LogitsFor::none, &checkpoints}},
                      workspace, {});
        const MatrixView<const float> logits =
            model.forward_sequence({std::span(tokens).subspan(2), &state, LogitsFor::all, &checkpoints}, workspace);
        CHECK(logits.cols() == 4);
        CHECK(logits.rows() == model.config().vocab_size);
        CHECK(checkpoints.size() == 6);
        checkpoints.restore(back, state);
        CHECK(checkpoints.size() == back);
        model.forward_state(std::span(tokens).first(static_cast<std::size_t>(back) + 1), expected, workspace);
        CHECK(same_numbers(numbers_of(state), numbers_of(expected), WeightFormat::q8));
        checkpoints.clear();
        const auto found = model.forward_sequence({others, &state, LogitsFor::last, &checkpoints}, workspace);
        CHECK(found.cols() == 1);
        const std::vector<float> last(found.col(0), found.col(0) + found.rows());
        CHECK(same_numbers(last, model.forward(others, expected, workspace), WeightFormat::q8));
        CHECK(same_numbers(numbers_of(state), numbers_of(expected), WeightFormat::q8));
        CHECK(same_numbers(numbers_of(checkpoints.state(5)), numbers_of(expected), WeightFormat::q8));
    }
}

TEST_CASE("checkpoints that a pass cannot fill are refused before anything is computed", "[network]") {
    const Model model = load_model(fixture("plain")), other = load_model(fixture("odd"));
    Workspace workspace(model.config(), {.threads = 1, .chunk = 4});
    State a(model.config()), b(model.config());
    const State empty(model.config());
    Checkpoints few(model.config(), 3), foreign(other.config(), 8), enough(model.config(), 8);
    const auto tokens = tokens_from(model, 4, 0);
    const auto refused = [&](std::vector<SequenceTokens> batch) {
        return outcome([&] { model.forward(batch, workspace, [](Index, Index, auto) { return true; }); });
    };
    CHECK(refused({{tokens, &a, LogitsFor::last, &few}}).find("expected room for 4 states, found 3") !=
          std::string::npos);
    CHECK(refused({{tokens, &a, LogitsFor::last, &foreign}}).find("checkpoints") != std::string::npos);
    CHECK(refused({{tokens, &a, LogitsFor::last, &enough}, {tokens, &b, LogitsFor::last, &enough}})
              .find("checkpoints of sequence 1: expected checkpoints of its own") != std::string::npos);
    const auto refused_sequence = [&](SequenceTokens sequence) {
        return outcome([&] { static_cast<void>(model.forward_sequence(sequence, workspace)); });
    };
    CHECK(refused_sequence({tokens, &a, LogitsFor::none}).find("ArgumentError") == 0);
    CHECK(refused_sequence({{}, &a, LogitsFor::last}).find("ArgumentError") == 0);
    const auto five = tokens_from(model, 5, 0);
    CHECK(refused_sequence({five, &a, LogitsFor::all}).find("expected at most 4 with logits after each, found 5") !=
          std::string::npos);
    CHECK(a == empty);
    CHECK(b == empty);
    CHECK(enough.size() == 0);
    CHECK_THROWS_AS(Checkpoints(model.config(), -1), ArgumentError);
    // A pass in pieces fills them with its last layer.
    const std::vector<SequenceTokens> batch{{tokens, &b, LogitsFor::all, &enough}};
    const std::vector<SequenceTokens> too_many{{tokens, &b, LogitsFor::all, &few}};
    CHECK_THROWS_AS(model.run_layers(0, 1, too_many, workspace), ArgumentError);
    const Index layers = model.config().num_hidden_layers;
    model.embed(batch, workspace);
    for (Index layer = 0; layer < layers; ++layer) {
        CHECK(enough.size() == 0);
        CHECK(model.run_layers(layer, layer + 1, batch, workspace));
    }
    CHECK(enough.size() == 4);
    Index rows = 0;
    CHECK(model.head(batch, workspace, [&](Index, Index, auto) { return ++rows > 0; }));
    CHECK(rows == 4);
    CHECK(numbers_of(enough.state(3)) == numbers_of(b));
    enough.clear();
    // A pass that is cancelled keeps the state as before and completes no checkpoint.
    std::stop_source stop;
    stop.request_stop();
    CHECK(model.forward_sequence({tokens, &a, LogitsFor::all, &enough}, workspace, {.stop = stop.get_token()}).cols() ==
          0);
    CHECK(a == empty);
    CHECK(enough.size() == 0);
}
