#pragma once

#include <algorithm>
#include <atomic>
#include <chrono>
#include <condition_variable>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <mutex>
#include <system_error>
#include <thread>
#include <vector>

#include <rwkv/core/inline.hpp>
#include <rwkv/core/process_id.hpp>
#include <rwkv/kernels/loop_clock.hpp>
#include <rwkv/kernels/sharing_balance.hpp>
#include <rwkv/kernels/thread_pool.hpp>

#if defined(__x86_64__)
#include <immintrin.h>
#endif

namespace rwkv::inline RWKV_ABI {

RWKV_INLINE int thread_count(int threads) noexcept {
    if (threads > 0) return threads;
    const unsigned processors = std::thread::hardware_concurrency();
    return static_cast<int>(processors < 1 ? 1 : processors > 1024 ? 1024 : processors);
}

/// The workers of a pool in one process, and what they share with the caller.
class ThreadPool::Team {
  public:
    explicit Team(int size)
        : size_(size), next_(static_cast<std::size_t>(size)) {
        try {
            for (int worker = 1; worker < size_; ++worker) workers_.emplace_back([this, worker] { work(worker); });
        } catch (const std::system_error&) {
            // The system has no more threads to give: those that there are do the work.
        } catch (...) {
            stop();
            throw;
        }
        useful_ = (std::min)(started(), thread_count(0) - 1);
    }
    ~Team() { stop(); }
    Team(const Team&) = delete;
    Team& operator=(const Team&) = delete;

    /// Whether its threads are those of this process.
    bool is_of_this_process() const noexcept { return process_ == core::process_id(); }

    /// In a child of fork() nothing may be done with what the parent's threads wait for and hold, not even destroy it.
    /// It is kept where tools that look for lost memory find it.
    static void abandon(Team* team) noexcept {
        static std::atomic<Team*> abandoned{nullptr};
        team->before_ = abandoned.load();
        while (!abandoned.compare_exchange_weak(team->before_, team)) {
        }
    }

    /// Takes the workers for a loop or to hand over a task.
    bool acquire() noexcept { return !busy_.exchange(true); }
    void release() noexcept { busy_.store(false); }

    /// Whether the caller, who has the workers, should ask now whether they are of this process: the system takes
    /// longer to answer than many a loop. Without having asked, nothing is touched that the parent's threads may hold.
    bool should_look_for_fork() noexcept { return (++acquired_ & 63U) == 0; }

    void run(Index shares, Index count, const LoopBody& body) noexcept {
        const auto judge = [this](const kernels::LoopTimes& times) { balance_.add(times); };
        const Index tasks = shares * count;
        const std::int64_t start = kernels::ticks();
        clock_.begin(start, judge);
        if (!balance_.pays()) {
            for (Index share = 0; share < shares; ++share)
                for (Index i = 0; i < count; ++i) body(share, i, 0);
            const std::int64_t end = kernels::ticks();
            clock_.end(start, end, end - start, tasks, tasks, judge);
            return;
        }
        // Shares are for what each thread has in its cache; where there are more of them than threads at work, all
        // tasks are one share.
        tasks_per_share_ = count;
        shares_ = shares > useful_ + 1 ? 1 : shares;
        count_ = tasks / shares_;
        for (Index share = 0; share < shares_; ++share) next(share).store(0, std::memory_order_relaxed);
        body_ = &body;
        loop_gate_.open();
        begin_round(tasks - 1);
        const std::int64_t begun = kernels::ticks();
        const Index taken = take_tasks(0);
        const std::int64_t worked = kernels::ticks() - begun;
        loop_gate_.close();
        wait_for_workers();
        clock_.end(start, kernels::ticks(), worked, taken, tasks, judge);
    }

