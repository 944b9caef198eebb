#include <cstdint>

#include <rwkv/kernels/sharing_balance.hpp>

#include "../catch.hpp"

using rwkv::kernels::SharingBalance;

namespace {

/// Loops of a caller with a clock of its own: 100 ticks of allowance, 2 of overhead, trials at least every 10,000 ticks,
/// at most 50,000 ticks alone.
struct Caller {
    SharingBalance balance{100, 2, 10'000, 50'000};
    std::int64_t now = 1'000'000, shared = 0, alone = 0;

    /// A loop of 100 tasks of one tick, which takes `spent` where it is shared half and half.
    bool loop(std::int64_t spent) {
        const bool pays = balance.pays(now);
        if (pays) {
            now += spent;
            shared += spent;
            balance.add(now, spent, 50, 50, 100);
        } else {
            now += 100;
            alone += 100;
        }
        return pays;
    }
};

}  // namespace

TEST_CASE("loops that gain are shared, whatever one of them lost now and then") {
    Caller caller;
    for (int i = 0; i < 10'000; ++i) CHECK(caller.loop(i % 10 == 0 ? 150 : 60));
}

TEST_CASE("loops that take as long as the caller alone would are not shared") {
    Caller caller;
    for (int i = 0; i < 10'000; ++i) caller.loop(110);
    CHECK(caller.alone > 15 * caller.shared);
}

TEST_CASE("what sharing loses is a twentieth of the time, or little more") {
    for (const std::int64_t spent : {90, 100, 120, 200, 1000, 2400}) {
        Caller caller;
        int loops = 0;
        for (; loops < 100'000; ++loops) caller.loop(spent);
        const double took = static_cast<double>(caller.now - 1'000'000);
        CHECK(took < 1.06 * 100 * loops);
    }
}

TEST_CASE("a caller that works alone tries again, and shares when it gains") {
    Caller caller;
    for (int i = 0; i < 1000; ++i) caller.loop(1000);
    const std::int64_t began = caller.now;
    while (!caller.loop(55)) CHECK(caller.now - began <= 50'000);
    for (int i = 0; i < 1000; ++i) CHECK(caller.loop(55));
    // What was lost long ago does not count.
    CHECK(caller.loop(250));
    std::int64_t lost = caller.now;
    while (!caller.loop(55)) {
    }
    CHECK(caller.now - lost < 20 * 300);
}

TEST_CASE("a caller that lost its own processor gains no credit for later") {
    Caller caller;
    caller.balance.add(caller.now, 100'000, 100'000, 1, 100);
    int loops = 0;
    while (caller.loop(150)) ++loops;
    CHECK(loops <= 2);
}

TEST_CASE("a loop that workers did without the caller says little") {
    Caller caller;
    caller.balance.add(caller.now, 80, 0, 0, 100);
    CHECK(caller.loop(55));
    for (int i = 0; i < 8; ++i) caller.balance.add(caller.now, 80, 0, 0, 100);
    CHECK(caller.balance.pays(caller.now));
    caller.balance.add(caller.now, 80, 0, 0, 100);
    CHECK(!caller.balance.pays(caller.now));
}
