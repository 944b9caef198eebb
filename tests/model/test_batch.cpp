// Ragged batches, cancellation, and passes in pieces.

#include <atomic>
#include <map>
#include <stop_token>
#include <thread>

#include "../catch.hpp"
#include "../kernels/support.hpp"
#include "support.hpp"

using namespace rwkv;
using namespace rwkv::test;

namespace {

std::vector<TokenId> some_tokens(const Model& model, std::size_t count, std::size_t seed) {
    std::vector<TokenId> tokens(count);
    for (std::size_t i = 0; i < count; ++i)
        tokens[i] = static_cast<TokenId>((i * 7 + seed * 13) % static_cast<std::size_t>(model.config().vocab_size));
    return tokens;
}

/// Equal but for rounding, or bit for bit where quantized weights meet bytes.
bool agree(std::span<const float> a, std::span<const float> b, WeightFormat format) {
    if (format != WeightFormat::stored && multiplies_bytes(kernels::best_target()))
        return std::equal(a.begin(), a.end(), b.begin(), b.end());
    return error_of(a, b) < (format == WeightFormat::stored ? tolerance : 1e-3);
}

}  // namespace

TEST_CASE("a ragged batch gives each sequence what it gets alone", "[network]") {
    for (const char* fixture_name : {"plain", "odd"}) {
        for (const WeightFormat format : {WeightFormat::stored, WeightFormat::q8, WeightFormat::q4}) {
            const Model model = load_model(fixture(fixture_name), {.format = format});
            const std::size_t lengths[] = {1, 70, 3, 0, 1, 200, 16};
            const LogitsFor wanted[] = {LogitsFor::last, LogitsFor::all,  LogitsFor::none, LogitsFor::all,
                                        LogitsFor::all,  LogitsFor::last, LogitsFor::last};
            constexpr std::size_t count = std::size(lengths);
            std::vector<std::vector<TokenId>> tokens;
            std::vector<State> alone;
            std::map<std::pair<Index, Index>, std::vector<float>> expected;
            Workspace single(model.config(), {.threads = 1, .chunk = 64});
            for (std::size_t i = 0; i < count; ++i) {
                tokens.push_back(some_tokens(model, lengths[i], i));
                alone.emplace_back(model.config());
                model.forward_state(some_tokens(model, i, 99), alone[i], single);
            }
            std::vector<State> before;
            for (const State& state : alone) before.push_back(state.copy());
            for (std::size_t i = 0; i < count; ++i) {
                const auto keep = [&](Index position, std::span<const float> logits) {
                    const bool last = position + 1 == std::ssize(tokens[i]);
                    if (wanted[i] == LogitsFor::all || (wanted[i] == LogitsFor::last && last))
                        expected[{static_cast<Index>(i), position}].assign(logits.begin(), logits.end());
                    return true;
                };
                model.forward_all(tokens[i], alone[i], single, keep);
            }
            for (const Index chunk : {1, 7, 64, 1000}) {
                for (const int threads : {1, 2}) {
                    CAPTURE(fixture_name, name(format), chunk, threads);
                    Workspace workspace(model.config(), {.threads = threads, .chunk = chunk});
                    std::vector<State> states;
                    std::vector<SequenceTokens> batch;
                    for (const State& state : before) states.push_back(state.copy());
                    for (std::size_t i = 0; i < count; ++i) batch.push_back({tokens[i], &states[i], wanted[i]});
                    std::vector<std::pair<Index, Index>> seen;
                    bool same = true;
                    const bool completed = model.forward(
                        batch, workspace, [&](Index sequence, Index position, std::span<const float> logits) {
                            seen.emplace_back(sequence, position);
                            same = same && agree(logits, expected[seen.back()], format);
                            return true;
                        });
                    CHECK(completed);
                    CHECK(same);
                    CHECK(std::ranges::is_sorted(seen));
                    CHECK(seen.size() == 70 + 1 + 1 + 1 + 1);
                    for (std::size_t i = 0; i < count; ++i)
                        CHECK(agree(span_of(states[i].numerator()), span_of(alone[i].numerator()), format));
                }
            }
        }
    }
}

TEST_CASE("one token needs no vector", "[network]") {
    const Model model = load_model(fixture("plain"));
    Workspace workspace(model.config());
    State a(model.config()), b(model.config());
    const std::vector<TokenId> one{5};
    const auto first = model.forward(one, a, workspace);
    const std::vector<float> expected(first.begin(), first.end());
    const auto second = model.forward(5, b, workspace);
    CHECK(std::ranges::equal(second, expected));
    CHECK(a == b);
    CHECK_THROWS_AS(model.forward(-1, b, workspace), ArgumentError);
    CHECK(a == b);
}

