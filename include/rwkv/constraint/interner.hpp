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
    Interner() : slots_(64, none) {}

    /// The index of an equal thing, for which `equal(index)` is true; else the one that `create()` returns, now known.
    template <class Equal, class Create, class HashOf>
    std::uint32_t find_or_create(std::uint64_t hash, const Equal& equal, const Create& create, const HashOf& hash_of) {
        if (2 * (count_ + 1) > slots_.size()) grow(hash_of);
        std::size_t i = mix(hash) & (slots_.size() - 1);
        for (; slots_[i] != none; i = (i + 1) & (slots_.size() - 1))
            if (equal(slots_[i])) return slots_[i];
        const std::uint32_t created = create();
        slots_[i] = created;
        ++count_;
        return created;
    }

    std::size_t memory() const noexcept { return slots_.capacity() * sizeof(std::uint32_t); }

    /// Combines a hash with another number.
    static std::uint64_t combine(std::uint64_t hash, std::uint64_t value) noexcept {
        hash = (hash ^ value) * 0x9E3779B97F4A7C15U;
        return hash ^ hash >> 29U;
    }

  private:
    static constexpr std::uint32_t none = 0xFFFFFFFFU;

    static std::size_t mix(std::uint64_t hash) noexcept {
        hash = (hash ^ hash >> 33U) * 0xFF51AFD7ED558CCDU;
        hash = (hash ^ hash >> 33U) * 0xC4CEB9FE1A85EC53U;
        return hash ^ hash >> 33U;
    }
    template <class HashOf>
    void grow(const HashOf& hash_of) {
        std::vector<std::uint32_t> larger(2 * slots_.size(), none);
        for (const std::uint32_t known : slots_) {
            if (known == none) continue;
            std::size_t i = mix(hash_of(known)) & (larger.size() - 1);
            while (larger[i] != none) i = (i + 1) & (larger.size() - 1);
            larger[i] = known;
        }
        slots_.swap(larger);
    }

    std::vector<std::uint32_t> slots_;
    std::size_t count_ = 0;
};

}  // namespace rwkv::inline RWKV_ABI::constraint
