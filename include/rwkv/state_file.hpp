#pragma once

#include <cstddef>
#include <filesystem>
#include <span>
#include <vector>

#include <rwkv/core/config.hpp>
#include <rwkv/generation/conversation.hpp>
#include <rwkv/io/byte_source.hpp>
#include <rwkv/model/state.hpp>
#include <rwkv/version.hpp>

namespace rwkv::inline RWKV_ABI {

// A state is stored as a safetensors file that any reader of the format can open: five F32 tensors of one row for each
// layer. A conversation also has `tokens` (I32) and `logits` (F32). The same bytes can be kept elsewhere, in a
// database, say.

/// Writes a state to a file, which appears whole or not at all. Throws: FileError.
void save_state(const State& state, const std::filesystem::path& path);

/// Reads the state of a model of that shape from a file or another source.
///
/// Throws: FileError or FormatError where the file cannot be read; ModelError where it holds something else, or the
/// state of a model of another shape.
[[nodiscard]] State load_state(const std::filesystem::path& path, const Config& config);
[[nodiscard]] State load_state(const ByteSource& file, const Config& config);

/// The bytes that save_state writes.
[[nodiscard]] std::vector<std::byte> to_bytes(const State& state);

/// Reads a state from the bytes of its file. Throws as load_state.
[[nodiscard]] State state_from_bytes(std::span<const std::byte> bytes, const Config& config);

/// Writes a conversation to a file, which appears whole or not at all. Throws: FileError.
void save_conversation(const Conversation& conversation, const std::filesystem::path& path);

/// Reads the conversation with a model of that shape. Throws as load_state.
[[nodiscard]] Conversation load_conversation(const std::filesystem::path& path, const Config& config);
[[nodiscard]] Conversation load_conversation(const ByteSource& file, const Config& config);

/// The bytes that save_conversation writes.
[[nodiscard]] std::vector<std::byte> to_bytes(const Conversation& conversation);

/// Reads a conversation from the bytes of its file. Throws as load_state.
[[nodiscard]] Conversation conversation_from_bytes(std::span<const std::byte> bytes, const Config& config);

}  // namespace rwkv::inline RWKV_ABI

#ifndef RWKV_COMPILED
#include <rwkv/checkpoint/state_file.inl>
#endif
