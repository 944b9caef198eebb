#pragma once

#include <vector>

#include <rwkv/kernels/kernel.hpp>
#include <rwkv/version.hpp>

namespace rwkv::inline RWKV_ABI::kernels {

/// The features of this processor, as a sum of CpuFeature. Detected once.
[[nodiscard]] unsigned cpu_features() noexcept;

/// The targets that are compiled in and that this processor can run, the best last.
[[nodiscard]] const std::vector<const Target*>& available_targets();

/// The best of them.
[[nodiscard]] const Target& best_target();

/// The best of them, or the one that the environment variable RWKV_TARGET names (for tests and comparisons).
/// Throws: ArgumentError if that is not available.
[[nodiscard]] const Target& chosen_target();

}  // namespace rwkv::inline RWKV_ABI::kernels

#ifndef RWKV_COMPILED
#include <rwkv/kernels/target.inl>
#endif
