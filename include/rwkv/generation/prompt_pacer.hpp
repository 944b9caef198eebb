#pragma once

#include <algorithm>
#include <array>
#include <cstddef>

#include <rwkv/core/tensor.hpp>
#include <rwkv/version.hpp>

namespace rwkv::inline RWKV_ABI::generation {

/// Decides layer by layer whether tokens of prompts go through it beside sequences that are being generated, so that a
/// pass takes at most some times what it takes without them. Where other work made the beginning of a pass slow, the
/// prompts go through fewer layers of it, and through the others in later passes.
///
/// Learned from the passes: what a layer without prompts takes and what comes behind the layers, by the number of
/// tokens; and what each token of a prompt adds to a layer. Times are in seconds, those of a pass from any one moment
/// on. Thread safety: one thread at a time.
class PromptPacer {
  public:
    /// `max_slowdown` is how much longer a pass may take: above 1.
    PromptPacer(Index layers, double max_slowdown) noexcept : layers_(layers), max_slowdown_(max_slowdown) {}

    /// How many tokens of prompts should go through the layers together, beside `tokens` others. Many tokens together
    /// are read faster, few can be stopped at a finer time: with this number a layer takes at most a third of the time
    /// that prompts may add, and all layers take at most four passes. It grows from call to call at most to twice the
    /// last, since more is unknown.
    [[nodiscard]] Index chunk(Index tokens) noexcept {
        constexpr Index max = 128;
        const double alone = estimate(tokens);
        if (alone > 0 && token_seconds_ > 0) {
            const double passes = static_cast<double>(std::clamp<Index>(layers_ / 3, 1, 4));
            const double wanted =
                passes * (max_slowdown_ - 1) * alone / (token_seconds_ * static_cast<double>(layers_));
            chunk_ = static_cast<Index>(std::clamp(wanted, 1.0, static_cast<double>(2 * chunk_)));
            chunk_ = (std::min)(chunk_, max);
        }
        return chunk_;
    }

    /// The layers of a pass begin: of `tokens` that are no prompt's, and of `prompt_tokens` on their way.
    void begin(Index tokens, Index prompt_tokens, double now) noexcept {
        tokens_ = tokens;
        prompt_tokens_ = prompt_tokens;
        alone_layers_ = joint_layers_ = 0;
        alone_seconds_ = joint_seconds_ = 0;
        last_ = now;
        times_ = times(tokens);
        if (prompt_tokens > 0) ++passes_without_;
    }

    /// Whether the prompts may go through the next layer in this pass.
    [[nodiscard]] bool allows(double now) const noexcept {
        // However slow everything is, prompts get on: by a layer in every fourth pass.
        if (passes_without_ > max_passes_without) return true;
        if (times_.layer == 0) return false;  // to be learned first
        const double added = token_seconds_ > 0 ? token_seconds_ * static_cast<double>(prompt_tokens_) : times_.layer;
        const Index left = layers_ - alone_layers_ - joint_layers_;
        return now + times_.of(left) + added <= max_slowdown_ * times_.of(layers_);
    }

    /// The pass is through a layer.
    void layer_done(bool with_prompts, double now) noexcept {
        (with_prompts ? joint_seconds_ : alone_seconds_) += now - last_;
        ++(with_prompts ? joint_layers_ : alone_layers_);
        if (with_prompts) passes_without_ = 0;
        last_ = now;
    }

    /// The pass is complete, and with it prompts, or not. A pass that is not completed is not learned from.
    void end(bool with_prompts, double now) noexcept {
        if (tokens_ == 0) return;
        Entry& entry = entries_[entry_of(tokens_)];
        // The first pass of each size touches memory that the next ones find, and does not count.
        if (entry.passes++ == 0) return;
        if (alone_layers_ > 0 && 2 * alone_layers_ >= layers_)
            average(entry.times.layer, alone_seconds_ / static_cast<double>(alone_layers_), 0.0625);
        if (!with_prompts) average(entry.times.rest, now - last_, 0.0625);
        // A few tokens more say little of many.
        if (joint_layers_ == 0 || 2 * prompt_tokens_ < chunk_ || times_.layer == 0 || prompt_passes_++ == 0) return;
        const double alone = times_.layer * static_cast<double>(joint_layers_);
        average(token_seconds_,
                (std::max)(joint_seconds_ - alone, 0.02 * alone) / static_cast<double>(joint_layers_ * prompt_tokens_),
                0.25);
    }

    /// What a pass of `tokens` tokens, none of a prompt, takes; 0 where nothing was measured.
    [[nodiscard]] double estimate(Index tokens) const noexcept { return times(tokens).of(layers_); }

  private:
    struct Times {
        double layer = 0, rest = 0;
        [[nodiscard]] double of(Index layers) const noexcept { return layer * static_cast<double>(layers) + rest; }
    };
    struct Entry {
        Index passes = 0;
        Times times;
    };

    /// Between those measured, on the line between them.
    [[nodiscard]] Times times(Index tokens) const noexcept {
        const std::size_t wanted = entry_of(tokens);
        std::size_t below = wanted, above = wanted;
        while (below > 0 && entries_[below].times.layer == 0) --below;
        while (above + 1 < entries_.size() && entries_[above].times.layer == 0) ++above;
        const Times low = entries_[below].times, high = entries_[above].times;
        if (low.layer == 0 || high.layer == 0 || below == above) return low.layer == 0 ? high : low;
        const double part = static_cast<double>(wanted - below) / static_cast<double>(above - below);
        return {low.layer + (high.layer - low.layer) * part, low.rest + (high.rest - low.rest) * part};
    }
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
    static constexpr int max_passes_without = 3;
    Index layers_;
    double max_slowdown_;
    std::array<Entry, max_entries> entries_{};  // by tokens
    double token_seconds_ = 0;                  // that a token of a prompt adds to a layer
    Index chunk_ = 16, prompt_passes_ = 0;
    int passes_without_ = 0;  // with prompts waiting, in which they got no layer further
    // Of the pass under way.
    Times times_;  // expected
    Index tokens_ = 0, prompt_tokens_ = 0, alone_layers_ = 0, joint_layers_ = 0;
    double alone_seconds_ = 0, joint_seconds_ = 0, last_ = 0;
};

}  // namespace rwkv::inline RWKV_ABI::generation
