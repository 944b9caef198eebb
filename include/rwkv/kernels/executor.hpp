#pragma once

#include <cstddef>
#include <cstring>
#include <memory>
#include <type_traits>

#include <rwkv/core/tensor.hpp>
#include <rwkv/version.hpp>

namespace rwkv::inline RWKV_ABI {

/// The body of a parallel loop: a reference to a callable that the loop's caller keeps alive.
class LoopBody {
  public:
    /// Refers to the body, which must outlive this.
    template <class Body>
    explicit LoopBody(const Body& body) noexcept
        : body_(&body), call_([](const void* any, Index share, Index i, int thread) {
              (*static_cast<const Body*>(any))(share, i, thread);
          }) {}
    /// Calls it.
    void operator()(Index share, Index i, int thread) const { call_(body_, share, i, thread); }

  private:
    const void* body_;
    void (*call_)(const void*, Index, Index, int);
};

/// Work for threads that wait for the next loop, and that may as well be left undone: a copy of a small callable
/// task(thread, interrupted), which must return when interrupted() says that the wait is over.
class IdleTask {
  public:
    /// Asked between steps of the task.
    class Interrupted {
      public:
        /// Refers to what is asked, which must outlive this.
        template <class Ask>
        explicit Interrupted(const Ask& ask) noexcept
            : ask_(&ask), call_([](const void* any) { return (*static_cast<const Ask*>(any))(); }) {}
        /// Whether to stop.
        bool operator()() const { return call_(ask_); }

      private:
        const void* ask_;
        bool (*call_)(const void*);
    };

    IdleTask() = default;
    /// Holds a copy of the task.
    template <class Task>
    explicit IdleTask(const Task& task) noexcept
        : call_([](const void* any, int thread, const Interrupted& interrupted) {
              (*static_cast<const Task*>(any))(thread, interrupted);
          }) {
        static_assert(std::is_trivially_copyable_v<Task> && sizeof(Task) <= sizeof task_ &&
                      alignof(Task) <= alignof(std::max_align_t));
        std::memcpy(task_, &task, sizeof task);
    }
    /// Calls it.
    void operator()(int thread, const Interrupted& interrupted) const { call_(task_, thread, interrupted); }

  private:
    alignas(std::max_align_t) std::byte task_[128] = {};
    void (*call_)(const void*, int, const Interrupted&) = nullptr;
};

/// Runs the parallel loops of forward passes. A workspace has a pool of threads of its own unless it is given one of
/// these: a ThreadPool shared with other workspaces, or a class of the host's that uses the host's threads.
class Executor {
  public:
    virtual ~Executor() = default;

    /// The maximum number of threads at work in a loop, the caller's included; at least 1, always the same.
    [[nodiscard]] virtual int threads() const noexcept = 0;

    /// Calls body(share, i, thread) once for each i in [0, count) of each share in [0, shares), with thread in
    /// [0, threads()) different for calls that run at the same time, and returns when all have returned. Which thread
    /// takes which i is free, and no result depends on it; a thread had better begin with a share of its own, the same
    /// one in every loop with that number of shares, since it finds in its cache what it left there.
    virtual void run(Index shares, Index count, LoopBody body) noexcept = 0;

    /// Has threads that wait for the next loop run a task meanwhile. An executor may ignore it.
    virtual void run_while_idle(const IdleTask& task) noexcept { static_cast<void>(task); }
};

namespace kernels {

/// Calls body(i, thread) once for each i in [0, count) on the executor's threads.
template <class Body>
void parallel_for(Executor& executor, Index count, const Body& body) noexcept {
    const auto call = [&](Index, Index i, int thread) { body(i, thread); };
    executor.run(1, count, LoopBody(call));
}

/// Calls body(share, i, thread) once for each i in [0, count) of each share in [0, shares): see Executor::run.
template <class Body>
void parallel_for_shares(Executor& executor, Index shares, Index count, const Body& body) noexcept {
    executor.run(shares, count, LoopBody(body));
}

}  // namespace kernels

}  // namespace rwkv::inline RWKV_ABI
