#pragma once

#include <algorithm>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <string_view>
#include <vector>

#include <rwkv/core/tensor.hpp>
#include <rwkv/text/token_table.hpp>
#include <rwkv/version.hpp>

namespace rwkv::inline RWKV_ABI::text {

/// Finds the token that is spelt as a given word. It holds ids only: all calls get the same TokenTable, which has the
/// spellings.
///
/// Thread safety: any number of threads may use a const object.
class WordTable {
  public:
    WordTable() : slots_(16) {}

    /// Adds a token whose spelling is not there yet.
    void insert(const TokenTable& tokens, TokenId id) {
        reserve(count_ + 1);
        place({static_cast<std::uint32_t>(hash(tokens.bytes(id))), id});
        ++count_;
    }

    /// Makes room for `count` tokens in all.
    void reserve(std::size_t count) {
        if (2 * count <= slots_.size()) return;
        std::vector<Slot> old(std::bit_ceil(2 * count));
        old.swap(slots_);
        for (const Slot& slot : old)
            if (slot.id != no_token) place(slot);
    }

    /// The token of that spelling, or `no_token`.
    TokenId find(const TokenTable& tokens, std::string_view word) const noexcept {
        const auto wanted = static_cast<std::uint32_t>(hash(word));
        for (std::size_t i = home(wanted);; i = (i + 1) & (slots_.size() - 1)) {
            if (slots_[i].id == no_token) return no_token;
            if (slots_[i].hash == wanted && tokens.bytes(slots_[i].id) == word) return slots_[i].id;
        }
    }

    static constexpr TokenId no_token = -1;

  private:
    struct Slot {
        std::uint32_t hash = 0;
        TokenId id = no_token;
    };

    static std::uint64_t hash(std::string_view word) noexcept {
        std::uint64_t state = word.size() * 0x9E3779B97F4A7C15U;
        for (std::size_t at = 0; at < word.size(); at += 8) {
            std::uint64_t bytes = 0;
            std::memcpy(&bytes, word.data() + at, std::min<std::size_t>(8, word.size() - at));
            state = (state ^ bytes) * 0xD6E8FEB86659FD93U;
            state ^= state >> 32U;
        }
        return state;
    }

    std::size_t home(std::uint32_t hash) const noexcept { return hash & (slots_.size() - 1); }

    void place(const Slot& slot) noexcept {
        std::size_t i = home(slot.hash);
        while (slots_[i].id != no_token) i = (i + 1) & (slots_.size() - 1);
        slots_[i] = slot;
    }

    std::vector<Slot> slots_;  ///< a power of two, at least half of them unused
    std::size_t count_ = 0;
};

}  // namespace rwkv::inline RWKV_ABI::text
