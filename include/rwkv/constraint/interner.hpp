#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

#include <rwkv/text/flat_map.hpp>
#include <rwkv/version.hpp>

namespace rwkv::inline RWKV_ABI::constraint {

/// A map from 64-bit keys to 32-bit values.
using U64Map = text::FlatMap<std::uint32_t>;

/// A hash table of indices of things that lie elsewhere, so that each is kept once.
class Interner {
  public:
    Interner() : slots_(64, Slot{0, none}) {}

    /// The index of an equal thing, for which `equal(index)` is true; else the one that `create()` returns, now known.
    template <class Equal, class Create>
    std::uint32_t find_or_create(std::uint64_t hash, const Equal& equal, const Create& create) {
        if (2 * (count_ + 1) > slots_.size()) grow();
        const std::uint32_t mixed = mix(hash);
        std::size_t i = mixed & (slots_.size() - 1);
        for (; slots_[i].index != none; i = (i + 1) & (slots_.size() - 1))
            if (slots_[i].hash == mixed && equal(slots_[i].index)) return slots_[i].index;
        const std::uint32_t created = create();
        slots_[i] = {mixed, created};
        ++count_;
        return created;
    }

    std::size_t memory() const noexcept { return slots_.capacity() * sizeof(Slot); }

    /// Combines a hash with another number.
    static std::uint64_t combine(std::uint64_t hash, std::uint64_t value) noexcept {
        hash = (hash ^ value) * 0x9E3779B97F4A7C15U;
        return hash ^ hash >> 29U;
    }

  private:
    static constexpr std::uint32_t none = 0xFFFFFFFFU;
    struct Slot {
        std::uint32_t hash, index;
    };

    static std::uint32_t mix(std::uint64_t hash) noexcept {
        hash = (hash ^ hash >> 33U) * 0xFF51AFD7ED558CCDU;
        hash = (hash ^ hash >> 33U) * 0xC4CEB9FE1A85EC53U;
        return static_cast<std::uint32_t>(hash ^ hash >> 33U);
    }
    void grow() {
        std::vector<Slot> larger(2 * slots_.size(), Slot{0, none});
        for (const Slot& slot : slots_) {
            if (slot.index == none) continue;
            std::size_t i = slot.hash & (larger.size() - 1);
            while (larger[i].index != none) i = (i + 1) & (larger.size() - 1);
            larger[i] = slot;
        }
        slots_.swap(larger);
    }

    std::vector<Slot> slots_;  // a power of two, at least half of them unused
    std::size_t count_ = 0;
};

}  // namespace rwkv::inline RWKV_ABI::constraint
