#pragma once

#include <array>
#include <cstddef>
#include <memory>
#include <optional>
#include <span>
#include <vector>

#include <rwkv/core/config.hpp>
#include <rwkv/core/tensor.hpp>
#include <rwkv/generation/lookup_index.hpp>
#include <rwkv/generation/pass_times.hpp>
#include <rwkv/generation/speculation.hpp>
#include <rwkv/model/checkpoints.hpp>
#include <rwkv/model/state.hpp>
#include <rwkv/version.hpp>

namespace rwkv::inline RWKV_ABI::generation {

/// Throws: ArgumentError for options out of range, or a draft model without a head or with another vocabulary than that
/// of the config.
void check_speculation(const SpeculationOptions& options, const Config& config);

/// Guesses the next tokens of one sequence. It chooses the source and the number of tokens that maximize the expected
/// number of new tokens per second. For each source it keeps the rate at which its tokens turned out right (by the
/// length of the match for prompt lookup, which is also observed where nothing was drafted).
/// Thread safety: one thread at a time.
class Drafter {
  public:
    /// Throws: as check_speculation; std::bad_alloc.
    Drafter(const SpeculationOptions& options, const Config& config);
    /// A copy that continues from here; its draft model reads the tokens again. Throws: std::bad_alloc.
    Drafter(const Drafter& other);
    Drafter& operator=(const Drafter&) = delete;
    ~Drafter() = default;

    /// Whether it was made with these options.
    [[nodiscard]] bool has(const SpeculationOptions& options) const noexcept;

    /// A guess of at most `max` tokens that follow `tokens`; empty where none pays. A pass reads the draft, the last of
    /// the tokens, and `beside` tokens of other sequences. Valid until the next call.
    /// Throws: std::bad_alloc.
    [[nodiscard]] std::span<const TokenId> draft(std::span<const TokenId> tokens, Index max, const PassTimes& times,
                                                 Index beside);
    /// The token that was drawn where the latest draft has number `i`, or would have it.
    void drawn(Index i, TokenId token) noexcept;
    /// The next tokens are those of another conversation.
    void reset() noexcept;

  private:
    /// The rate at which the tokens of a source are right: a running average.
    struct Rate {
        double rate;
        void add(bool right) noexcept { rate += ((right ? 1.0 : 0.0) - rate) / 16; }
    };
    /// What a draft is expected to bring.
    struct Plan {
        Index length = 0;
        double tokens_per_second = 0;
    };

    Rate& lookup_rate(Index match_length) noexcept;
    void find_match(std::span<const TokenId> tokens) noexcept;
    template <class RateOf>
    Plan plan(Index max, const PassTimes& times, Index beside, double seconds_per_token, const RateOf& rate_of) const;
    void reserve();
    void look_up(std::span<const TokenId> tokens, Index count);
    void draft_by_model(std::span<const TokenId> tokens, Index count);

    SpeculationOptions options_;
    LookupIndex index_;
    LookupIndex::Match match_;
    // By the length of the match: below 2 (after a replaced token), 2, 3, 4 to 5, 6 to 9, 10 to 17, longer.
    std::array<Rate, 7> lookup_rates_{{{0.5}, {0.3}, {0.45}, {0.6}, {0.7}, {0.8}, {0.9}}};

    // The draft model, which has read `model_read_` of the tokens and then those of its latest draft.
    std::optional<State> model_state_;
    std::optional<Checkpoints> model_checkpoints_;  // after the last of these and each token of the draft
    Index model_known_ = 0;                         // the number of the first of those checkpoints
    std::vector<TokenId> model_draft_;              // tokens of its draft that it has read
    Index model_read_ = 0;
    Rate model_rate_{0.6};
    double model_seconds_ = 0;  // that a token of its draft takes
    Index passes_without_model_ = 0;

    std::vector<TokenId> guesses_;  // the latest draft, or the first token of one that did not pay
    bool by_model_ = false;
};

}  // namespace rwkv::inline RWKV_ABI::generation

#ifndef RWKV_COMPILED
#include <rwkv/generation/drafter.inl>
#endif
