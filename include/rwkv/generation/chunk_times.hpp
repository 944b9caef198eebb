#pragma once

#include <algorithm>
#include <array>
#include <cstddef>

#include <rwkv/core/tensor.hpp>
#include <rwkv/version.hpp>

namespace rwkv::inline RWKV_ABI::generation {

/// What passes of some numbers of tokens took lately: one value for each number up to 16, then for each eighth of a
/// factor of 2. Thread safety: one thread at a time.
class ChunkTimes {
  public:
    /// A pass took that long. A single one counts a quarter, and at most twice what was expected: others use the
    /// machine, too.
    void add(Index tokens, double seconds) noexcept {
        Entry& entry = entries_[entry_of(tokens)];
        if (entry.tokens == 0) {
            entry = {static_cast<double>(tokens), seconds};
            return;
        }
        entry.tokens += (static_cast<double>(tokens) - entry.tokens) / 4;
        entry.seconds += ((std::min)(seconds, 2 * entry.seconds) - entry.seconds) / 4;
    }

    /// What a pass of that many tokens takes, by the nearest ones measured; 0 where none was. More tokens are taken to
    /// need time in proportion, fewer the same time.
    [[nodiscard]] double estimate(Index tokens) const noexcept {
        const double wanted = static_cast<double>(tokens);
        Entry below{}, above{};
        for (const Entry& entry : entries_) {
            if (entry.tokens == 0) continue;
            if (entry.tokens <= wanted) below = entry;
            if (entry.tokens >= wanted && above.tokens == 0) above = entry;
        }
        if (below.tokens == 0) return above.seconds;
        if (above.tokens == 0) return below.seconds * wanted / below.tokens;
        if (above.tokens == below.tokens) return below.seconds;
        return below.seconds +
               (above.seconds - below.seconds) * (wanted - below.tokens) / (above.tokens - below.tokens);
    }

    /// The number of tokens of a pass that takes that long, where one of `base` tokens takes `base_seconds`. Between
    /// what was measured time is taken to be linear; beyond it, at most twice the tokens of the largest are asked for.
    [[nodiscard]] Index max_tokens(double seconds, Index base, double base_seconds) const noexcept {
        Entry last{static_cast<double>(base), base_seconds};
        for (const Entry& entry : entries_) {
            if (entry.tokens <= last.tokens) continue;
            if (entry.seconds > seconds) {
                const double part = (seconds - last.seconds) / (entry.seconds - last.seconds);
                return static_cast<Index>(last.tokens + (std::max)(part, 0.0) * (entry.tokens - last.tokens));
            }
            last = entry;
        }
        return static_cast<Index>(last.tokens * (std::min)(2.0, seconds / last.seconds));
    }

  private:
    struct Entry {
        double tokens = 0, seconds = 0;
    };

    /// 1 to 16 have an entry each, then each factor of 2 has eight.
    static std::size_t entry_of(Index tokens) noexcept {
        auto count = static_cast<std::size_t>((std::max)(tokens, Index{1}));
        std::size_t entry = 0;
        for (; count > 16; count = (count + 1) / 2) entry += 8;
        return (std::min)(entry + count - 1, max_entries - 1);
    }

    static constexpr std::size_t max_entries = 16 + 12 * 8;  // passes of up to 65536 tokens
    std::array<Entry, max_entries> entries_{};
};

}  // namespace rwkv::inline RWKV_ABI::generation
