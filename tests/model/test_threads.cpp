#include <thread>

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
    std::vector<std::thread> threads;
    for (Index i = 0; i < 8; ++i) threads.emplace_back([&, i] { together[static_cast<std::size_t>(i)] = run(i + 1); });
    for (std::thread& thread : threads) thread.join();
    CHECK(alone == together);
}
