#pragma once

#include <string_view>
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

/// The one of that name. Throws: ArgumentError where it is not available.
[[nodiscard]] const Target& target_named(std::string_view name);

/// What a workspace computes with: the target of choose_target(), else the one that the environment variable
/// RWKV_TARGET names (for tests and comparisons; read once), else the best. Throws: ArgumentError if that is not
/// available.
[[nodiscard]] const Target& chosen_target();

/// Makes that the chosen target of all workspaces from now on; null undoes it. For tests.
void choose_target(const Target* target) noexcept;

}  // namespace rwkv::inline RWKV_ABI::kernels

#ifndef RWKV_COMPILED
#include <rwkv/kernels/target.inl>
#endif
