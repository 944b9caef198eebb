#pragma once

#include <bit>
#include <cstddef>
#include <cstdint>

#include <rwkv/version.hpp>

namespace rwkv::inline RWKV_ABI::constraint {

/// A set of bytes.
struct ByteSet {
    std::uint64_t words[4] = {0, 0, 0, 0};  ///< byte b is bit b % 64 of word b / 64

    /// The bytes from `first` to `last`, both included.
    static constexpr ByteSet range(unsigned first, unsigned last) noexcept {
        ByteSet set;
        for (unsigned word = first / 64; first <= last && word <= last / 64; ++word) {
            const unsigned low = word == first / 64 ? first % 64 : 0, high = word == last / 64 ? last % 64 : 63;
            set.words[word] = ~std::uint64_t{0} >> (63 - (high - low)) << low;
        }
        return set;
    }
    /// All 256.
    static constexpr ByteSet all() noexcept { return ~ByteSet(); }

    /// Adds a byte, below 256.
    constexpr void add(unsigned byte) noexcept { words[byte >> 6U] |= std::uint64_t{1} << (byte & 63U); }
    /// Whether it holds the byte.
    constexpr bool contains(unsigned byte) const noexcept { return (words[byte >> 6U] >> (byte & 63U) & 1U) != 0; }
    /// Whether it holds none.
    constexpr bool empty() const noexcept { return (words[0] | words[1] | words[2] | words[3]) == 0; }
    /// The number of bytes in it.
    constexpr std::size_t size() const noexcept {
        std::size_t sum = 0;
        for (const std::uint64_t word : words) sum += static_cast<std::size_t>(std::popcount(word));
        return sum;
    }
    /// The lowest byte of a set that is not empty.
    constexpr std::uint8_t first() const noexcept {
        unsigned byte = 0;
        while (!contains(byte)) ++byte;
        return static_cast<std::uint8_t>(byte);
    }

    /// Union.
    constexpr ByteSet operator|(const ByteSet& other) const noexcept {
        ByteSet set;
        for (int i = 0; i < 4; ++i) set.words[i] = words[i] | other.words[i];
        return set;
    }
    /// Intersection.
    constexpr ByteSet operator&(const ByteSet& other) const noexcept {
        ByteSet set;
        for (int i = 0; i < 4; ++i) set.words[i] = words[i] & other.words[i];
        return set;
    }
    /// Complement.
    constexpr ByteSet operator~() const noexcept {
        ByteSet set;
        for (int i = 0; i < 4; ++i) set.words[i] = ~words[i];
        return set;
    }
    constexpr bool operator==(const ByteSet&) const noexcept = default;  ///< whether the same bytes are in both
};

}  // namespace rwkv::inline RWKV_ABI::constraint