TEST_CASE("a cancelled pass leaves the states as they were", "[network]") {
    const Model model = load_model(fixture("plain"));
    const auto tokens = some_tokens(model, 300, 1);
    for (const int threads : {1, 2}) {
        Workspace workspace(model.config(), {.threads = threads, .chunk = 16});
        State state(model.config());
        model.forward_state(some_tokens(model, 5, 2), state, workspace);
        const State before = state.copy();

        std::uint64_t progress = 0;
        const auto stop_after = [&](std::uint64_t limit) {
            return PassOptions{.progress = [&progress, limit](std::string_view, std::uint64_t done, std::uint64_t) {
                progress = done;
                return done < limit;
            }};
        };
        CHECK(model.forward(tokens, state, workspace, stop_after(100)).empty());
        CHECK(progress >= 100);
        CHECK(progress < 300);
        CHECK(state == before);
        CHECK_FALSE(model.forward_state(tokens, state, workspace, stop_after(1)));
        CHECK(state == before);

        std::stop_source source;
        source.request_stop();
        CHECK(model.forward(tokens, state, workspace, {.stop = source.get_token()}).empty());
        CHECK(state == before);

        // From another thread, somewhere in the middle.
        std::stop_source later;
        std::jthread stopper([&] { later.request_stop(); });
        Index calls = 0;
        while (model.forward_state(tokens, state, workspace, {.stop = later.get_token()})) {
            state.assign(before);
            ++calls;
        }
        CAPTURE(calls);
        CHECK(state == before);

        // What progress throws is passed on, and the state is as before, too.
        struct Enough {};
        const PassOptions throws{.progress = [](auto, auto, auto) -> bool { throw Enough(); }};
        CHECK_THROWS_AS(model.forward(tokens, state, workspace, throws), Enough);
        CHECK(state == before);

        // A pass that is watched and completed is like any other.
        State other = before.copy();
        const auto watched = model.forward(tokens, state, workspace, stop_after(1000));
        const std::vector<float> logits(watched.begin(), watched.end());
        CHECK(std::ranges::equal(model.forward(tokens, other, workspace), logits));
        CHECK(state == other);
    }
}

TEST_CASE("a batch is cancelled as a whole", "[network]") {
    const Model model = load_model(fixture("plain"));
    Workspace workspace(model.config(), {.threads = 1, .chunk = 4});
    std::vector<State> states, before;
    std::vector<SequenceTokens> batch;
    const auto tokens = some_tokens(model, 10, 3);
    for (int i = 0; i < 3; ++i) states.emplace_back(model.config());
    for (State& state : states) batch.push_back({tokens, &state, LogitsFor::all});
    int calls = 0;
    const PassOptions options{.progress = [&](auto, std::uint64_t done, std::uint64_t) { return done < 15; }};
    CHECK_FALSE(model.forward(
        batch, workspace, [&](auto...) { return ++calls, true; }, options));
    CHECK(calls >= 15);
    for (const State& state : states) CHECK(state == State(model.config()));
    // A callback that has enough ends the pass, after the tokens computed so far.
    calls = 0;
    CHECK_FALSE(model.forward(batch, workspace, [&](auto...) { return ++calls < 2; }));
    CHECK(calls == 2);
}

TEST_CASE("a pass in pieces is the pass", "[network]") {
    for (const char* name : {"plain", "odd"}) {
        const Model model = load_model(fixture(name));
        const Index layers = model.config().num_hidden_layers;
        const auto tokens = some_tokens(model, 20, 4), others = some_tokens(model, 3, 5);
        // The second workspace stands for another machine.
        Workspace here(model.config(), {.threads = 2, .chunk = 32}), there(model.config(), {.threads = 1, .chunk = 32});
        State a(model.config()), b(model.config()), a_whole(model.config()), b_whole(model.config());
        const std::vector<SequenceTokens> whole{{tokens, &a_whole, LogitsFor::last},
                                                {others, &b_whole, LogitsFor::all}};
        const std::vector<SequenceTokens> pieces{{tokens, &a, LogitsFor::last}, {others, &b, LogitsFor::all}};
        std::vector<float> expected, found;
        const auto into = [](std::vector<float>& all) {
            return [&all](Index, Index, std::span<const float> logits) {
                all.insert(all.end(), logits.begin(), logits.end());
                return true;
            };
        };
        CHECK(model.forward(whole, here, into(expected)));

        model.embed(pieces, here);
        CHECK(model.run_layers(0, 1, pieces, here));
        const MatrixView<float> from = here.x(23), to = there.x(23);
        for (Index t = 0; t < 23; ++t) std::copy_n(from.col(t), from.rows(), to.col(t));
        CHECK(model.run_layers(1, layers, pieces, there));
        CHECK(model.head(pieces, there, into(found)));
        CHECK(found == expected);
        CHECK(a == a_whole);
        CHECK(b == b_whole);

        CHECK_THROWS_AS(model.run_layers(1, layers + 1, pieces, here), ArgumentError);
        CHECK_THROWS_AS(model.run_layers(2, 1, pieces, here), ArgumentError);
        Workspace small(model.config(), {.threads = 1, .chunk = 22});
        CHECK(outcome([&] { model.embed(pieces, small); }).find("at most the 22 tokens of a chunk, found 23") !=
              std::string::npos);
    }
}

TEST_CASE("workspaces share a thread pool, or use an executor of the host's", "[network][threads]") {
    /// Runs everything on the calling thread, but claims to have two.
    class HostExecutor final : public Executor {
      public:
        std::atomic<int> loops{0};
        int threads() const noexcept override { return 2; }
        void run(Index shares, Index count, LoopBody body) noexcept override {
            ++loops;
            for (Index share = 0; share < shares; ++share)
                for (Index i = count; i-- > 0;) body(share, i, static_cast<int>(share % 2));
        }
    };
    const Model model = load_model(fixture("odd"));
    const auto tokens = some_tokens(model, 150, 6);
    const auto logits_with = [&](const WorkspaceOptions& options) {
        State state(model.config());
        Workspace workspace(model.config(), options);
        const auto logits = model.forward(tokens, state, workspace);
        return std::vector<float>(logits.begin(), logits.end());
    };
    const auto expected = logits_with({.threads = 1});
    const auto host = std::make_shared<HostExecutor>();
    CHECK(logits_with({.executor = host}) == expected);
    CHECK(host->loops > 0);

    const auto pool = std::make_shared<ThreadPool>(2);
    std::vector<std::vector<float>> found(6);
    in_threads(6, [&](std::size_t i) { found[i] = logits_with({.executor = pool}); });
    for (const auto& logits : found) CHECK(logits == expected);
}
