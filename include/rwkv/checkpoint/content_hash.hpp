#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <span>

#include <rwkv/version.hpp>

namespace rwkv::inline RWKV_ABI::checkpoint {

/// A hash of bytes, eight at a time, as fast as memory gives them: four sums that do not wait for each other.
class ContentHash {
  public:
    void add(std::span<const std::byte> bytes) noexcept {
        const std::byte* from = bytes.data();
        std::size_t left = bytes.size();
        for (; left >= 32; from += 32, left -= 32)
            for (int i = 0; i < 4; ++i) mix(sums_[i], word(from + 8 * i, 8));
        for (int i = 0; left > 0; ++i) {
            const std::size_t count = (std::min)(left, std::size_t{8});
            mix(sums_[i], word(from, count));
            from += count;
            left -= count;
        }
        mix(sums_[0], bytes.size());
    }
    template <class T>
    void add_numbers(std::span<const T> numbers) noexcept {
        add(std::as_bytes(numbers));
    }
    [[nodiscard]] std::uint64_t value() const noexcept {
        std::uint64_t value = 0;
        for (const std::uint64_t sum : sums_) mix(value, sum ^ (sum >> 32U));
        return value ^ (value >> 29U);
    }

  private:
    static std::uint64_t word(const std::byte* from, std::size_t count) noexcept {
        std::uint64_t word = 0;
        std::memcpy(&word, from, count);
        return word;
    }
    static void mix(std::uint64_t& sum, std::uint64_t word) noexcept {
        sum = (sum ^ word) * 0x9E3779B97F4A7C15U;
        sum ^= sum >> 32U;
    }

    std::uint64_t sums_[4] = {1, 2, 3, 4};
};

}  // namespace rwkv::inline RWKV_ABI::checkpoint
