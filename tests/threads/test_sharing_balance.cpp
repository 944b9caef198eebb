#include <algorithm>
#include <cstdint>
#include <thread>
#include <vector>

#include <rwkv/kernels/loop_clock.hpp>
#include <rwkv/kernels/sharing_balance.hpp>

#include "../catch.hpp"

using rwkv::kernels::LoopClock;
using rwkv::kernels::LoopTimes;
using rwkv::kernels::SharingBalance;

namespace {

constexpr std::int64_t longest_alone = 160'000, undisturbed = 10'000;

/// Loops of 100 tasks of one tick each, of a caller with a clock of its own.
struct Caller {
    SharingBalance balance{
        {.allowance = 100, .overhead = 2, .longest_alone = longest_alone, .undisturbed = undisturbed}};
    std::int64_t shared = 0, alone = 0;  // time

    /// A loop that takes `spent` where it is shared half and half, and `spent_alone` where it is not.
    bool loop(std::int64_t spent, std::int64_t spent_alone = 100) {
        const bool pays = balance.pays();
        if (pays) {
            shared += spent;
            balance.add({.spent = spent, .worked = 50, .processor = 50, .taken = 50, .tasks = 100, .loops = 1});
        } else {
            alone += spent_alone;
            balance.add({.spent = spent_alone,
                         .worked = spent_alone,
                         .processor = 100,
                         .taken = 100,
                         .tasks = 100,
                         .loops = 1});
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
    CHECK(caller.alone > 8 * caller.shared);
}

TEST_CASE("what sharing loses is a twentieth of the time, or little more") {
    for (const std::int64_t spent : {90, 100, 120, 200, 1000, 2400}) {
        Caller caller;
        int loops = 0;
        for (; loops < 100'000; ++loops) caller.loop(spent);
        const double took = static_cast<double>(caller.shared + caller.alone);
        CHECK(took < 1.06 * 100 * loops);
    }
}

TEST_CASE("a caller alone that has its processor to itself tries again, and shares when it gains") {
    Caller caller;
    for (int i = 0; i < 1000; ++i) caller.loop(1000);
    const std::int64_t alone = caller.alone;
    while (!caller.loop(55)) CHECK(caller.alone - alone <= 20 * 1100);
    for (int i = 0; i < longest_alone / 50; ++i) CHECK(caller.loop(55));
    // What was lost long ago does not count.
    CHECK(caller.loop(250));
    const std::int64_t lost = caller.alone;
    while (!caller.loop(55)) {
    }
    CHECK(caller.alone - lost < 20 * 300);
}

TEST_CASE("beside other work the caller tries less and less often") {
    // Alone, it has half a processor; sharing, a third.
    Caller caller;
    std::vector<std::int64_t> periods;
    std::int64_t began = 0;
    bool shared = true;
    while (caller.alone < 20 * longest_alone) {
        const bool shares = caller.loop(300, 200);
        if (shares && !shared) periods.push_back(caller.alone - began);
        if (!shares && shared) began = caller.alone - 200;
        shared = shares;
    }
    REQUIRE(periods.size() > 10);
    CHECK(periods[0] < 8'000);
    CHECK(periods[1] > periods[0] * 3 / 2);
    CHECK(periods.back() >= longest_alone - 200);
    CHECK(*std::max_element(periods.begin(), periods.end()) <= longest_alone + 200);
}

TEST_CASE("beside other work loops are shared as long as more gets done than alone") {
    // Alone, the caller has a third of a processor; sharing, two halves of one.
    Caller caller;
    for (int i = 0; i < 1000; ++i) caller.loop(500, 300);
    for (int i = 0; i < 10'000; ++i) caller.loop(100, 300);
    const std::int64_t alone = caller.alone;
    for (int i = 0; i < 1000; ++i) caller.loop(100, 300);
    CHECK(caller.alone == alone);
}

TEST_CASE("a caller that lost its own processor gains no credit for later") {
    Caller caller;
    caller.balance.add({.spent = 100'000, .worked = 100'000, .processor = 100, .taken = 1, .tasks = 1000, .loops = 1});
    int loops = 0;
    while (caller.loop(150)) ++loops;
    CHECK(loops <= 2);
}

TEST_CASE("a caller that lost its own processor has done no more for it") {
    Caller caller;
    caller.balance.add({.spent = 1000, .worked = 1000, .processor = 10, .taken = 50, .tasks = 100, .loops = 1});
    CHECK(!caller.balance.pays());
}

TEST_CASE("loops that workers did without the caller say nothing") {
    Caller caller;
    for (int i = 0; i < 100; ++i)
        caller.balance.add({.spent = 1000, .worked = 0, .processor = 0, .taken = 0, .tasks = 100, .loops = 1});
    CHECK(caller.balance.pays());
}

TEST_CASE("a loop clock adds loops up, and tells what the caller had of a processor") {
    LoopClock clock;
    LoopTimes sum;
    int readings = 0;
    const auto receive = [&](const LoopTimes& times) {
        ++readings;
        sum.spent += times.spent;
        sum.processor += times.processor;
        sum.taken += times.taken;
        sum.tasks += times.tasks;
        sum.loops += times.loops;
    };
    const std::int64_t length = rwkv::kernels::ticks_in(1000);
    for (int i = 0; i < 50; ++i) {
        const std::int64_t start = rwkv::kernels::ticks();
        clock.begin(start, receive);
        std::int64_t now = start;
        while (now - start < length) now = rwkv::kernels::ticks();
        clock.end(start, now, now - start, 3, 4, receive);
    }
    CHECK(readings == 50);
    CHECK(sum.loops == 50);
    CHECK(sum.taken == 150);
    CHECK(sum.tasks == 200);
    CHECK(sum.spent >= 50 * length);
    CHECK(sum.processor > 0);
    CHECK(static_cast<double>(sum.processor) < 1.1 * static_cast<double>(sum.spent));
}

TEST_CASE("a loop clock waits for the next step of a processor clock of long steps") {
    static std::int64_t processor = 0;
    LoopClock clock([]() noexcept { return processor; });
    int readings = 0;
    LoopTimes last;
    const auto receive = [&](const LoopTimes& times) {
        ++readings;
        last = times;
    };
    std::int64_t now = rwkv::kernels::ticks();
    clock.begin(now, receive);
    for (int i = 0; i < 5; ++i) {
        if (i == 4) processor = 1000;
        const std::int64_t start = now;
        now += rwkv::kernels::ticks_in(1000);
        clock.end(start, now, now - start, 1, 1, receive);
        CHECK(readings == (i == 4));
    }
    CHECK(last.loops == 5);
    CHECK(last.processor > 0);
}

TEST_CASE("a loop clock says nothing about a loop that another thread began to time") {
    LoopClock clock;
    int readings = 0;
    const auto receive = [&](const LoopTimes&) { ++readings; };
    // This thread has had more of a processor, so that a difference would look right.
    const std::int64_t start = rwkv::kernels::ticks();
    std::thread([&] { clock.begin(start, receive); }).join();
    const std::int64_t later = start + rwkv::kernels::ticks_in(1000);
    clock.end(start, later, later - start, 1, 1, receive);
    CHECK(readings == 0);
}
