#pragma once

#include <array>
#include <cmath>
#include <filesystem>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include <rwkv/error.hpp>
#include <rwkv/io/checkpoint.hpp>
#include <rwkv/io/safetensors_writer.hpp>
#include <rwkv/model/state.hpp>

namespace rwkv {

namespace loading {

inline constexpr const char* state_format = "rwkv-4 state";

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

}  // namespace loading

/// Writes a state as a safetensors file: five F32 tensors, one row a layer, that any reader of the format can open.
/// The file appears whole or not at all. Throws FileError.
inline void save_state(const State& state, const std::filesystem::path& path) {
    const auto parts = loading::state_parts(state);
    std::vector<TensorInfo> tensors;
    for (const auto& [name, part] : parts)
        tensors.push_back({.name = name, .dtype = DType::f32, .shape = loading::state_shape(part)});
    io::SafetensorsWriter writer(path, std::move(tensors), {{"format", loading::state_format}});
    for (const auto& [name, part] : parts)
        writer.write(std::as_bytes(std::span(part.data(), static_cast<std::size_t>(part.size()))));
    writer.finish();
}

/// Reads a state back, for a model of that shape. Throws FileError or FormatError, and ModelError where the file holds
/// something else, or the state of a model of another shape.
inline State load_state(const std::filesystem::path& path, const Config& config) {
    const io::Checkpoint file = io::Checkpoint::open(path);
    const auto format = file.metadata().find("format");
    if (format == file.metadata().end() || format->second != loading::state_format)
        throw ModelError(path.string(), "format", loading::state_format,
                         format == file.metadata().end() ? "none" : io::in_quotes(format->second));
    State state(config);
    for (auto& [name, part] : loading::state_parts(state)) {
        const io::CheckpointTensor* tensor = file.find(name);
        if (!tensor) throw ModelError(path.string(), name, "a tensor of that name", "none");
        if (tensor->info.dtype != DType::f32)
            throw ModelError(path.string(), name, "dtype F32", std::string(rwkv::name(tensor->info.dtype)));
        if (tensor->info.shape != loading::state_shape(part))
            throw ModelError(path.string(), name, "shape " + to_string(loading::state_shape(part)) + " (by the model)",
                             to_string(tensor->info.shape));
        file.read(*tensor, 0, std::as_writable_bytes(std::span(part.data(), static_cast<std::size_t>(part.size()))));
        if (!part.isFinite().all()) throw FormatError(path.string(), name, "finite numbers", "an infinity or NaN");
    }
    if (file.tensors().size() != 5)
        throw ModelError(path.string(), "tensors", "the five of a state", std::to_string(file.tensors().size()));
    return state;
}

}  // namespace rwkv
