#pragma once

#include <algorithm>
#include <cstdint>

#include <rwkv/version.hpp>

namespace rwkv::inline RWKV_ABI::kernels {

/// What some of a caller's loops took, one after the other. Times are in ticks, of any length.
struct LoopTimes {
    std::int64_t spent = 0;      ///< time in the loops
    std::int64_t worked = 0;     ///< of it, the time of the caller's own tasks, without a processor included
    std::int64_t processor = 0;  ///< processor time of the caller, in the loops and between them
    std::int64_t taken = 0;      ///< number of tasks that the caller did
    std::int64_t tasks = 0;      ///< number of tasks in all
    std::int64_t loops = 0;      ///< number of loops
};

/// Whether a caller should share its loops with workers, judged by what came of it before. A caller alone gets as much
/// done as it has of a processor. Beside other work that is less than a whole one, and workers that run or wait for the
/// next loop may take some of it away; what they do for it counts. Where sharing gets less done than the caller alone
/// did, or than it would with a processor of its own, what is lost is added up, and above an allowance the caller works
/// alone: for twenty times what was lost, and then, unless it has a processor of its own, until twice the last period
/// is over.
///
/// Times are in ticks, of any length.
class SharingBalance {
  public:
    struct Settings {
        /// What may be lost: several turns of other processes, so that it is not luck that decides.
        std::int64_t allowance;
        /// What a shared loop costs the caller afterwards, who finds results in the caches of others.
        std::int64_t overhead;
        /// The maximum of a period alone.
        std::int64_t longest_alone;
        /// A caller that has had a processor of its own for so long tries again: other work has probably ended.
        std::int64_t undisturbed;
    };

    explicit SharingBalance(const Settings& settings) noexcept
        : settings_(settings), balance_(static_cast<double>(settings.allowance)) {}

    /// Whether the next loops should be shared.
    bool pays() const noexcept { return alone_for_ <= 0; }

    /// Takes account of loops, all shared or all alone, as pays() said.
    void add(const LoopTimes& times) noexcept {
        if (times.spent <= 0) return;
        const double spent = static_cast<double>(times.spent);
        const double had = static_cast<double>((std::min)(times.worked, times.processor));
        if (!pays())
            add_alone(spent, had);
        else if (times.taken > 0)
            add_shared(spent, had * static_cast<double>(times.tasks) / static_cast<double>(times.taken),
                       static_cast<double>(settings_.overhead * times.loops));
    }

  private:
    void add_alone(double spent, double had) noexcept {
        // The average of about a quarter of the longest period: the system's turns come and go.
        const double weight = 4 * spent / static_cast<double>(settings_.longest_alone);
        share_alone_ += (std::min)(weight, 1.0) * (had / spent - share_alone_);
        undisturbed_ = had < 0.8 * spent ? 0 : undisturbed_ + spent;
        alone_at_least_ -= spent;
        alone_for_ -= spent;
        if (alone_at_least_ <= 0 && undisturbed_ >= static_cast<double>(settings_.undisturbed)) alone_for_ = 0;
    }

    void add_shared(double spent, double done, double overhead) noexcept {
        const double allowance = static_cast<double>(settings_.allowance);
        // A caller that was lucky for a moment gains no credit for later.
        balance_ = (std::min)(balance_ + done - share_alone_ * spent - overhead, allowance);
        last_alone_ = (std::max)(last_alone_ - spent, 0.0);
        if (balance_ >= 0) return;
        alone_at_least_ = 20 * (allowance - balance_);
        last_alone_ =
            (std::min)((std::max)(alone_at_least_, 2 * last_alone_), static_cast<double>(settings_.longest_alone));
        alone_for_ = last_alone_;
        undisturbed_ = 0;
        balance_ = allowance;
    }

    Settings settings_;
    double balance_;
    double alone_for_ = 0;       // what is left of a period alone
    double alone_at_least_ = 0;  // what is left of the part that nothing ends
    double last_alone_ = 0;      // the last period alone, less what was shared since
    double undisturbed_ = 0;     // how long the caller alone has had its processor
    double share_alone_ = 1;     // the share of a processor that the caller had when it worked alone
};

}  // namespace rwkv::inline RWKV_ABI::kernels
