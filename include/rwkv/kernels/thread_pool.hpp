#pragma once

#include <algorithm>
#include <atomic>
#include <condition_variable>
#include <cstddef>
#include <cstdint>
#include <mutex>
#include <thread>
#include <vector>

#include <rwkv/core/tensor.hpp>
#include <rwkv/kernels/executor.hpp>
#include <rwkv/version.hpp>

#if defined(__x86_64__) || defined(__i386__)
#include <immintrin.h>
#endif

namespace rwkv::inline RWKV_ABI {

/// A number of threads as options give it: itself, or, for 0, all processors that the process may use.
[[nodiscard]] inline int thread_count(int threads) noexcept {
    return threads > 0 ? threads : static_cast<int>(std::clamp(std::thread::hardware_concurrency(), 1U, 1024U));
}

/// A fixed set of threads that share loops. One thread is the caller's alone: nothing is started.
///
/// Between loops the workers spin for some tens of microseconds, since the next loop of a forward pass follows soon,
/// and then sleep. A loop waits only for workers that took part in it: where the system gives a worker no processor,
/// the others do its share.
///
/// Thread safety: several threads may run loops at once. One of them has the workers; the loops of the others run on
/// their callers alone.
class ThreadPool final : public Executor {
  public:
    /// `threads` as in thread_count(). Throws: std::system_error if the system has no thread to give.
    explicit ThreadPool(int threads = 0) : size_(thread_count(threads)), next_(static_cast<std::size_t>(size_)) {
        try {
            for (int worker = 1; worker < size_; ++worker) workers_.emplace_back([this, worker] { work(worker); });
        } catch (...) {
            stop();
            throw;
        }
    }

    ~ThreadPool() override { stop(); }

    ThreadPool(const ThreadPool&) = delete;
    ThreadPool& operator=(const ThreadPool&) = delete;

    int threads() const noexcept override { return size_; }

    void run(Index shares, Index count, LoopBody body) noexcept override {
        if (workers_.empty() || shares * count <= 1 || shares > size_ || busy_.exchange(true)) {
            for (Index share = 0; share < shares; ++share)
                for (Index i = 0; i < count; ++i) body(share, i, 0);
            return;
        }
        shares_ = shares;
        count_ = count;
        for (Index share = 0; share < shares; ++share) next(share).store(0, std::memory_order_relaxed);
        body_ = &body;
        loop_gate_.open();
        begin_round();
        take_tasks(0);
        loop_gate_.close();
        for (int spins = 0; !loop_gate_.is_empty(); ++spins) pause(spins);
        busy_.store(false);
    }

    /// A task is copied; where another one is under way it is ignored, as it is by workers that sleep.
    void run_while_idle(const IdleTask& task) noexcept override {
        if (workers_.empty() || busy_.exchange(true)) return;
        if (idle_gate_.is_closed() && idle_gate_.is_empty()) {
            idle_task_ = task;
            idle_gate_.open();
        }
        busy_.store(false);
    }

  private:
    /// Lets workers in while it is open and knows how many are inside.
    class Gate {
      public:
        void open() noexcept { state_.store(0); }
        void close() noexcept { state_.fetch_or(closed); }
        bool is_closed() const noexcept { return (state_.load() & closed) != 0; }
        bool is_empty() const noexcept { return (state_.load() & ~closed) == 0; }
        bool enter() noexcept {
            std::uint32_t state = state_.load();
            while ((state & closed) == 0)
                if (state_.compare_exchange_weak(state, state + 1)) return true;
            return false;
        }
        void leave() noexcept { state_.fetch_sub(1); }

      private:
        static constexpr std::uint32_t closed = std::uint32_t(1) << 31U;
        std::atomic<std::uint32_t> state_{closed};
    };

    void stop() noexcept {
        stopping_ = true;
        begin_round();
        for (std::thread& worker : workers_) worker.join();
    }

    static constexpr int spin_limit = 4000;

    void work(int worker) noexcept {
        std::uint32_t seen = 0;
        while (!stopping_) {
            wait_for_round(seen, worker);
            seen = round_.load();
            if (stopping_ || !loop_gate_.enter()) continue;
            take_tasks(worker);
            loop_gate_.leave();
        }
    }

    void wait_for_round(std::uint32_t seen, int worker) noexcept {
        const auto round_has_begun = [this, seen] { return round_.load(std::memory_order_relaxed) != seen; };
        bool idle = true;
        for (int spins = 0; spins < spin_limit; ++spins) {
            if (round_.load(std::memory_order_acquire) != seen) return;
            if (idle && idle_gate_.enter()) {
                idle_task_(worker, IdleTask::Interrupted(round_has_begun));
                idle_gate_.leave();
                idle = false;
            }
            pause(spins);
        }
        sleep(seen);
    }

    // Either this sees a sleeper, or the sleeper sees the new round before it sleeps. (Not round_.wait, since gcc 12's
    // library loses wake-ups where the system has no futex.)
    void begin_round() noexcept {
        idle_gate_.close();
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

    void take_tasks(int worker) noexcept {
        const Index own = worker * shares_ / static_cast<Index>(size_);
        for (Index i = 0; i < shares_; ++i) take_tasks_of((own + i) % shares_, worker);
    }

    // Takes runs of tasks, long runs first and shorter ones towards the end: neighbouring tasks are mostly neighbours
    // in memory, which is fastest to read in order, and yet no thread is left waiting for another's long run.
    void take_tasks_of(Index share, int worker) noexcept {
        const Index runs = 2 * static_cast<Index>(size_);
        Index begin = next(share).load(std::memory_order_relaxed);
        while (begin < count_) {
            const Index end = begin + std::max<Index>(1, (count_ - begin) / runs);
            if (!next(share).compare_exchange_weak(begin, end, std::memory_order_relaxed)) continue;
            for (Index i = begin; i < end; ++i) (*body_)(share, i, worker);
            begin = next(share).load(std::memory_order_relaxed);
        }
    }

    // Gives way to the other hyperthread, and now and then to other threads of a machine with too few processors.
    static void pause(int spins) noexcept {
#if defined(__x86_64__) || defined(__i386__)
        _mm_pause();
#elif defined(__aarch64__)
        asm volatile("yield");
#endif
        if (spins % 256 == 255) std::this_thread::yield();
    }

    // The next task of a share.
    struct alignas(64) Next {
        std::atomic<Index> task{0};
    };
    std::atomic<Index>& next(Index share) noexcept {
        return next_[static_cast<std::size_t>(share)].task;
    }

    int size_;
    std::vector<std::thread> workers_;
    // What is written once a loop, then what every thread writes, each on cache lines of its own.
    alignas(64) std::atomic<std::uint32_t> round_{0};
    std::atomic<int> sleepers_{0};
    std::atomic<bool> stopping_{false};
    std::atomic<bool> busy_{false};  // a caller is running a loop or handing over a task
    Index shares_ = 1, count_ = 0;
    const LoopBody* body_ = nullptr;
    alignas(64) Gate loop_gate_;
    alignas(64) Gate idle_gate_;
    IdleTask idle_task_;
    std::vector<Next> next_;
    std::mutex mutex_;
    std::condition_variable wake_up_;
};

}  // namespace rwkv::inline RWKV_ABI
