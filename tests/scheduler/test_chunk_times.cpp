// How many tokens of prompts a pass may have, by the times of passes so far.

#include <rwkv/generation/chunk_times.hpp>

#include "../catch.hpp"

using rwkv::Index;
using rwkv::generation::ChunkTimes;

TEST_CASE("times between those measured are on the line between them") {
    ChunkTimes times;
    CHECK(times.estimate(1) == 0);
    times.add(10, 0.020);
    CHECK(times.estimate(10) == 0.020);
    CHECK(times.estimate(5) == 0.020);
    CHECK(times.estimate(20) == 0.040);
    times.add(20, 0.030);
    CHECK(times.estimate(15) == Catch::Approx(0.025));
    CHECK(times.max_tokens(0.025, 1, 0.005) == 15);
    CHECK(times.max_tokens(0.0125, 0, 0.005) == 5);
    CHECK(times.max_tokens(0.060, 1, 0.005) == 40);
    CHECK(times.max_tokens(0.300, 1, 0.005) == 40);  // at most twice the largest
    CHECK(times.max_tokens(0.010, 12, 0.010) == 12);
    times.add(40, 0.010);  // a shorter one than expected lets more through
    CHECK(times.max_tokens(0.040, 1, 0.005) == 80);
}

TEST_CASE("one slow pass counts little") {
    ChunkTimes times;
    for (int i = 0; i < 10; ++i) times.add(4, 0.010);
    times.add(4, 10.0);
    CHECK(times.estimate(4) <= 0.0126);
    for (int i = 0; i < 30; ++i) times.add(4, 0.020);
    CHECK(times.estimate(4) == Catch::Approx(0.020).epsilon(0.01));
}

TEST_CASE("passes of any number of tokens are taken") {
    ChunkTimes times;
    for (Index tokens = 1; tokens <= 65536; tokens += tokens < 100 ? 1 : 37)
        times.add(tokens, 0.001 * static_cast<double>(tokens));
    for (Index tokens = 1; tokens <= 65536; tokens = tokens * 3 / 2 + 1)
        CHECK(times.estimate(tokens) == Catch::Approx(0.001 * static_cast<double>(tokens)).epsilon(0.1));
    CHECK(times.max_tokens(1.0, 1, 0.001) == Catch::Approx(1000).epsilon(0.1));
}
