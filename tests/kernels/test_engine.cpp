#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstdlib>
#include <thread>
#include <vector>

#include <rwkv/kernels/engine.hpp>
#include <rwkv/kernels/weight_memory.hpp>

#include "../catch.hpp"

using namespace rwkv;
using namespace rwkv::kernels;

namespace {

/// Sets the environment variable RWKV_ISA.
void set_isa(const char* value) {
#if defined(_WIN32)
    ::_putenv_s("RWKV_ISA", value);
#else
    ::setenv("RWKV_ISA", value, 1);
#endif
}

}  // namespace

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

TEST_CASE("tokens are cut into parts of whole panels, none of them small or large") {
    for (const Index best : {64, 128})
        for (const Index most : {1, 2, 3, 16, 1 << 16})
            for (Index tokens = 1; tokens < 5000; ++tokens) {
                const Parts parts = parts_of(tokens, most, best);
                bool sound = parts.count >= 1 && parts.count <= most && parts.begin(0) == 0;
                sound = sound && parts.begin(parts.count) == tokens && (parts.count == 1 || tokens >= 3 * best / 2);
                sound = sound && parts.longest() <= tokens;  // few tokens are one turn, and wake nobody
                for (Index part = 0; part < parts.count; ++part) {
                    const Index size = parts.begin(part + 1) - parts.begin(part);
                    sound = sound && parts.begin(part) % panel == 0 && size <= parts.longest();
                    sound = sound && (parts.count == 1 || size >= best / 2);
                    sound = sound && (most < 1 << 16 || size < 3 * best / 2);
                }
                if (!sound) FAIL(tokens << " tokens in at most " << most << " parts of about " << best);
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

TEST_CASE("an instruction set can be forced, and only one that is there") {
    set_isa("");
    CHECK(chosen_isa() == best_isa());
    set_isa("portable");
    CHECK(chosen_isa() == Isa::portable);
    set_isa("avx1024");
    try {
        Engine engine(1, 1, 1);
        FAIL("accepted");
    } catch (const ArgumentError& error) {
        CHECK(error.subject() == "RWKV_ISA");
        CHECK(error.found() == "avx1024");
    }
    set_isa("");
}

TEST_CASE("memory for weights is aligned, and refused where there is none") {
    for (const std::size_t bytes : {std::size_t(0), std::size_t(1), std::size_t(100), std::size_t(5) << 20}) {
        const auto memory = allocate_weights(bytes);
        CHECK(reinterpret_cast<std::uintptr_t>(memory.get()) % 64 == 0);
        std::fill_n(memory.get(), bytes, std::byte(1));
    }
    CHECK_THROWS_AS(allocate_weights(static_cast<std::size_t>(-1)), std::bad_alloc);
}
