#pragma once

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>

#include <rwkv/core/tensor.hpp>
#include <rwkv/version.hpp>

namespace rwkv::inline RWKV_ABI {

/// How long a pass of 1, 2, 3 … tokens takes on this machine, learned from the passes that are made anyway: what the
/// length of a draft depends on. One for a model and a workspace. Times change which passes are made, never a text.
/// Thread safety: one thread at a time.
class PassTimes {
  public:
    /// A pass of that number of tokens, of however many sequences, has taken that time.
    void add(Index tokens, double seconds) noexcept {
        if (tokens < 1 || tokens >= std::ssize(entries_) || !(seconds > 0)) return;
        Entry& entry = entries_[static_cast<std::size_t>(tokens)];
        ++passes_;
        if (!entry.warm) {
            entry.warm = true;  // the first pass of a size touches memory that the next ones find
            return;
        }
        if (!is_known(tokens)) {
            entry.seconds = seconds;
        } else {
            // A pass that was interrupted by other programs says little: one too long counts less than one too short.
            const double change = (std::min)(seconds, 1.5 * entry.seconds) - entry.seconds;
            entry.seconds += change * (change < 0 ? 0.25 : 0.125);
        }
        entry.pass = passes_;
    }

    /// The expected time of a pass of that number of tokens, in seconds; where nothing was measured, in units of a
    /// pass of one token. Where passes of that size are unknown, a little more than a smaller one takes, so that they
    /// are tried.
    [[nodiscard]] double operator()(Index tokens) const noexcept {
        const Index last = std::ssize(entries_) - 1;
        if (tokens > last) return (*this)(last) * static_cast<double>(tokens) / static_cast<double>(last);
        Index below = tokens, above = tokens;
        while (below >= 1 && !is_known(below)) --below;
        while (above <= last && !is_known(above)) ++above;
        if (below < 1) return above > last ? guess(tokens) : seconds(above) * guess(tokens) / guess(above);
        if (above > last) return seconds(below) * guess(tokens) / guess(below);
        if (above == below) return seconds(below);
        return seconds(below) + (seconds(above) - seconds(below)) * static_cast<double>(tokens - below) /
                                    static_cast<double>(above - below);
    }

  private:
    struct Entry {
        bool warm = false;       // whether there was a pass of that size
        double seconds = 0;      // 0: not measured
        std::uint64_t pass = 0;  // the latest such pass
    };

    /// A time that has not been measured for long counts as unknown, so that one unlucky measurement is not kept for
    /// ever. That of one token stays: all others are compared with it.
    bool is_known(Index tokens) const noexcept {
        const Entry& entry = entries_[static_cast<std::size_t>(tokens)];
        return entry.seconds > 0 && (tokens == 1 || passes_ - entry.pass < 512);
    }
    double seconds(Index tokens) const noexcept { return entries_[static_cast<std::size_t>(tokens)].seconds; }
    static double guess(Index tokens) noexcept { return 1.0 + 0.03 * static_cast<double>(tokens - 1); }

    std::array<Entry, 129> entries_{};  // by tokens
    std::uint64_t passes_ = 0;
};

}  // namespace rwkv::inline RWKV_ABI
