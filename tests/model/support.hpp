#pragma once

#include <cmath>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <functional>
#include <span>
#include <string>
#include <vector>

#include <rwkv/checkpoint/checkpoint.hpp>
#include <rwkv/io/safetensors_writer.hpp>
#include <rwkv/kernels/oracle.hpp>
#include <rwkv/load_model.hpp>
#include <rwkv/model/forward.hpp>

#include "../support.hpp"

namespace rwkv::test {

inline std::filesystem::path fixture(const std::string& name) {
    return std::filesystem::path(RWKV_FIXTURES_DIR) / name;
}

/// All elements of a tensor of that type.
template <class T>
std::vector<T> elements(const checkpoint::Checkpoint& file, const std::string& name) {
    const checkpoint::CheckpointTensor& tensor = *file.find(name);
    std::vector<T> values(tensor.info.bytes / sizeof(T));
    file.read(tensor, 0, std::as_writable_bytes(std::span(values)));
    return values;
}

/// What Hugging Face answered; see fixtures/README.md.
struct Expected {
    explicit Expected(const std::string& name)
        : Expected(checkpoint::Checkpoint::open(fixture(name) / "expected.safetensors")) {}

    std::vector<TokenId> tokens;
    std::vector<float> logits;            ///< a row for each of `positions`
    std::vector<std::int32_t> positions;  ///< all of them, unless the fixture says which
    std::vector<float> hidden;
    std::vector<float> ffn_shift, att_shift, num, den, max;

