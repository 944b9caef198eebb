#pragma once

#include <atomic>

#include <rwkv/core/tensor.hpp>
#include <rwkv/kernels/executor.hpp>
#include <rwkv/version.hpp>

namespace rwkv::inline RWKV_ABI {

/// A number of threads as options give it: itself, or, for 0, all processors that the process may use.
[[nodiscard]] int thread_count(int threads) noexcept;

/// A fixed set of threads that share loops. One thread is the caller's alone: nothing is started.
///
/// Between loops the workers spin for some tens of microseconds, since the next loop of a forward pass follows soon,
/// and then sleep. A loop waits only for workers that took part in it: where the system gives a worker no processor,
/// the others do its share. No more threads are at work than there are processors. Where sharing loops gets less
/// done than the caller alone, because other work has the processors or because waking a worker takes longer than a
/// loop, the caller works alone for some time (SharingBalance).
///
/// After fork() a child has none of the threads: its first loops start new ones, or, where the system has none to
/// give, run on the caller alone. In the child, the pool of the parent may also be destroyed.
///
/// Thread safety: several threads may run loops at once. One of them has the workers; the loops of the others run on
/// their callers alone.
class RWKV_API ThreadPool final : public Executor {
  public:
    /// `threads` as in thread_count(). Where the system has fewer to give, those share the loops, which give the same
    /// results; with none, the caller works alone. Throws: std::bad_alloc.
    explicit ThreadPool(int threads = 0);
    ~ThreadPool() override;
    ThreadPool(const ThreadPool&) = delete;
    ThreadPool& operator=(const ThreadPool&) = delete;

    int threads() const noexcept override { return size_; }
    void run(Index shares, Index count, LoopBody body) noexcept override;
    /// A task is copied; where another one is under way it is ignored, as it is by workers that sleep.
    void run_while_idle(const IdleTask& task) noexcept override;

  private:
    class Team;

    Team* team() noexcept;

    int size_;
    std::atomic<Team*> team_{nullptr};  // null: one thread
};

}  // namespace rwkv::inline RWKV_ABI

#ifndef RWKV_COMPILED
#include <rwkv/kernels/thread_pool.inl>
#endif
