#pragma once

#include <algorithm>
#include <cstdint>

#include <rwkv/version.hpp>

namespace rwkv::inline RWKV_ABI::kernels {

/// What some of a caller's loops took, one after the other. Times are in ticks, of any length.
struct LoopTimes {
    std::int64_t spent = 0;      ///< from the beginnings of the loops to their ends
    std::int64_t worked = 0;     ///< of which the caller did tasks, or had lost its processor meanwhile
    std::int64_t processor = 0;  ///< what the caller had of a processor, in loops and between them
    std::int64_t taken = 0;      ///< tasks that the caller did
    std::int64_t tasks = 0;      ///< of so many
    std::int64_t loops = 0;
};

/// Whether a caller should share its loops with workers, judged by what came of it before. A caller alone gets as much
/// done as it has of a processor. Beside other work that is less than a whole one, and workers that run or wait for the
/// next loop may take some of it away; what they do for it counts. Where sharing gets less done than the caller alone
/// did, or than it would with a processor of its own, what is lost is added up, and above an allowance the caller works
/// alone: for twenty times what was lost, and for twice as long as the last time.
///
/// Times are in ticks, of any length.
class SharingBalance {
  public:
    struct Settings {
        /// What may be lost: several turns of other processes, so that it is not luck that decides.
        std::int64_t allowance;
        /// What a shared loop costs the caller afterwards, who finds results in the caches of others.
        std::int64_t overhead;
        /// No period alone is longer. While workers sleep, the system moves a caller between processors that others
        /// have, too, and to free ones; a trial undoes that, so that it costs more than it takes.
        std::int64_t longest_alone;
        /// A caller alone that had its processor for so long shares again: other work has probably ended.
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
        const double longest = static_cast<double>(settings_.longest_alone);
        share_alone_ += (std::min)(4 * spent / longest, 1.0) * (had / spent - share_alone_);
        undisturbed_ = had < 0.8 * spent ? 0 : undisturbed_ + spent;
        alone_for_ -= spent;
        if (undisturbed_ >= static_cast<double>(settings_.undisturbed)) alone_for_ = 0;
    }

    void add_shared(double spent, double done, double overhead) noexcept {
        const double allowance = static_cast<double>(settings_.allowance);
        // A caller that was lucky for a moment gains no credit for later.
        balance_ = (std::min)(balance_ + done - share_alone_ * spent - overhead, allowance);
        last_alone_ = (std::max)(last_alone_ - spent, 0.0);
        if (balance_ >= 0) return;
        last_alone_ = (std::min)((std::max)(20 * (allowance - balance_), 2 * last_alone_),
                                 static_cast<double>(settings_.longest_alone));
        alone_for_ = last_alone_;
        undisturbed_ = 0;
        balance_ = allowance;
    }

    Settings settings_;
    double balance_;
    double alone_for_ = 0;    // what is left of a period alone
    double last_alone_ = 0;   // the last period alone, less what was shared since
    double undisturbed_ = 0;  // how long the caller alone has had its processor
    double share_alone_ = 1;  // of a processor, that the caller had when it worked alone
};

}  // namespace rwkv::inline RWKV_ABI::kernels
