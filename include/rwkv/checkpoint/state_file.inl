#pragma once

#include <cstddef>
#include <cstring>
#include <filesystem>
#include <map>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include <rwkv/checkpoint/state_format.hpp>
#include <rwkv/checkpoint/state_reader.hpp>
#include <rwkv/core/dtype.hpp>
#include <rwkv/core/error.hpp>
#include <rwkv/core/inline.hpp>
#include <rwkv/core/message.hpp>
#include <rwkv/core/tensor.hpp>
#include <rwkv/io/byte_source.hpp>
#include <rwkv/io/file.hpp>
#include <rwkv/io/safetensors_writer.hpp>
#include <rwkv/state_file.hpp>

namespace rwkv::inline RWKV_ABI {

namespace checkpoint {

/// What a file of a state or a conversation consists of.
struct StateFile {
    const char* format;
    std::map<std::string, std::string> metadata = {};
    std::vector<TensorInfo> tensors = {};
    std::vector<std::span<const std::byte>> parts = {};  ///< the bytes of each

    StateFile(const char* format_name, const State& state) : format(format_name), metadata{{"format", format_name}} {
        if (state.num_hidden_layers() == 0)
            core::fail<ArgumentError>("state", {}, {"a state"}, {"one that was moved from"});
        for (const auto& [name, part] : state_parts(state))
            add({.name = name, .dtype = DType::f32, .shape = state_shape(part)},
                std::span(part.data(), static_cast<std::size_t>(part.size())));
    }

    template <class T>
    void add(TensorInfo info, std::span<const T> numbers) {
        tensors.push_back(std::move(info));
        parts.push_back(std::as_bytes(numbers));
    }

    std::vector<std::byte> bytes() {
        const std::string header = io::begin_safetensors(tensors, metadata, format);
        const auto header_bytes = std::as_bytes(std::span(header));
        std::vector<std::byte> bytes(header_bytes.begin(), header_bytes.end());
        for (const auto part : parts) bytes.insert(bytes.end(), part.begin(), part.end());
        return bytes;
    }
};

inline void write_file(const std::filesystem::path& path, std::span<const std::byte> bytes) {
    io::OutputFile file(path);
    file.write(bytes);
    file.commit();
}

}  // namespace checkpoint

RWKV_INLINE std::vector<std::byte> to_bytes(const State& state) {
    return checkpoint::StateFile(checkpoint::state_format, state).bytes();
}

RWKV_INLINE std::vector<std::byte> to_bytes(const Conversation& conversation) {
    checkpoint::StateFile file(checkpoint::conversation_format, conversation.state);
    file.add({.name = "tokens", .dtype = DType::i32, .shape = {conversation.tokens.size()}},
             std::span(conversation.tokens));
    file.add({.name = "logits", .dtype = DType::f32, .shape = {conversation.logits.size()}},
             std::span(conversation.logits));
    return file.bytes();
}

RWKV_INLINE void save_state(const State& state, const std::filesystem::path& path) {
    checkpoint::write_file(path, to_bytes(state));
}

RWKV_INLINE void save_conversation(const Conversation& conversation, const std::filesystem::path& path) {
    checkpoint::write_file(path, to_bytes(conversation));
}

RWKV_INLINE State load_state(const ByteSource& file, const Config& config) {
    return checkpoint::StateReader(file, checkpoint::state_format, 5).state(config);
}

RWKV_INLINE State load_state(const std::filesystem::path& path, const Config& config) {
    return load_state(io::InputFile(path), config);
}

RWKV_INLINE State state_from_bytes(std::span<const std::byte> bytes, const Config& config) {
    return load_state(MemorySource("state", bytes), config);
}

RWKV_INLINE Conversation load_conversation(const ByteSource& file, const Config& config) {
    const checkpoint::StateReader reader(file, checkpoint::conversation_format, 7);
    return {.state = reader.state(config), .tokens = reader.tokens(config), .logits = reader.logits(config)};
}

RWKV_INLINE Conversation load_conversation(const std::filesystem::path& path, const Config& config) {
    return load_conversation(io::InputFile(path), config);
}

RWKV_INLINE Conversation conversation_from_bytes(std::span<const std::byte> bytes, const Config& config) {
    return load_conversation(MemorySource("conversation", bytes), config);
}

}  // namespace rwkv::inline RWKV_ABI
