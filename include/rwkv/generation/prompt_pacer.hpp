#pragma once

#include <algorithm>
#include <array>
#include <cstddef>

#include <rwkv/core/tensor.hpp>
#include <rwkv/version.hpp>

namespace rwkv::inline RWKV_ABI::generation {

/// How many tokens of prompts may be read beside sequences that are being generated, so that a pass takes at most some
/// times what it takes without. Learned from the passes: what those without prompts take, by their number of tokens,
/// and what each token of a prompt adds. Thread safety: one thread at a time.
class PromptPacer {
  public:
    /// A pass of `tokens` tokens, none of a prompt, has taken that time. The first of each size touches memory that the
    /// next ones find, and does not count.
    void add(Index tokens, double seconds) noexcept {
        Entry& entry = entries_[entry_of(tokens)];
        if (entry.passes++ > 0) average(entry.seconds, seconds, 0.0625);
    }

    /// One of `prompt` more has taken that time.
    void add(Index tokens, Index prompt, double seconds) noexcept {
        const double alone = estimate(tokens);
        if (alone == 0 || 2 * prompt < last_) return;  // a few tokens more say little of many
        if (passes_++ == 0) return;
        average(token_seconds_, (std::max)(seconds - alone, 0.02 * alone) / static_cast<double>(prompt), 0.25);
    }

    /// What a pass of `tokens` tokens, none of a prompt, takes; 0 where nothing was measured.
    [[nodiscard]] double estimate(Index tokens) const noexcept {
        const std::size_t wanted = entry_of(tokens);
        std::size_t below = wanted, above = wanted;
        while (below > 0 && entries_[below].seconds == 0) --below;
        while (above + 1 < entries_.size() && entries_[above].seconds == 0) ++above;
        const double low = entries_[below].seconds, high = entries_[above].seconds;
        if (low == 0 || high == 0 || below == above) return low == 0 ? high : low;
        return low + (high - low) * static_cast<double>(wanted - below) / static_cast<double>(above - below);
    }

    /// The number of tokens of prompts for the next pass, beside `tokens` others. It grows by an eighth at most from
    /// pass to pass, since larger passes are unknown.
    [[nodiscard]] Index next(Index tokens, double max_slowdown) noexcept {
        constexpr Index min = 4;
        const double alone = estimate(tokens);
        if (alone > 0 && token_seconds_ > 0) {
            const double allowed = (max_slowdown - 1) * alone / token_seconds_;
            const Index most = last_ + (last_ + 7) / 8;
            last_ = (std::max)(min, static_cast<Index>((std::min)(allowed, static_cast<double>(most))));
        }
        return last_;
    }

  private:
    struct Entry {
        Index passes = 0;
        double seconds = 0;
    };

    static std::size_t entry_of(Index tokens) noexcept {
        return static_cast<std::size_t>(std::clamp<Index>(tokens, 1, max_entries)) - 1;
    }
    /// Others use the machine, too: a single time that is far too long says little. With `up` below 1 / 4 the average
    /// is nearer to the shorter times, which are those of this work alone.
    static void average(double& seconds, double measured, double up) noexcept {
        if (seconds == 0) seconds = measured;
        const double change = (std::min)(measured, 1.5 * seconds) - seconds;
        seconds += change * (change < 0 ? 0.25 : up);
    }

    static constexpr std::size_t max_entries = 256;
    std::array<Entry, max_entries> entries_{};  // by tokens
    double token_seconds_ = 0;                  // that a token of a prompt adds
    Index passes_ = 0, last_ = 8;
};

}  // namespace rwkv::inline RWKV_ABI::generation
