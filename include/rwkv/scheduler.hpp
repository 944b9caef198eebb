#pragma once

// Many requests with one model at once, and states kept for what begins alike. Not part of rwkv.hpp.

// windows.h without NOMINMAX defines min and max, which standard headers that follow it do not survive.
#pragma push_macro("min")
#pragma push_macro("max")
#undef min
#undef max

#include <cstdint>
#include <filesystem>

// IWYU pragma: begin_exports
#include <rwkv/generation/prefix_cache.hpp>
#include <rwkv/generation/request.hpp>
#include <rwkv/generation/scheduler.hpp>
// IWYU pragma: end_exports
#include <rwkv/model/model.hpp>
#include <rwkv/version.hpp>

namespace rwkv::inline RWKV_ABI {

/// A number that differs for models of other sizes, weights or weight formats; the time of reading all weights once.
[[nodiscard]] std::uint64_t fingerprint(const Model& model);

/// Writes the states of a cache to a directory, made where there is none: a safetensors file each, as state_file.hpp
/// has them, with tokens and logits. Files of states that are there already stay as they are; those of other states or
/// another model are removed. Each file appears whole or not at all. The cache may be in use meanwhile.
/// Throws: FileError.
void save_prefix_cache(const PrefixCache& cache, const Model& model, const std::filesystem::path& directory);

/// Adds the states of a directory to a cache, the least recently used first; its other files are left alone.
/// Throws: FileError or FormatError where a file cannot be read; ModelError where it holds something else, or belongs
/// to another model (by its fingerprint).
void load_prefix_cache(PrefixCache& cache, const Model& model, const std::filesystem::path& directory);

}  // namespace rwkv::inline RWKV_ABI

#ifndef RWKV_COMPILED
#include <rwkv/checkpoint/prefix_cache_file.inl>
#endif

#pragma pop_macro("max")
#pragma pop_macro("min")
