#pragma once

#include <array>
#include <cstdint>
#include <utility>

#include <rwkv/core/tensor.hpp>
#include <rwkv/model/state.hpp>
#include <rwkv/version.hpp>

namespace rwkv::inline RWKV_ABI::checkpoint {

// What `format` in the metadata of a state file says.
inline constexpr const char* state_format = "rwkv-4 state";
inline constexpr const char* conversation_format = "rwkv-4 conversation";
inline constexpr const char* prefix_format = "rwkv-4 prefix";

/// The parts of a state (const or not) under their names in a file, each [num_hidden_layers, size].
template <class AState>
auto state_parts(AState& state) {
    using Part = std::pair<const char*, decltype(state.numerator())>;
    return std::array<Part, 5>{
        Part{"attention.shift", state.attention_shift()}, Part{"feed_forward.shift", state.feed_forward_shift()},
        Part{"attention.numerator", state.numerator()}, Part{"attention.denominator", state.denominator()},
        Part{"attention.maximum", state.maximum()}};
}

/// The shape of a part in a file: a row for each layer.
template <class Part>
Shape state_shape(const Part& part) {
    return {static_cast<std::uint64_t>(part.cols()), static_cast<std::uint64_t>(part.rows())};
}

}  // namespace rwkv::inline RWKV_ABI::checkpoint
