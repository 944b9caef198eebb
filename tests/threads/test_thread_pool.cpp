#include <algorithm>
#include <atomic>
#include <chrono>
#include <thread>
#include <vector>

#include <rwkv/kernels/thread_pool.hpp>

#include "../catch.hpp"

using rwkv::Index;
using rwkv::kernels::ThreadPool;

TEST_CASE("a thread pool does everything once") {
    for (const int threads : {1, 2, 5}) {
        ThreadPool pool(threads);
        CHECK(pool.size() == threads);
        for (const Index count : {0, 1, 2, 3, 1000}) {
            for (int round = 0; round < 50; ++round) {
                std::vector<std::atomic<int>> done(static_cast<std::size_t>(count));
                std::atomic<bool> sound{true};
                pool.parallel_for(count, [&](Index i, int worker) {
                    ++done[static_cast<std::size_t>(i)];
                    if (worker < 0 || worker >= threads) sound = false;
                });
                bool once = true;
                for (const auto& times : done) once = once && times == 1;
                CHECK(once);
                CHECK(sound);
            }
        }
    }
}

TEST_CASE("a thread pool does every turn of every part once") {
    for (const int threads : {1, 2, 5}) {
        ThreadPool pool(threads);
        for (Index parts = 1; parts <= threads; ++parts)
            for (const Index count : {0, 1, 3, 100})
                for (int round = 0; round < 20; ++round) {
                    std::vector<std::atomic<int>> done(static_cast<std::size_t>(parts * count));
                    pool.parallel_for_parts(parts, count, [&](Index part, Index i, int) {
                        ++done[static_cast<std::size_t>(part * count + i)];
                    });
                    CHECK(std::ranges::all_of(done, [](const auto& times) { return times == 1; }));
                }
    }
}

TEST_CASE("a thread pool that slept wakes up") {
    ThreadPool pool(3);
    std::atomic<int> sum{0};
    for (int round = 0; round < 3; ++round) {
        std::this_thread::sleep_for(std::chrono::milliseconds(20));
        pool.parallel_for(100, [&](Index i, int) { sum += static_cast<int>(i); });
    }
    CHECK(sum == 3 * 4950);
}

TEST_CASE("workers that wait do something meanwhile, and stop when the next loop begins") {
    std::atomic<int> begun{0}, ended{0}, second{0}, turns{0};
    ThreadPool pool(3);
    // A worker that sleeps already, or is not given time, does nothing.
    int waits = 0;
    for (; begun < 10 && waits < 100'000; ++waits) {
        pool.parallel_for(100, [&](Index, int) { ++turns; });
        pool.meanwhile([&begun, &ended](int worker, const auto& is_over) {
            if (worker == 1 || worker == 2) ++begun;
            while (!is_over()) std::this_thread::yield();
            ++ended;
        });
        pool.meanwhile([&second](int, const auto&) { ++second; });
        std::this_thread::yield();
    }
    pool.parallel_for(100, [&](Index, int) { ++turns; });
    CHECK(begun >= 10);
    CHECK(begun <= 2 * waits);
    CHECK(begun == ended);
    CHECK(second == 0);
    CHECK(turns == 100 * (waits + 1));

    ThreadPool alone(1);
    alone.meanwhile([](int, const auto&) { FAIL(); });
    alone.parallel_for(1, [](Index, int) {});
}
