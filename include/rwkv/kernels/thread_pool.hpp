#pragma once

#include <algorithm>
#include <atomic>
#include <condition_variable>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <mutex>
#include <thread>
#include <type_traits>
#include <vector>

#include <rwkv/core/tensor.hpp>
#include <rwkv/version.hpp>

#if defined(__x86_64__) || defined(__i386__)
#include <immintrin.h>
#endif

namespace rwkv::inline RWKV_ABI::kernels {

/// A fixed set of threads that share out loops. One thread (the default) means the caller's alone: nothing is started.
///
/// Between loops the workers spin for some tens of microseconds, since the next loop of a forward pass is never
/// far, and then sleep. A pool serves one caller at a time; give each conversation its own.
class ThreadPool {
  public:
    /// Throws std::system_error if the system has no thread to give.
    explicit ThreadPool(int threads = 1) : next_(static_cast<std::size_t>(std::max(1, threads))) {
        try {
            for (int worker = 1; worker < threads; ++worker) workers_.emplace_back([this, worker] { work(worker); });
        } catch (...) {
            stop();
            throw;
        }
    }

    ~ThreadPool() { stop(); }

    ThreadPool(const ThreadPool&) = delete;
    ThreadPool& operator=(const ThreadPool&) = delete;

    /// Threads at work in a loop, the caller's included.
    int size() const noexcept { return static_cast<int>(workers_.size()) + 1; }

    /// Calls body(i, worker) once for each i in [0, count), worker in [0, size()), and returns when all are done.
    /// Which thread takes which i is left to chance, so a body must give the same result on any. It must not throw.
    template <class Body>
    void parallel_for(Index count, Body&& body) noexcept {
        parallel_for_parts(1, count, [&](Index, Index i, int worker) { body(i, worker); });
    }

    /// Likewise body(part, i, worker), for each i in [0, count) of each of up to size() parts. A thread begins with a
    /// part of its own, the same in every loop of so many parts, and then helps with the others: what it left in its
    /// cache in one loop it finds there in the next.
    template <class Body>
    void parallel_for_parts(Index parts, Index count, Body&& body) noexcept {
        if (workers_.empty() || parts * count <= 1) {
            for (Index part = 0; part < parts; ++part)
                for (Index i = 0; i < count; ++i) body(part, i, 0);
            return;
        }
        parts_ = parts;
        count_ = count;
        for (Index part = 0; part < parts; ++part) next(part).store(0, std::memory_order_relaxed);
        body_ = &body;
        call_ = [](const void* any, Index part, Index i, int worker) {
            (*static_cast<std::remove_reference_t<Body>*>(const_cast<void*>(any)))(part, i, worker);
        };
        busy_.store(static_cast<int>(workers_.size()), std::memory_order_relaxed);
        begin_round();
        take_turns(0);
        for (int spins = 0; busy_.load(std::memory_order_acquire) != 0; ++spins) pause(spins);
    }

    /// Has each worker call body(worker, ended) while it waits for the next loop: what may as well be left undone. It
    /// must return when ended() says that the loop has begun, or the pool's end, and must not throw. A copy is made of
    /// it and this returns at once. One body a wait: another is forgotten, and a worker that sleeps calls none.
    template <class Body>
    void meanwhile(const Body& body) noexcept {
        static_assert(std::is_trivially_copyable_v<Body> && sizeof(Body) <= sizeof aside_ &&
                      alignof(Body) <= alignof(std::max_align_t));
        if (workers_.empty() || has_aside_.load(std::memory_order_relaxed)) return;
        std::memcpy(aside_, &body, sizeof body);
        call_aside_ = [](const void* any, int worker, const Ended& ended) {
            (*static_cast<const Body*>(any))(worker, ended);
        };
        has_aside_.store(true, std::memory_order_release);
    }

  private:
    // Whether a round has been followed by another.
    struct Ended {
        const std::atomic<std::uint32_t>& round;
        std::uint32_t seen;
        bool operator()() const noexcept { return round.load(std::memory_order_relaxed) != seen; }
    };

