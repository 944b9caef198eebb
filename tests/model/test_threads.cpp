#include <latch>
#include <random>

#include "../catch.hpp"
#include "support.hpp"

using namespace rwkv;
using namespace rwkv::test;

TEST_CASE("one model serves many threads, each with a state and a workspace of its own", "[network]") {
    const Model model = load_model(fixture("odd"));
    const Expected expected("odd");
    const auto run = [&](Index chunk) {
        State state(model.config());
        Workspace workspace(model.config(), {.threads = 1 + static_cast<int>(chunk % 2), .chunk = chunk});
        const auto logits = model.forward(expected.tokens, state, workspace);
        return std::vector<float>(logits.begin(), logits.end());
    };
    std::vector<std::vector<float>> alone, together(8);
    for (Index i = 0; i < 8; ++i) alone.push_back(run(i + 1));
    in_threads(8, [&](std::size_t i) { together[i] = run(static_cast<Index>(i) + 1); });
    CHECK(alone == together);
}

TEST_CASE("eight threads read a thousand tokens each, bit for bit as one thread does", "[threads]") {
    constexpr unsigned sequences = 8;
    for (const WeightFormat format : {WeightFormat::stored, WeightFormat::q8}) {
        const Model model = load_model(fixture("bf16"), {.format = format});
        // The logits after every token of a sequence, every other one of which is read many tokens at a time.
        const auto read = [&](unsigned sequence) {
            std::mt19937 random(sequence);
            std::vector<TokenId> tokens(1000);
            for (TokenId& token : tokens)
                token = static_cast<TokenId>(random() % static_cast<unsigned>(model.config().vocab_size));
            State state(model.config());
            Workspace workspace(model.config(), {.threads = 1, .chunk = sequence % 2 == 0 ? 1 : 50});
            std::vector<float> all;
            model.forward_all(tokens, state, workspace, [&](Index, std::span<const float> logits) {
                all.insert(all.end(), logits.begin(), logits.end());
                return true;
            });
            return all;
        };
        std::vector<std::vector<float>> alone, together(sequences);
        for (unsigned i = 0; i < sequences; ++i) alone.push_back(read(i));
        std::latch all_are_there(sequences);
        in_threads(sequences, [&](std::size_t i) {
            all_are_there.arrive_and_wait();
            together[i] = read(static_cast<unsigned>(i));
        });
        CHECK((alone == together));  // not to be printed, should it fail
        CHECK((alone[0] != alone[2]));
    }
}
