#pragma once

#include <filesystem>

#include <rwkv/core/config.hpp>
#include <rwkv/generation/conversation.hpp>
#include <rwkv/model/state.hpp>
#include <rwkv/version.hpp>

namespace rwkv::inline RWKV_ABI {

/// Writes a state as a safetensors file: five F32 tensors, one row a layer, that any reader of the format can open.
/// The file appears whole or not at all. Throws FileError.
void save_state(const State& state, const std::filesystem::path& path);

/// Reads a state back, for a model of that shape. Throws FileError or FormatError, and ModelError where the file holds
/// something else, or the state of a model of another shape.
State load_state(const std::filesystem::path& path, const Config& config);

/// Writes a conversation likewise: its state, `tokens` (I32) and `logits` (F32).
void save_conversation(const Conversation& conversation, const std::filesystem::path& path);

/// Reads a conversation back, for a model of that shape. Throws as `load_state` does.
Conversation load_conversation(const std::filesystem::path& path, const Config& config);

}  // namespace rwkv::inline RWKV_ABI

#ifndef RWKV_COMPILED
#include <rwkv/checkpoint/state_file.inl>
#endif
