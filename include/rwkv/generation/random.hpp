#pragma once

#include <array>
#include <bit>
#include <cstdint>

#include <rwkv/version.hpp>

namespace rwkv::inline RWKV_ABI {

/// Random numbers for sampling: xoshiro256++ seeded through SplitMix64 (Blackman and Vigna, both in the
/// public domain). Unlike the standard library's distributions, a seed gives the same numbers everywhere. A
/// plain value: a copy goes on with the same numbers. Not for secrets.
class Random {
  public:
    /// The generator of that seed, any number.
    explicit constexpr Random(std::uint64_t seed = 0) noexcept {
        for (std::uint64_t& word : state_) {
            seed += 0x9E3779B97F4A7C15U;
            std::uint64_t mixed = seed;
            mixed = (mixed ^ mixed >> 30U) * 0xBF58476D1CE4E5B9U;
            mixed = (mixed ^ mixed >> 27U) * 0x94D049BB133111EBU;
            word = mixed ^ mixed >> 31U;
        }
    }

    /// The next 64 bits.
    constexpr std::uint64_t next() noexcept {
        const std::uint64_t result = std::rotl(state_[0] + state_[3], 23) + state_[0];
        const std::uint64_t shifted = state_[1] << 17U;
        state_[2] ^= state_[0];
        state_[3] ^= state_[1];
        state_[1] ^= state_[2];
        state_[0] ^= state_[3];
        state_[2] ^= shifted;
        state_[3] = std::rotl(state_[3], 45);
        return result;
    }

    /// A number from 0 to `count` − 1, each as likely as the others; `count` is not 0.
    constexpr std::uint64_t below(std::uint64_t count) noexcept {
        if (count == 1) return 0;
        // As many of the high bits as are needed, drawn again when they are too large: fewer than two draws
        // on average.
        const int shift = std::countl_zero(count - 1);
        std::uint64_t value = next() >> shift;
        while (value >= count) value = next() >> shift;
        return value;
    }

  private:
    std::array<std::uint64_t, 4> state_{};
};

}  // namespace rwkv::inline RWKV_ABI
