#pragma once

#include <algorithm>
#include <chrono>
#include <cstdint>

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

/// Whether a caller should share its loops with workers, judged by what the loops before took. Sharing pays where the
/// loops take less time than the caller alone would have taken. On a machine busy with other work, or where waking a
/// worker takes longer than the loop, it does not: what is lost is added up, and above an allowance the caller works
/// alone for twenty times as long, and for longer if the trials that follow fail, too. What a waiting worker takes from
/// the caller's processor time between loops is not measured, but estimated.
///
/// Times are in ticks, of any length.
class SharingBalance {
  public:
    /// The allowance is some wake-ups of a worker; `overhead` is what a loop costs the caller afterwards, who finds
    /// results in the caches of others. Periods alone after failed trials end at `longest_trial_interval`, so that
    /// sharing begins soon after other work has ended, and any at `longest_alone`.
    SharingBalance(std::int64_t allowance, std::int64_t overhead, std::int64_t longest_trial_interval,
                   std::int64_t longest_alone) noexcept
        : allowance_(allowance),
          overhead_(overhead),
          longest_trial_interval_(longest_trial_interval),
          longest_alone_(longest_alone),
          balance_(allowance) {}

    /// Whether a loop that begins now should be shared.
    bool pays(std::int64_t now) const noexcept { return !alone_ || now - alone_since_ >= alone_for_; }

    /// Takes account of a shared loop that took `spent` until `now`, of which the caller needed `worked` for `taken` of
    /// `tasks` tasks.
    void add(std::int64_t now, std::int64_t spent, std::int64_t worked, std::int64_t taken,
             std::int64_t tasks) noexcept {
        const std::int64_t caller_alone =
            taken > 0 ? static_cast<std::int64_t>(static_cast<double>(worked) * static_cast<double>(tasks) /
                                                  static_cast<double>(taken))
                      : spent;
        // Workers need a processor while they wait for the next loop, too, which others may want: an eighth.
        const std::int64_t gain = caller_alone - spent - spent / 8 - overhead_;
        balance_ += gain;
        alone_ = false;
        if (balance_ >= allowance_) {
            // A caller that lost its own processor within a task looks like a gain: it is no reason to allow more.
            balance_ = allowance_;
            alone_for_ /= 2;
        }
        if (balance_ >= 0) return;
        const std::int64_t lost = allowance_ - balance_;
        alone_for_ =
            (std::min)((std::max)(20 * lost, (std::min)(2 * alone_for_, longest_trial_interval_)), longest_alone_);
        alone_since_ = now;
        alone_ = true;
        balance_ = allowance_;
    }

  private:
    std::int64_t allowance_, overhead_, longest_trial_interval_, longest_alone_;
    std::int64_t balance_;
    std::int64_t alone_since_ = 0, alone_for_ = 0;  // the last period alone; halved as sharing pays
    bool alone_ = false;
};

}  // namespace rwkv::inline RWKV_ABI::kernels
