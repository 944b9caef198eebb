// How many tokens of prompts a pass may have, by the times of passes so far.

#include <algorithm>

#include <rwkv/generation/prompt_pacer.hpp>

#include "../catch.hpp"

using rwkv::Index;
using rwkv::generation::PromptPacer;

namespace {

/// A machine on which a pass takes 4 ms and 0.1 ms for each token, or as long as computing them, 0.3 ms each.
double seconds_of(Index tokens) {
    return std::max(0.004 + 0.0001 * static_cast<double>(tokens), 0.0003 * static_cast<double>(tokens));
}

}  // namespace

TEST_CASE("the number of tokens grows to what the time allows, and not beyond") {
    for (const Index beside : {1, 8, 30}) {
        PromptPacer pacer;
        const Index first = pacer.next(beside, 2.0);
        CHECK(first >= 4);
        CHECK(first <= 16);
        for (int i = 0; i < 4; ++i) pacer.add(beside, seconds_of(beside));
        CHECK(pacer.estimate(beside) == Catch::Approx(seconds_of(beside)));
        double longest = 0;
        Index tokens = 0;
        for (int i = 0; i < 100; ++i) {
            tokens = pacer.next(beside, 2.0);
            const double seconds = seconds_of(beside + tokens);
            longest = std::max(longest, seconds);
            pacer.add(beside, tokens, seconds);
        }
        CAPTURE(beside, tokens, longest);
        CHECK(longest < 2.3 * seconds_of(beside));
        CHECK(seconds_of(beside + tokens) > 1.8 * seconds_of(beside));
    }
}

TEST_CASE("a slow pass counts little, a slower machine in time") {
    PromptPacer pacer;
    for (int i = 0; i < 20; ++i) pacer.add(1, 0.004);
    for (int i = 0; i < 100; ++i) pacer.add(1, pacer.next(1, 2.0), 0.008);
    const Index before = pacer.next(1, 2.0);
    pacer.add(1, before, 1.0);
    CHECK(pacer.next(1, 2.0) >= before * 9 / 10);
    for (int i = 0; i < 100; ++i) {
        const Index tokens = pacer.next(1, 2.0);
        pacer.add(1, tokens, 0.004 + 0.002 * static_cast<double>(tokens));
    }
    CHECK(pacer.next(1, 2.0) == 4);  // never less
}

TEST_CASE("times between those measured are on the line between them") {
    PromptPacer pacer;
    CHECK(pacer.estimate(3) == 0);
    for (int i = 0; i < 2; ++i) pacer.add(10, 0.010), pacer.add(20, 0.030);
    CHECK(pacer.estimate(15) == Catch::Approx(0.020));
    CHECK(pacer.estimate(1) == Catch::Approx(0.010));
    CHECK(pacer.estimate(100'000) == Catch::Approx(0.030));
    pacer.add(0, 1.0);
    pacer.add(100'000, 1.0);
    CHECK(pacer.estimate(15) == Catch::Approx(0.020));
}