    void run_while_idle(const IdleTask& task) noexcept {
        if (!idle_gate_.is_closed() || !idle_gate_.is_empty()) return;
        idle_task_ = task;
        idle_gate_.open();
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

    static constexpr int spin_limit = 4000;

    int started() const noexcept { return static_cast<int>(workers_.size()); }

    void stop() noexcept {
        stopping_ = true;
        begin_round(size_);
        { const std::lock_guard<std::mutex> lock(mutex_); }
        wake_up_.notify_all();
        for (std::thread& worker : workers_) worker.join();
    }

    /// Waits until the workers that are within the loop have done the tasks they took. A worker at work is done about
    /// when the caller is. One whose processor was taken away is not: the caller then sleeps, so that the worker can
    /// have the caller's processor, whatever the caller's priority. A loop whose body called fork() ends in the child
    /// without the tasks that threads of the parent had taken.
    void wait_for_workers() noexcept {
        for (int spins = 0; !loop_gate_.is_empty(); ++spins) {
            if (spins < spin_limit)
                pause(spins);
            else if (!is_of_this_process())
                return;
            else
                std::this_thread::sleep_for(std::chrono::microseconds(50));
        }
    }

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
    // library loses wake-ups where the system has no futex.) No progress depends on a worker that wakes up: of those
    // that sleep, no more are woken than there are tasks and processors, and none twice before it runs.
    void begin_round(Index wanted) noexcept {
        idle_gate_.close();
        round_.fetch_add(1);
        const int sleepers = sleepers_.load();
        if (sleepers == 0) return;
        const int awake = started() - sleepers;
        const Index missing = (std::min)(wanted, static_cast<Index>(useful_)) - awake;
        if (missing <= 0 || !is_of_this_process()) return;
        int woken = 0;
        {
            const std::lock_guard<std::mutex> lock(mutex_);  // whoever was about to sleep does so now
            woken = static_cast<int>((std::min)(missing, static_cast<Index>(sleepers_.load())));
            sleepers_.fetch_sub(woken);
            woken_ += woken;
        }
        for (int i = 0; i < woken; ++i) wake_up_.notify_one();
    }

    void sleep(std::uint32_t seen) noexcept {
        std::unique_lock<std::mutex> lock(mutex_);
        sleepers_.fetch_add(1);
        wake_up_.wait(lock, [&] { return stopping_ || round_.load() != seen; });
        if (woken_ > 0)
            --woken_;
        else
            sleepers_.fetch_sub(1);  // woken by nobody
    }

    /// Does tasks until there are none, and returns how many.
    Index take_tasks(int worker) noexcept {
        const Index own = worker * shares_ / static_cast<Index>(size_);
        Index taken = 0;
        for (Index i = 0; i < shares_; ++i) taken += take_tasks_of((own + i) % shares_, worker);
        return taken;
    }

    // Takes runs of tasks, long runs first and shorter ones towards the end: neighbouring tasks are mostly neighbours
    // in memory, which is fastest to read in order, and yet no thread is left waiting for another's long run.
    Index take_tasks_of(Index share, int worker) noexcept {
        const Index runs = 2 * static_cast<Index>(useful_ + 1);
        Index taken = 0;
        Index begin = next(share).load(std::memory_order_relaxed);
        while (begin < count_) {
            const Index some = (count_ - begin) / runs, end = begin + (some > 1 ? some : 1);
            if (!next(share).compare_exchange_weak(begin, end, std::memory_order_relaxed)) continue;
            if (count_ == tasks_per_share_)
                for (Index i = begin; i < end; ++i) (*body_)(share, i, worker);
            else
                for (Index i = begin; i < end; ++i) (*body_)(i / tasks_per_share_, i % tasks_per_share_, worker);
            taken += end - begin;
            begin = next(share).load(std::memory_order_relaxed);
        }
        return taken;
    }

    // Gives way to the other hyperthread, and now and then to other threads of a machine with too few processors.
    static void pause(int spins) noexcept {
#if defined(__x86_64__)
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

    int size_;        // threads with the caller
    int useful_ = 0;  // workers for whom there is a processor
    const std::int64_t process_ = core::process_id();
    Team* before_ = nullptr;
    std::vector<std::thread> workers_;
    // What is written once a loop, then what every thread writes, each on cache lines of its own.
    alignas(64) std::atomic<std::uint32_t> round_{0};
    std::atomic<int> sleepers_{0};
    std::atomic<bool> stopping_{false};
    std::atomic<bool> busy_{false};  // a caller is running a loop or handing over a task
    Index shares_ = 1, count_ = 0, tasks_per_share_ = 0;
    const LoopBody* body_ = nullptr;
    kernels::LoopClock clock_;
    kernels::SharingBalance balance_{{.allowance = kernels::ticks_in(5'000),
                                      .overhead = kernels::ticks_in(3),
                                      .longest_alone = kernels::ticks_in(8'000'000),
                                      .undisturbed = kernels::ticks_in(500'000)}};
    unsigned acquired_ = 0;
    alignas(64) Gate loop_gate_;
    alignas(64) Gate idle_gate_;
    IdleTask idle_task_;
    std::vector<Next> next_;
    std::mutex mutex_;
    std::condition_variable wake_up_;
    int woken_ = 0;  // workers that were woken, no longer among the sleepers, and do not run yet
};

RWKV_INLINE ThreadPool::ThreadPool(int threads) : size_(thread_count(threads)) {
    if (size_ > 1) team_ = new Team(size_);
}

RWKV_INLINE ThreadPool::~ThreadPool() {
    Team* const team = team_;
    if (!team) return;
    if (team->is_of_this_process())
        delete team;
    else
        Team::abandon(team);
}

/// The team of this process, acquired; null where the caller is to work alone.
RWKV_INLINE ThreadPool::Team* ThreadPool::team() noexcept {
    Team* team = team_.load(std::memory_order_acquire);
    if (!team) return nullptr;
    const bool acquired = team->acquire();
    if (acquired && !team->should_look_for_fork()) return team;
    if (team->is_of_this_process()) return acquired ? team : nullptr;
    // A child of fork(), in which the parent's team may be busy for ever: of several callers one starts another.
    Team* own = nullptr;
    try {
        own = new Team(size_);
    } catch (...) {
        if (acquired) team->release();
        return nullptr;
    }
    static_cast<void>(own->acquire());
    if (team_.compare_exchange_strong(team, own)) {
        Team::abandon(team);
        return own;
    }
    delete own;
    return nullptr;
}

RWKV_INLINE void ThreadPool::run(Index shares, Index count, LoopBody body) noexcept {
    Team* const with = shares * count > 1 && shares <= size_ ? team() : nullptr;
    if (with) {
        with->run(shares, count, body);
        with->release();
        return;
    }
    for (Index share = 0; share < shares; ++share)
        for (Index i = 0; i < count; ++i) body(share, i, 0);
}

RWKV_INLINE void ThreadPool::run_while_idle(const IdleTask& task) noexcept {
    Team* const with = team();
    if (!with) return;
    with->run_while_idle(task);
    with->release();
}

}  // namespace rwkv::inline RWKV_ABI
