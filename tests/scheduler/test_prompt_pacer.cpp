// How far prompts get in a pass beside sequences that are being generated, by the clock.

#include <algorithm>
#include <cstddef>
#include <vector>

#include <rwkv/generation/prompt_pacer.hpp>

#include "../catch.hpp"

using rwkv::Index;
using rwkv::generation::PromptPacer;

namespace {

constexpr Index layers = 12;

/// A machine on which a layer takes 0.3 ms and 0.01 ms for each token, or as long as computing them, 0.03 ms each; what
/// follows the layers takes 2 ms.
struct Machine {
    double factor = 1;  ///< how much slower it is
    Index tokens = 0;   ///< of a prompt, on their way
    Index layer = 0;    ///< that they are through
    Index read = 0;     ///< tokens of prompts that are through all layers

    [[nodiscard]] double layer_seconds(Index count) const {
        const double number = static_cast<double>(count);
        return factor * std::max(0.0003 + 0.00001 * number, 0.00003 * number);
    }
    [[nodiscard]] double alone(Index beside) const { return layers * layer_seconds(beside) + factor * 0.002; }

    /// A pass with `beside` tokens of running texts, whose layers begin at `late`. Returns when it ends.
    double pass(PromptPacer& pacer, Index beside, bool with_prompts = true, double late = 0) {
        if (with_prompts && tokens == 0) tokens = pacer.chunk(beside), layer = 0;
        double now = late;
        pacer.begin(beside, tokens, now);
        for (Index i = 0; i < layers; ++i) {
            const bool joins = tokens > 0 && i == layer && pacer.allows(now);
            now += layer_seconds(beside + (joins ? tokens : 0));
            layer += joins;
            pacer.layer_done(joins, now);
        }
        now += factor * 0.002;
        const bool complete = tokens > 0 && layer == layers;
        if (complete) read += tokens, tokens = 0;
        pacer.end(complete, now);
        return now;
    }
};

}  // namespace

TEST_CASE("prompts take the time that they are allowed, and no more") {
    for (const Index beside : {1, 8, 30}) {
        PromptPacer pacer(layers, 2.0);
        Machine machine;
        for (int i = 0; i < 4; ++i) machine.pass(pacer, beside, false);
        CHECK(pacer.estimate(beside) == Catch::Approx(machine.alone(beside)));
        std::vector<double> seconds;
        for (int i = 0; i < 400; ++i) seconds.push_back(machine.pass(pacer, beside));
        double total = 0;
        for (const double one : seconds) total += one;
        const double longest = *std::max_element(seconds.begin(), seconds.end());
        CAPTURE(beside, longest, total, machine.read);
        // Only the first piece, of an unknown cost, may take a layer more.
        CHECK(longest < 2.2 * machine.alone(beside));
        CHECK(*std::max_element(seconds.begin() + 50, seconds.end()) <= 2.0 * machine.alone(beside));
        CHECK(total > 400 * 1.7 * machine.alone(beside));
        CHECK(machine.read > 400 * 12);
    }
}

TEST_CASE("where a pass begins late, prompts go through fewer layers of it") {
    PromptPacer pacer(layers, 2.0);
    Machine machine;
    for (int i = 0; i < 100; ++i) machine.pass(pacer, 1, i > 3);
    const double alone = machine.alone(1);
    for (const double late : {0.1, 0.5, 0.9, 1.5}) {
        CAPTURE(late);
        CHECK(machine.pass(pacer, 1, true, late * alone) <= std::max(2.0, 1 + late) * alone * 1.0001);
        for (int i = 0; i < 10; ++i) CHECK(machine.pass(pacer, 1) <= 2.0 * alone);
    }
}

TEST_CASE("a pass without prompts is measured first, and prompts get on however slow the machine becomes") {
    PromptPacer pacer(layers, 2.0);
    Machine machine;
    CHECK(machine.pass(pacer, 1) == Catch::Approx(machine.alone(1)));
    CHECK(machine.pass(pacer, 1) == Catch::Approx(machine.alone(1)));
    CHECK(machine.pass(pacer, 1) > 1.1 * machine.alone(1));
    for (int i = 0; i < 100; ++i) machine.pass(pacer, 1);
    machine.factor = 10;
    const Index before = machine.read;
    for (int i = 0; i < 4 * layers + 1; ++i) machine.pass(pacer, 1);
    CHECK(machine.read > before);
    for (int i = 0; i < 200; ++i) machine.pass(pacer, 1);
    CHECK(pacer.estimate(1) == Catch::Approx(machine.alone(1)).epsilon(0.1));
}

TEST_CASE("a slow pass counts little") {
    PromptPacer pacer(layers, 2.0);
    Machine machine;
    for (int i = 0; i < 100; ++i) machine.pass(pacer, 1, i > 3);
    const double before = pacer.estimate(1);
    machine.factor = 100;
    machine.pass(pacer, 1);
    CHECK(pacer.estimate(1) <= 1.04 * before);
    CHECK(pacer.chunk(1) > 16);
}

TEST_CASE("times between those measured are on the line between them") {
    PromptPacer pacer(1, 2.0);
    const auto add = [&](Index tokens, double seconds) {
        pacer.begin(tokens, 0, 0);
        pacer.layer_done(false, seconds / 2);
        pacer.end(false, seconds);
    };
    CHECK(pacer.estimate(3) == 0);
    for (int i = 0; i < 2; ++i) add(10, 0.010), add(20, 0.030);
    CHECK(pacer.estimate(15) == Catch::Approx(0.020));
    CHECK(pacer.estimate(1) == Catch::Approx(0.010));
    CHECK(pacer.estimate(100'000) == Catch::Approx(0.030));
    add(0, 1.0);
    add(100'000, 1.0);
    CHECK(pacer.estimate(15) == Catch::Approx(0.020));
}
