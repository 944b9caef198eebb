#pragma once

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <utility>
#include <variant>
#include <vector>

#include <rwkv/checkpoint/checkpoint_plan.hpp>
#include <rwkv/checkpoint/tensor_specs.hpp>
#include <rwkv/checkpoint/weight_members.hpp>
#include <rwkv/core/aligned_buffer.hpp>
#include <rwkv/kernels/encode.hpp>
#include <rwkv/kernels/weight_matrix.hpp>
#include <rwkv/model/model.hpp>

// Models of a published shape with weights of normal size, for timing: no file is needed.

namespace synthetic {

using rwkv::Index;

/// Makes weights by a generator of random numbers.
class Generator {
  public:
    void fill(rwkv::core::Array<float>& vector, const rwkv::checkpoint::TensorSpec& spec) {
        using rwkv::checkpoint::TensorKind, rwkv::checkpoint::TensorRole;
        vector = rwkv::core::Array<float>(spec.cols);
        const bool decay = spec.role == TensorRole::attention_time_decay, mix = spec.kind == TensorKind::mix;
        for (float& value : vector) value = decay ? -std::exp(-6 * uniform()) : mix ? uniform() : 0.5f + uniform();
    }

    /// Writes a matrix to `to`. Of a quantized one all row groups are copies of the first: quantizing takes long, and
    /// time does not depend on the numbers.
    void fill(rwkv::WeightFormat format, rwkv::kernels::Layout layout, Index rows, Index cols, std::byte* to) {
        const float size = 2 / std::sqrt(static_cast<float>(cols));
        const std::size_t group_bytes = rwkv::kernels::weight_bytes(format, layout, rwkv::kernels::group_rows, cols);
        std::vector<float> group(static_cast<std::size_t>(rwkv::kernels::group_rows * cols));
        for (Index first = 0; first < rows; first += rwkv::kernels::group_rows, to += group_bytes) {
            const Index count = std::min(rwkv::kernels::group_rows, rows - first);
            if (first > 0 && rwkv::kernels::is_quantized(format)) {
                std::copy_n(to - group_bytes, group_bytes, to);
                continue;
            }
            for (float& weight : group) weight = (uniform() - 0.5f) * size;
            rwkv::kernels::encode_rows(format, layout, group.data(), count, cols, to);
        }
    }

  private:
    float uniform() {
        state_ = state_ * 6364136223846793005u + 1442695040888963407u;
        return static_cast<float>(state_ >> 40) * 0x1p-24f;
    }

    std::uint64_t state_ = 1;
};

inline rwkv::Config shape_of(const std::string& shape) {
    rwkv::Config config;
    const auto sizes =
        std::map<std::string, std::pair<Index, Index>>{{"169m", {12, 768}}, {"430m", {24, 1024}}, {"1b5", {24, 2048}}}
            .at(shape);
    config.num_hidden_layers = sizes.first;
    config.hidden_size = config.attention_hidden_size = sizes.second;
    config.intermediate_size = 4 * sizes.second;
    return config;
}

/// A model of that shape with all matrices in one format and one piece of memory, as the loader has them, and F16
/// embeddings. `vocab_size` 0: the published one.
inline rwkv::Model model(const std::string& shape, rwkv::WeightFormat format, Index vocab_size = 0) {
    using namespace rwkv::checkpoint;
    rwkv::model::Weights weights;
    weights.config = shape_of(shape);
    if (vocab_size > 0) weights.config.vocab_size = vocab_size;
    weights.blocks.resize(static_cast<std::size_t>(weights.config.num_hidden_layers));
    const auto planned = [&](const TensorSpec& spec) {
        const bool is_matrix = spec.kind == TensorKind::matrix;
        return PlannedTensor{spec, nullptr, is_matrix ? format : rwkv::WeightFormat::f16,
                             is_matrix ? rwkv::kernels::Layout::row_groups : rwkv::kernels::Layout::row_major};
    };
    const std::vector<TensorSpec> specs = tensor_specs(weights.config, true);
    std::size_t bytes = 0;
    for (const TensorSpec& spec : specs)
        if (!spec.is_vector()) bytes += planned(spec).bytes_in_memory();
    const std::shared_ptr<std::byte[]> memory = rwkv::core::AlignedBuffer(bytes).share();
    std::byte* at = memory.get();
    Generator generator;
    for (const TensorSpec& spec : specs) {
        const WeightMember member = weight_member(weights, spec);
        if (auto* const* vector = std::get_if<rwkv::core::Array<float>*>(&member)) {
            generator.fill(**vector, spec);
            continue;
        }
        const PlannedTensor tensor = planned(spec);
        generator.fill(tensor.format, tensor.layout, spec.rows, spec.cols, at);
        *std::get<rwkv::kernels::WeightMatrix*>(member) = rwkv::kernels::WeightMatrix(
            tensor.format, tensor.layout, spec.rows, spec.cols, std::shared_ptr<std::byte[]>(memory, at));
        at += tensor.bytes_in_memory();
    }
    set_epsilons(weights, true);
    return rwkv::Model(std::move(weights));
}

}  // namespace synthetic
