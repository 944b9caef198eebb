#pragma once

#include <bit>
#include <cstddef>
#include <cstdint>
#include <utility>
#include <vector>

#include <rwkv/version.hpp>

namespace rwkv::inline RWKV_ABI::text {

/// A hash map from 64-bit keys to small values in one array without pointers: one cache miss per look-up. It only
/// grows. No key is all ones.
///
/// Thread safety: any number of threads may use a const object.
template <class Value>
class FlatMap {
  public:
    FlatMap() : slots_(16, {unused, Value{}}) {}

    /// The value of a key; null where there is none.
    const Value* find(std::uint64_t key) const noexcept {
        for (std::size_t i = home(key);; i = (i + 1) & (slots_.size() - 1)) {
            if (slots_[i].first == key) return &slots_[i].second;
            if (slots_[i].first == unused) return nullptr;
        }
    }

    /// Adds a key. Returns false, and does nothing, where it is there already.
    bool insert(std::uint64_t key, Value value) {
        if (2 * (count_ + 1) > slots_.size()) reserve(slots_.size());
        std::size_t i = home(key);
        for (; slots_[i].first != unused; i = (i + 1) & (slots_.size() - 1))
            if (slots_[i].first == key) return false;
        slots_[i] = {key, value};
        ++count_;
        return true;
    }

    /// Makes room for `count` keys in all.
    void reserve(std::size_t count) {
        const std::size_t wanted = std::bit_ceil(2 * count + 16);
        if (wanted <= slots_.size()) return;
        std::vector<std::pair<std::uint64_t, Value>> old(wanted, {unused, Value{}});
        old.swap(slots_);
        count_ = 0;
        for (const auto& [key, value] : old)
            if (key != unused) insert(key, value);
    }

    /// Removes all keys, and keeps the room that they had.
    void clear() noexcept {
        for (auto& slot : slots_) slot = {unused, Value{}};
        count_ = 0;
    }

    std::size_t size() const noexcept { return count_; }

  private:
    static constexpr std::uint64_t unused = ~std::uint64_t{0};

    std::size_t home(std::uint64_t key) const noexcept {
        // The high bits of the product depend on all bits of the key.
        const std::uint64_t hash = (key ^ key >> 32U) * 0x9E3779B97F4A7C15U;
        return static_cast<std::size_t>(hash >> (64 - std::countr_zero(slots_.size())));
    }

    std::vector<std::pair<std::uint64_t, Value>> slots_;  ///< a power of two, at least half of them unused
    std::size_t count_ = 0;
};

}  // namespace rwkv::inline RWKV_ABI::text
