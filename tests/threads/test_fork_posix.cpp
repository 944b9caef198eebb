// A child of fork() has none of the threads that its parent had.

#include <sys/wait.h>
#include <unistd.h>

#include <atomic>
#include <chrono>
#include <cstdlib>
#include <functional>
#include <memory>
#include <set>
#include <thread>

#include <rwkv/kernels/thread_pool.hpp>

#include "../catch.hpp"

using rwkv::IdleTask;
using rwkv::Index;
using rwkv::ThreadPool;
using rwkv::kernels::parallel_for;

// gcc's thread sanitizer refuses to go on in a child that starts threads.
#if defined(__SANITIZE_THREAD__)
#define RWKV_TEST_THREAD_SANITIZER
#elif defined(__has_feature)
#if __has_feature(thread_sanitizer)
#define RWKV_TEST_THREAD_SANITIZER
#endif
#endif

#ifndef RWKV_TEST_THREAD_SANITIZER

namespace {

/// Whether that is true in a child of this process, and the child ends within ten seconds.
bool holds_in_child(const std::function<bool()>& check) {
    const pid_t child = ::fork();
    if (child == 0) {
        ::alarm(10);
        ::_exit(check() ? 0 : 1);
    }
    int status = 0;
    return child > 0 && ::waitpid(child, &status, 0) == child && WIFEXITED(status) && WEXITSTATUS(status) == 0;
}

bool does_everything_once(ThreadPool& pool, int rounds = 200) {
    for (int round = 0; round < rounds; ++round) {
        std::atomic<int> done{0};
        parallel_for(pool, 50, [&](Index, int) { ++done; });
        if (done != 50) return false;
        pool.run_while_idle(IdleTask([](int, const auto&) {}));
    }
    return true;
}

void let_workers_sleep() {
    std::this_thread::sleep_for(std::chrono::milliseconds(50));
}

}  // namespace

TEST_CASE("a child of fork() uses the pool of its parent, and its threads are started anew", "[fork]") {
    for (const bool asleep : {false, true}) {
        ThreadPool pool(3);
        does_everything_once(pool);
        if (asleep) let_workers_sleep();
        CHECK(holds_in_child([&] {
            if (!does_everything_once(pool)) return false;
            // Threads are at work again: another than the caller's takes a task that waits for it.
            std::atomic<bool> helped{false};
            for (int round = 0; round < 2000 && !helped; ++round)
                parallel_for(pool, 20, [&](Index, int worker) {
                    if (worker != 0) helped = true;
                    for (int i = 0; i < 100 && !helped; ++i) std::this_thread::yield();
                });
            return helped || rwkv::thread_count(0) == 1;
        }));
        CHECK(does_everything_once(pool));
    }
}

TEST_CASE("a child of fork() destroys the pool of its parent", "[fork]") {
    for (const bool asleep : {false, true})
        for (const bool used : {false, true}) {
            auto pool = std::make_unique<ThreadPool>(3);
            does_everything_once(*pool);
            if (asleep) let_workers_sleep();
            CHECK(holds_in_child([&] {
                if (used && !does_everything_once(*pool)) return false;
                pool.reset();
                return true;
            }));
            CHECK(does_everything_once(*pool));
        }
}

TEST_CASE("a child of fork() uses and destroys a pool that was at work on another thread", "[fork]") {
    auto pool = std::make_unique<ThreadPool>(3);
    std::atomic<bool> stop{false};
    std::thread caller([&] {
        while (!stop) does_everything_once(*pool, 10);
    });
    for (int i = 0; i < 20; ++i) {
        CHECK(holds_in_child([&] {
            if (!does_everything_once(*pool)) return false;
            pool.reset();
            return true;
        }));
    }
    stop = true;
    caller.join();
}

TEST_CASE("exit() in a child of fork() destroys what the parent made and is static", "[fork]") {
    static ThreadPool pool(2);
    for (const bool asleep : {false, true}) {
        does_everything_once(pool);
        if (asleep) let_workers_sleep();
        const pid_t child = ::fork();
        if (child == 0) {
            ::alarm(10);
            // Not std::exit: what others registered is not for a child.
            pool.~ThreadPool();
            ::_exit(0);
        }
        int status = 0;
        REQUIRE(::waitpid(child, &status, 0) == child);
        CHECK(WIFEXITED(status));
    }
}

TEST_CASE("a child of a child uses the pool, too", "[fork]") {
    ThreadPool pool(2);
    does_everything_once(pool);
    CHECK(holds_in_child(
        [&] { return does_everything_once(pool) && holds_in_child([&] { return does_everything_once(pool); }); }));
}

#endif
