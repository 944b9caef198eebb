#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include <rwkv/core/tensor.hpp>
#include <rwkv/version.hpp>

namespace rwkv::inline RWKV_ABI::generation {

/// Finds where the latest tokens of a sequence stood before: hash chains of pairs of tokens, as LZ77 compressors keep
/// them. A token costs O(1), to add and to look up; memory is fixed (320 KiB), and what is further back than 65,536
/// tokens is forgotten.
class LookupIndex {
  public:
    /// An earlier place: the `length` tokens before it are also the latest of the sequence.
    struct Match {
        Index next = 0;    ///< the position of the token that followed there; 0: there is no such place
        Index length = 0;  ///< at least 2; at most 32 where it was not followed from token to token
    };

    /// Throws: std::bad_alloc.
    LookupIndex() : heads_(std::size_t{1} << head_bits, 0), previous_(static_cast<std::size_t>(window), 0) {}

    /// Forgets everything.
    void clear() noexcept {
        std::fill(heads_.begin(), heads_.end(), 0);
        size_ = 0;
        match_ = resumed_ = {};
    }

    /// Adds those of a sequence's tokens that are new since the latest call.
    void update(std::span<const TokenId> tokens) noexcept {
        const Index count = std::ssize(tokens);
        if (count - size_ > window) {
            size_ = count - window;
            match_ = resumed_ = {};
        }
        for (; size_ < count; ++size_) {
            const TokenId token = at(tokens, size_);
            const bool was_long = match_.length >= min_resumed;
            const Match replaced{match_.next + 1, 0};
            const bool goes_on = follow(match_, tokens, token);
            if (!follow(resumed_, tokens, token) && was_long && !goes_on) resumed_ = replaced;
            if (size_ == 0) continue;
            std::uint32_t& head = heads_[hash(at(tokens, size_ - 1), token)];
            previous_[slot(size_)] = head;
            head = static_cast<std::uint32_t>(size_ + 1);
        }
    }

    /// Where the longest suffix of the tokens stood before: the place that was found last, if the tokens since are
    /// those that followed there, or one of the latest 32 where the last two tokens stood. The tokens are those of the
    /// latest `update`.
    [[nodiscard]] const Match& find(std::span<const TokenId> tokens) noexcept {
        if (size_ < 2) return match_;
        const Index end = size_ - 1;
        Index place = end;
        for (int i = 0; i < max_places; ++i) {
            const Index before = static_cast<Index>(previous_[slot(place)]) - 1;  // the place before with that hash
            if (before >= place || before < 1 || end - before >= window) break;
            place = before;
            Index length = 0;
            while (length < max_length && length <= place && at(tokens, place - length) == at(tokens, end - length))
                ++length;
            if (length >= 2 && length > match_.length) match_ = {place + 1, length};
        }
        return match_;
    }

    /// Where a match of at least 4 tokens continues if one token was replaced there and the `length` tokens after it
    /// were the same, as in an edited copy. `next` 0: none.
    [[nodiscard]] const Match& resumed() const noexcept { return resumed_; }

  private:
    static constexpr Index min_resumed = 4;
    static constexpr Index window = 1 << 16;
    static constexpr int head_bits = 14, max_places = 32;
    static constexpr Index max_length = 32;

    /// Moves a match behind the token that followed the latest ones, or forgets it where another token did there.
    bool follow(Match& match, std::span<const TokenId> tokens, TokenId token) const noexcept {
        const bool same = match.next > 0 && at(tokens, match.next) == token;
        match = same ? Match{match.next + 1, match.length + 1} : Match{};
        return same;
    }
    static TokenId at(std::span<const TokenId> tokens, Index i) noexcept { return tokens[static_cast<std::size_t>(i)]; }
    static std::size_t slot(Index position) noexcept { return static_cast<std::size_t>(position & (window - 1)); }
    static std::size_t hash(TokenId first, TokenId second) noexcept {
        const std::uint64_t pair =
            (std::uint64_t{static_cast<std::uint32_t>(first)} << 32) | static_cast<std::uint32_t>(second);
        return (pair * 0x9E3779B97F4A7C15u) >> (64 - head_bits);
    }

    std::vector<std::uint32_t> heads_;     // by hash: the latest position of the second token, + 1; 0: none
    std::vector<std::uint32_t> previous_;  // by position, in the window: the position before it with that hash, + 1
    Index size_ = 0;
    Match match_, resumed_;
};

}  // namespace rwkv::inline RWKV_ABI::generation
