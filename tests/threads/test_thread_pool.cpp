#include <algorithm>
#include <atomic>
#include <chrono>
#include <thread>
#include <vector>

#include <rwkv/kernels/thread_pool.hpp>

#include "../catch.hpp"

using rwkv::IdleTask;
using rwkv::Index;
using rwkv::ThreadPool;
using rwkv::kernels::parallel_for;
using rwkv::kernels::parallel_for_shares;

TEST_CASE("a thread pool does everything once") {
    for (const int threads : {1, 2, 5}) {
        ThreadPool pool(threads);
        CHECK(pool.threads() == threads);
        for (const Index count : {0, 1, 2, 3, 1000}) {
            for (int round = 0; round < 50; ++round) {
                std::vector<std::atomic<int>> done(static_cast<std::size_t>(count));
                std::atomic<bool> sound{true};
                parallel_for(pool, count, [&](Index i, int worker) {
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

TEST_CASE("a thread pool does every task of every share once") {
    for (const int threads : {1, 2, 5}) {
        ThreadPool pool(threads);
        for (Index parts = 1; parts <= threads; ++parts)
            for (const Index count : {0, 1, 3, 100})
                for (int round = 0; round < 20; ++round) {
                    std::vector<std::atomic<int>> done(static_cast<std::size_t>(parts * count));
                    parallel_for_shares(pool, parts, count, [&](Index part, Index i, int) {
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
        parallel_for(pool, 100, [&](Index i, int) { sum += static_cast<int>(i); });
    }
    CHECK(sum == 3 * 4950);
}

TEST_CASE("workers that wait run an idle task, and stop when the next loop begins") {
    std::atomic<int> begun{0}, ended{0}, tasks{0};
    int waits = 0;
    {
        ThreadPool pool(3);
        // A worker that sleeps already, or is given no processor, runs none.
        for (; begun < 10 && waits < 100'000; ++waits) {
            parallel_for(pool, 100, [&](Index, int) { ++tasks; });
            pool.run_while_idle(IdleTask([&begun, &ended](int worker, const auto& interrupted) {
                if (worker == 1 || worker == 2) ++begun;
                while (!interrupted()) std::this_thread::yield();
                ++ended;
            }));
            std::this_thread::yield();
        }
        parallel_for(pool, 100, [&](Index, int) { ++tasks; });
        CHECK(tasks == 100 * (waits + 1));
    }
    CHECK(begun >= 10);
    CHECK(begun <= 2 * waits);
    CHECK(begun == ended);

    ThreadPool alone(1);
    alone.run_while_idle(IdleTask([](int, const auto&) { FAIL(); }));
    parallel_for(alone, 1, [](Index, int) {});
}

TEST_CASE("several threads share a pool") {
    ThreadPool pool(3);
    std::vector<std::thread> callers;
    std::atomic<int> wrong{0};
    for (int caller = 0; caller < 4; ++caller)
        callers.emplace_back([&] {
            for (int round = 0; round < 300; ++round) {
                std::vector<std::atomic<int>> done(60);
                pool.run_while_idle(IdleTask([](int, const auto& interrupted) {
                    for (int i = 0; i < 100 && !interrupted(); ++i) std::this_thread::yield();
                }));
                parallel_for_shares(pool, 2, 30, [&](Index share, Index i, int) {
                    ++done[static_cast<std::size_t>(share * 30 + i)];
                });
                if (!std::ranges::all_of(done, [](const auto& times) { return times == 1; })) ++wrong;
            }
        });
    for (std::thread& caller : callers) caller.join();
    CHECK(wrong == 0);
}

TEST_CASE("a caller whose workers are slow works alone, and has them back when they are not") {
    ThreadPool pool(2);
    std::atomic<bool> slow{true};
    std::atomic<int> by_worker{0}, done{0};
    // The caller's tasks take long enough for the worker to wake up, if it has a processor.
    const auto loop = [&] {
        by_worker = done = 0;
        parallel_for(pool, 2, [&](Index, int thread) {
            ++done;
            if (thread != 0) ++by_worker;
            std::this_thread::sleep_for(std::chrono::milliseconds(thread != 0 && slow ? 8 : 2));
        });
        return by_worker.load();
    };
    const auto loop_until = [&](bool shared) {
        for (int i = 0; i < 10'000; ++i) {
            const bool was_shared = loop() > 0;
            if (done != 2) return false;
            if (was_shared == shared) return true;
        }
        return false;
    };
    CHECK(loop_until(true));
    CHECK(loop_until(false));  // each loop shared takes 8 ms, and alone 4
    slow = false;
    CHECK(loop_until(true));
    CHECK(loop_until(true));
}

TEST_CASE("zero threads are all that the process may use") {
    CHECK(rwkv::thread_count(0) == static_cast<int>(std::max(1U, std::thread::hardware_concurrency())));
    CHECK(rwkv::thread_count(3) == 3);
    CHECK(ThreadPool().threads() == rwkv::thread_count(0));
}
