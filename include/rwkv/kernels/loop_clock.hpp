#pragma once

#include <chrono>
#include <cstdint>
#include <thread>

#if defined(__unix__) || defined(__APPLE__)
#include <time.h>
#endif

#include <rwkv/kernels/sharing_balance.hpp>
#include <rwkv/version.hpp>

namespace rwkv::inline RWKV_ABI::kernels {

/// A clock of the processor, in ticks of any length.
inline std::int64_t ticks() noexcept {
#if defined(__x86_64__)
    return static_cast<std::int64_t>(__builtin_ia32_rdtsc());
#elif defined(__aarch64__)
    std::int64_t now;
    asm volatile("mrs %0, cntvct_el0" : "=r"(now));
    return now;
#else
    return std::chrono::steady_clock::now().time_since_epoch().count();
#endif
}

/// The number of ticks of that clock in `microseconds`, within a factor of about two.
inline std::int64_t ticks_in(std::int64_t microseconds) noexcept {
#if defined(__x86_64__)
    return 3000 * microseconds;
#elif defined(__aarch64__)
    std::int64_t frequency;
    asm volatile("mrs %0, cntfrq_el0" : "=r"(frequency));
    return frequency * microseconds / 1'000'000;
#else
    return std::chrono::steady_clock::duration(std::chrono::microseconds(microseconds)).count();
#endif
}

/// How long the calling thread has had a processor, in nanoseconds; where the system does not tell it, how long it has
/// existed.
inline std::int64_t processor_time() noexcept {
#if (defined(__unix__) || defined(__APPLE__)) && defined(CLOCK_THREAD_CPUTIME_ID)
    timespec time{};
    if (::clock_gettime(CLOCK_THREAD_CPUTIME_ID, &time) == 0)
        return std::int64_t(time.tv_sec) * 1'000'000'000 + time.tv_nsec;
#endif
    return std::chrono::nanoseconds(std::chrono::steady_clock::now().time_since_epoch()).count();
}

/// Adds up what loops took, and finds out now and then how much of that time their caller had a processor. The system
/// takes longer to answer than a short loop, and is asked after a tenth of a millisecond at the soonest.
class LoopClock {
  public:
    /// `processor_time` tells how long the calling thread has had a processor, in nanoseconds, in steps of any length.
    explicit LoopClock(std::int64_t (*processor_time)() noexcept = kernels::processor_time) noexcept
        : processor_time_(processor_time) {}

    /// Before a loop begins: hands over the loops before, if it is time.
    template <class Receive>
    void begin(std::int64_t now, const Receive& receive) noexcept {
        if (now - read_at_ >= interval_) read(now, receive);
    }

    /// A loop from `start` to `now`, of which the caller worked `worked` ticks for `taken` of `tasks` tasks.
    template <class Receive>
    void end(std::int64_t start, std::int64_t now, std::int64_t worked, std::int64_t taken, std::int64_t tasks,
             const Receive& receive) noexcept {
        times_.spent += now - start;
        times_.worked += worked;
        times_.taken += taken;
        times_.tasks += tasks;
        ++times_.loops;
        if (now - read_at_ >= interval_) read(now, receive);
    }

  private:
    template <class Receive>
    void read(std::int64_t now, const Receive& receive) noexcept {
        const std::int64_t time = std::chrono::nanoseconds(std::chrono::steady_clock::now().time_since_epoch()).count();
        const std::int64_t processor = processor_time_();
        const std::thread::id thread = std::this_thread::get_id();
        if (times_.loops > 0 && thread == thread_ && time > time_) {
            if (processor == processor_) return;  // a clock of long steps, such as the system's timer
            times_.processor = static_cast<std::int64_t>(static_cast<double>(now - read_at_) *
                                                         static_cast<double>(processor - processor_) /
                                                         static_cast<double>(time - time_));
            receive(times_);
        }
        times_ = {};
        read_at_ = now;
        time_ = time;
        processor_ = processor;
        thread_ = thread;
    }

    std::int64_t (*processor_time_)() noexcept;
    const std::int64_t interval_ = ticks_in(100);
    LoopTimes times_;
    std::int64_t read_at_ = 0, time_ = 0, processor_ = 0;  // at the last reading
    std::thread::id thread_;
};

}  // namespace rwkv::inline RWKV_ABI::kernels