  private:
    explicit Expected(const checkpoint::Checkpoint& file)
        : tokens(elements<TokenId>(file, "tokens")),
          logits(elements<float>(file, "logits")),
          ffn_shift(elements<float>(file, "state.ffn_shift")),
          att_shift(elements<float>(file, "state.att_shift")),
          num(elements<float>(file, "state.num")),
          den(elements<float>(file, "state.den")),
          max(elements<float>(file, "state.max")) {
        if (file.find("hidden")) hidden = elements<float>(file, "hidden");
        if (file.find("positions")) {
            positions = elements<std::int32_t>(file, "positions");
        } else {
            for (std::size_t i = 0; i < tokens.size(); ++i) positions.push_back(static_cast<std::int32_t>(i));
        }
    }
};

/// The largest difference, over max(1, the largest expected magnitude). Infinite where the sizes differ or a number
/// is none.
template <class A, class B>
double error_of(const A& found, const B& expected) {
    if (std::size(found) != std::size(expected)) return std::numeric_limits<double>::infinity();
    double largest = 0, magnitude = 1;
    for (std::size_t i = 0; i < std::size(found); ++i) {
        const double difference = std::abs(static_cast<double>(found[i]) - static_cast<double>(expected[i]));
        if (std::isnan(difference)) return std::numeric_limits<double>::infinity();
        largest = std::max(largest, difference);
        magnitude = std::max(magnitude, std::abs(static_cast<double>(expected[i])));
    }
    return largest / magnitude;
}

/// The tolerance every computation is held to, against Hugging Face and against our own blocks in double.
inline constexpr double tolerance = 5e-5;

/// Sends tokens of one sequence through all layers, as many at a time as Model does, and calls visit(position of the
/// first token, T) after each chunk, with x of its T tokens in workspace.x(T). For any matrices and any scalar.
template <class Matrix, class Scalar, class Visit>
void forward_chunks(const model::BasicWeights<Matrix>& weights, std::span<const TokenId> tokens,
                    BasicState<Scalar>& state, BasicWorkspace<Scalar>& workspace, Visit&& visit) {
    const Index size = std::ssize(tokens), layers = std::ssize(weights.blocks);
    for (Index first = 0; first < size; first += workspace.chunk()) {
        const auto blocks = kernels::split_tokens(std::min(size - first, workspace.chunk()), workspace.chunk());
        for (Index block = 0, next; block < blocks.count; block = next) {
            next = std::min<Index>(block + workspace.threads(), blocks.count);
            const Index begin = first + blocks.begin(block), count = first + blocks.begin(next) - begin;
            workspace.pass().batch.clear();
            workspace.pass().batch.append(
                tokens.subspan(static_cast<std::size_t>(begin), static_cast<std::size_t>(count)), state);
            model::embed(weights, workspace);
            model::run_layers(weights, 0, layers, workspace, [] { return false; });
            visit(begin, count);
        }
    }
}

/// The logits at the given positions (in order), one row each, computed in Scalar.
template <class Matrix, class Scalar>
std::vector<Scalar> logits_of(const model::BasicWeights<Matrix>& weights, std::span<const TokenId> tokens,
                              std::span<const std::int32_t> positions, BasicState<Scalar>& state,
                              BasicWorkspace<Scalar>& workspace) {
    std::vector<Scalar> rows;
    std::size_t next = 0;
    forward_chunks(weights, tokens, state, workspace, [&](Index first, Index count) {
        for (; next < positions.size() && positions[next] < first + count; ++next) {
            const Index t = positions[next] - first;
            const auto row = model::logits<Matrix, Scalar>(weights, std::span(&t, 1), workspace);
            rows.insert(rows.end(), row.data(), row.data() + row.size());
        }
    });
    return rows;
}
template <class Scalar>
std::vector<Scalar> logits_at(const Model& model, std::span<const TokenId> tokens,
                              std::span<const std::int32_t> positions, BasicState<Scalar>& state,
                              BasicWorkspace<Scalar>& workspace) {
    return logits_of<kernels::WeightMatrix, Scalar>(model.weights(), tokens, positions, state, workspace);
}

/// Every element of every matrix, as floats.
inline std::vector<float> all_elements(const Model& model) {
    std::vector<float> elements;
    const auto add = [&](const kernels::WeightMatrix& matrix) {
        std::vector<float> row(static_cast<std::size_t>(matrix.cols()));
        for (Index i = 0; i < matrix.rows(); ++i) {
            matrix.copy_row(i, 0, matrix.cols(), row.data());
            elements.insert(elements.end(), row.begin(), row.end());
        }
    };
    add(model.weights().embeddings);
    if (model.has_head()) add(*model.weights().head);
    for (const auto& block : model.weights().blocks)
        for (const auto* matrix :
             {&block.attention.key, &block.attention.value, &block.attention.receptance, &block.attention.output,
              &block.feed_forward.key, &block.feed_forward.receptance, &block.feed_forward.value})
            add(*matrix);
    return elements;
}

inline std::span<const float> span_of(MatrixView<const float> part) {
    return {part.data(), static_cast<std::size_t>(part.size())};
}

/// One tensor of a file to be written: its description and its bytes.
struct RawTensor {
    TensorInfo info;
    std::vector<std::byte> bytes;
};

/// Copies a fixture's config.json and its tensors to `directory`, after `change` has had its way with the tensors.
inline void write_changed(const std::string& name, const std::filesystem::path& directory,
                          const std::function<void(std::vector<RawTensor>&)>& change) {
    const checkpoint::Checkpoint from = checkpoint::Checkpoint::open(fixture(name));
    std::vector<RawTensor> tensors;
    for (const checkpoint::CheckpointTensor& tensor : from.tensors()) {
        tensors.push_back({tensor.info, std::vector<std::byte>(tensor.info.bytes)});
        from.read(tensor, 0, tensors.back().bytes);
    }
    change(tensors);
    std::vector<TensorInfo> infos;
    for (const RawTensor& tensor : tensors) infos.push_back(tensor.info);
    io::SafetensorsWriter writer(directory / "model.safetensors", std::move(infos));
    for (const RawTensor& tensor : tensors) writer.write(tensor.bytes);
    writer.finish();
    std::filesystem::copy_file(fixture(name) / "config.json", directory / "config.json",
                               std::filesystem::copy_options::overwrite_existing);
}

/// The tensor of that name.
inline RawTensor& tensor_named(std::vector<RawTensor>& tensors, const std::string& name) {
    for (RawTensor& tensor : tensors)
        if (tensor.info.name == name) return tensor;
    throw std::runtime_error("no tensor " + name);
}

/// A model whose matrices are read in many pieces: fixture `plain` with a feed-forward of 6,000 rows.
inline void write_wide(
    const std::filesystem::path& directory, const std::function<void(std::vector<RawTensor>&)>& change = [](auto&) {}) {
    constexpr std::uint64_t wide = 6000, hidden = 37;
    write_changed("plain", directory, [&](auto& tensors) {
        for (const std::string block : {"0", "1", "2"}) {
            RawTensor& key = tensor_named(tensors, "rwkv.blocks." + block + ".feed_forward.key.weight");
            RawTensor& value = tensor_named(tensors, "rwkv.blocks." + block + ".feed_forward.value.weight");
            key.info.shape = {wide, hidden};
            value.info.shape = {hidden, wide};
            std::vector<float> elements(wide * hidden);
            for (std::size_t i = 0; i < elements.size(); ++i)
                elements[i] = static_cast<float>(i * 7919 % 1013) / 100000.0f - 0.005f;
            for (RawTensor* tensor : {&key, &value}) {
                tensor->info.bytes = elements.size() * sizeof(float);
                tensor->bytes.resize(tensor->info.bytes);
                std::memcpy(tensor->bytes.data(), elements.data(), tensor->bytes.size());
            }
        }
        change(tensors);
    });
    std::string config = read_all(directory / "config.json");
    const auto at = config.find("\"intermediate_size\"");
    REQUIRE(at != config.npos);
    const auto end = config.find_first_of(",\n", at);
    config.replace(at, end - at, "\"intermediate_size\": 6000");
    std::ofstream(directory / "config.json") << config;
}

}  // namespace rwkv::test
