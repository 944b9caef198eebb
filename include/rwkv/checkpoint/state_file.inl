#pragma once

#include <array>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <map>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include <rwkv/checkpoint/checkpoint.hpp>
#include <rwkv/core/dtype.hpp>
#include <rwkv/core/error.hpp>
#include <rwkv/core/inline.hpp>
#include <rwkv/core/quote.hpp>
#include <rwkv/core/tensor.hpp>
#include <rwkv/io/safetensors_writer.hpp>
#include <rwkv/state_file.hpp>

namespace rwkv::inline RWKV_ABI {

namespace checkpoint {

inline constexpr const char* state_format = "rwkv-4 state";
inline constexpr const char* conversation_format = "rwkv-4 conversation";

/// The parts of a state (const or not) under their names in a file, each [num_hidden_layers, size].
template <class AState>
auto state_parts(AState& state) {
    using Part = std::pair<const char*, decltype(state.numerator())>;
    return std::array<Part, 5>{
        Part{"attention.shift", state.attention_shift()}, Part{"feed_forward.shift", state.feed_forward_shift()},
        Part{"attention.numerator", state.numerator()}, Part{"attention.denominator", state.denominator()},
        Part{"attention.maximum", state.maximum()}};
}

inline Shape state_shape(const State::ConstView& part) {
    return {static_cast<std::uint64_t>(part.cols()), static_cast<std::uint64_t>(part.rows())};
}

inline std::vector<TensorInfo> state_tensors(const State& state) {
    std::vector<TensorInfo> tensors;
    for (const auto& [name, part] : state_parts(state))
        tensors.push_back({.name = name, .dtype = DType::f32, .shape = state_shape(part)});
    return tensors;
}

inline void write_state(io::SafetensorsWriter& writer, const State& state) {
    for (const auto& [name, part] : state_parts(state))
        writer.write(std::as_bytes(std::span(part.data(), static_cast<std::size_t>(part.size()))));
}

/// Opens a file of ours of that format, which holds so many tensors.
inline Checkpoint open_state(const std::filesystem::path& path, const char* expected, std::size_t count) {
    Checkpoint file = Checkpoint::open(path);
    const auto format = file.metadata().find("format");
    if (format == file.metadata().end() || format->second != expected)
        throw ModelError(path.string(), "format", expected,
                         format == file.metadata().end() ? "none" : core::quoted(format->second));
    if (file.tensors().size() != count)
        throw ModelError(path.string(), "tensors", std::to_string(count), std::to_string(file.tensors().size()));
    return file;
}

inline const CheckpointTensor& find(const Checkpoint& file, const std::string& where, const char* name, DType dtype) {
    const CheckpointTensor* tensor = file.find(name);
    if (!tensor) throw ModelError(where, name, "a tensor of that name", "none");
    if (tensor->info.dtype != dtype)
        throw ModelError(where, name, "dtype " + std::string(rwkv::name(dtype)),
                         std::string(rwkv::name(tensor->info.dtype)));
    return *tensor;
}

inline State read_state(const Checkpoint& file, const std::string& where, const Config& config) {
    State state(config);
    for (auto& [name, part] : state_parts(state)) {
        const CheckpointTensor& tensor = find(file, where, name, DType::f32);
        if (tensor.info.shape != state_shape(part))
            throw ModelError(where, name, "shape " + to_string(state_shape(part)) + " (by the model)",
                             to_string(tensor.info.shape));
        file.read(tensor, 0, std::as_writable_bytes(std::span(part.data(), static_cast<std::size_t>(part.size()))));
        if (!part.isFinite().all()) throw FormatError(where, name, "finite numbers", "an infinity or NaN");
    }
    return state;
}

/// A vector of at most so many numbers.
template <class T>
std::vector<T> read_vector(const Checkpoint& file, const std::string& where, const char* name, DType dtype,
                           std::size_t most) {
    const CheckpointTensor& tensor = find(file, where, name, dtype);
    if (tensor.info.shape.size() != 1 || tensor.info.shape[0] > most)
        throw ModelError(where, name, "one dimension of at most " + std::to_string(most), to_string(tensor.info.shape));
    std::vector<T> numbers(static_cast<std::size_t>(tensor.info.shape[0]));
    file.read(tensor, 0, std::as_writable_bytes(std::span(numbers)));
    return numbers;
}

}  // namespace checkpoint

RWKV_INLINE void save_state(const State& state, const std::filesystem::path& path) {
    io::SafetensorsWriter writer(path, checkpoint::state_tensors(state), {{"format", checkpoint::state_format}});
    checkpoint::write_state(writer, state);
    writer.finish();
}

RWKV_INLINE State load_state(const std::filesystem::path& path, const Config& config) {
    const checkpoint::Checkpoint file = checkpoint::open_state(path, checkpoint::state_format, 5);
    return checkpoint::read_state(file, path.string(), config);
}

RWKV_INLINE void save_conversation(const Conversation& conversation, const std::filesystem::path& path) {
    std::vector<TensorInfo> tensors = checkpoint::state_tensors(conversation.state);
    tensors.push_back({.name = "tokens", .dtype = DType::i32, .shape = {conversation.tokens.size()}});
    tensors.push_back({.name = "logits", .dtype = DType::f32, .shape = {conversation.logits.size()}});
    io::SafetensorsWriter writer(path, std::move(tensors), {{"format", checkpoint::conversation_format}});
    checkpoint::write_state(writer, conversation.state);
    writer.write(std::as_bytes(std::span(conversation.tokens)));
    writer.write(std::as_bytes(std::span(conversation.logits)));
    writer.finish();
}

RWKV_INLINE Conversation load_conversation(const std::filesystem::path& path, const Config& config) {
    constexpr std::size_t any = static_cast<std::size_t>(-1);
    const std::string where = path.string();
    const checkpoint::Checkpoint file = checkpoint::open_state(path, checkpoint::conversation_format, 7);
    Conversation conversation{.state = checkpoint::read_state(file, where, config),
                              .tokens = checkpoint::read_vector<TokenId>(file, where, "tokens", DType::i32, any),
                              .logits = checkpoint::read_vector<float>(file, where, "logits", DType::f32,
                                                                       static_cast<std::size_t>(config.vocab_size))};
    for (const TokenId token : conversation.tokens)
        if (token < 0 || token >= config.vocab_size)
            throw ModelError(where, "tokens", "ids from 0 to " + std::to_string(config.vocab_size - 1),
                             std::to_string(token));
    if (!conversation.logits.empty() && std::ssize(conversation.logits) != config.vocab_size)
        throw ModelError(where, "logits", std::to_string(config.vocab_size) + " (by the model), or none",
                         std::to_string(conversation.logits.size()));
    for (const float logit : conversation.logits)
        if (!std::isfinite(logit)) throw FormatError(where, "logits", "finite numbers", "an infinity or NaN");
    return conversation;
}

}  // namespace rwkv::inline RWKV_ABI
