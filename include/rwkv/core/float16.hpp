#pragma once

#include <cstdint>

#include <rwkv/version.hpp>

namespace rwkv::inline RWKV_ABI::core {

/// The bits of an IEEE half-precision number, as weights are stored.
struct Float16 {
    std::uint16_t bits;
};

/// The upper half of the bits of a float, as weights and scales are stored.
struct BFloat16 {
    std::uint16_t bits;
};

}  // namespace rwkv::inline RWKV_ABI::core