    void stop() noexcept {
        stopping_ = true;
        begin_round();
        for (std::thread& worker : workers_) worker.join();
    }

    static constexpr int spin_limit = 4000;

    void work(int worker) noexcept {
        std::uint32_t seen = 0;
        for (;;) {
            bool free = true;
            for (int spins = 0; round_.load(std::memory_order_acquire) == seen && spins < spin_limit; ++spins) {
                if (free && has_aside_.load(std::memory_order_acquire)) {
                    call_aside_(aside_, worker, Ended{round_, seen});
                    free = false;
                }
                pause(spins);
            }
            if (round_.load(std::memory_order_acquire) == seen) sleep(seen);
            ++seen;
            if (stopping_) return;
            take_turns(worker);
            busy_.fetch_sub(1, std::memory_order_release);
        }
    }

    // Either this sees a sleeper, or the sleeper sees the new round before it sleeps. (Not round_.wait, since gcc 12's
    // library loses wake-ups where the system has no futex.)
    void begin_round() noexcept {
        has_aside_.store(false, std::memory_order_relaxed);
        round_.fetch_add(1);
        if (sleepers_.load() == 0) return;
        { const std::lock_guard lock(mutex_); }  // whoever was about to sleep does so now
        wake_up_.notify_all();
    }

    void sleep(std::uint32_t seen) noexcept {
        std::unique_lock lock(mutex_);
        sleepers_.fetch_add(1);
        wake_up_.wait(lock, [&] { return round_.load() != seen; });
        sleepers_.fetch_sub(1);
    }

    void take_turns(int worker) noexcept {
        const Index own = worker * parts_ / static_cast<Index>(size());
        for (Index i = 0; i < parts_; ++i) take_turns_of((own + i) % parts_, worker);
    }

    // Takes runs of turns, long ones first and shorter as the end comes near: neighbouring turns are mostly neighbours
    // in memory, which likes to be read in order, and yet no thread is left waiting for another's long run.
    void take_turns_of(Index part, int worker) noexcept {
        const Index share = 2 * static_cast<Index>(size());
        Index begin = next(part).load(std::memory_order_relaxed);
        while (begin < count_) {
            const Index end = begin + std::max<Index>(1, (count_ - begin) / share);
            if (!next(part).compare_exchange_weak(begin, end, std::memory_order_relaxed)) continue;
            for (Index i = begin; i < end; ++i) call_(body_, part, i, worker);
            begin = next(part).load(std::memory_order_relaxed);
        }
    }

    // Lets the other hyperthread go on, and now and then the other threads of a machine with fewer cores than we use.
    static void pause(int spins) noexcept {
#if defined(__x86_64__) || defined(__i386__)
        _mm_pause();
#elif defined(__aarch64__)
        asm volatile("yield");
#endif
        if (spins % 256 == 255) std::this_thread::yield();
    }

    // The next turn of a part.
    struct alignas(64) Next {
        std::atomic<Index> turn{0};
    };
    std::atomic<Index>& next(Index part) noexcept {
        return next_[static_cast<std::size_t>(part)].turn;
    }

    std::vector<std::thread> workers_;
    // What is written once a loop, then what every thread writes, each on cache lines of its own.
    alignas(64) std::atomic<std::uint32_t> round_{0};
    std::atomic<int> sleepers_{0};
    std::atomic<bool> stopping_{false};
    Index parts_ = 1, count_ = 0;
    const void* body_ = nullptr;
    void (*call_)(const void*, Index, Index, int) = nullptr;
    // What to do meanwhile. Written only where has_aside_ is false: then every worker has been in a round since the
    // last body, and so has left it.
    alignas(64) std::atomic<bool> has_aside_{false};
    void (*call_aside_)(const void*, int, const Ended&) = nullptr;
    alignas(std::max_align_t) std::byte aside_[128];
    alignas(64) std::atomic<int> busy_{0};
    std::vector<Next> next_;
    std::mutex mutex_;
    std::condition_variable wake_up_;
};

}  // namespace rwkv::inline RWKV_ABI::kernels
