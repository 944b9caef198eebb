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
    /// Of the keys of channel mixing about `zero_keys` are to be zero: a half of them without an offset.
    explicit Generator(double zero_keys = 0.5) : zero_keys_(zero_keys) {}

    void fill(rwkv::core::Array<float>& vector, const rwkv::checkpoint::TensorSpec& spec) {
        using rwkv::checkpoint::TensorKind, rwkv::checkpoint::TensorRole;
        vector = rwkv::core::Array<float>(spec.cols);
        const bool decay = spec.role == TensorRole::attention_time_decay, mix = spec.kind == TensorKind::mix;
        for (float& value : vector) value = decay ? -std::exp(-6 * uniform()) : mix ? uniform() : 0.5f + uniform();
    }

    /// Writes a matrix to `to`. Of a quantized one all row groups are copies of the first `distinct`: quantizing takes
    /// long, and time does not depend on the numbers. `offset` is added to every weight, in units of the largest.
    void fill(rwkv::WeightFormat format, rwkv::kernels::Layout layout, Index rows, Index cols, std::byte* to,
              Index distinct = 1, float offset = 0) {
        if (layout == rwkv::kernels::Layout::column_major) {
            std::vector<std::byte> groups(
                rwkv::kernels::weight_bytes(format, rwkv::kernels::Layout::row_groups, rows, cols));
            fill(format, rwkv::kernels::Layout::row_groups, rows, cols, groups.data());
            return rwkv::kernels::copy_to_columns(format, groups.data(), 0, rows, rows, cols, to);
        }
        const float size = 2 / std::sqrt(static_cast<float>(cols));
        const std::size_t group_bytes = rwkv::kernels::weight_bytes(format, layout, rwkv::kernels::group_rows, cols);
        std::vector<float> group(static_cast<std::size_t>(rwkv::kernels::group_rows * cols));
        for (Index first = 0; first < rows; first += rwkv::kernels::group_rows, to += group_bytes) {
            const Index count = std::min(rwkv::kernels::group_rows, rows - first);
            if (first >= distinct * rwkv::kernels::group_rows && rwkv::kernels::is_quantized(format)) {
                std::copy_n(to - static_cast<std::size_t>(distinct) * group_bytes, group_bytes, to);
                continue;
            }
            for (float& weight : group) weight = (uniform() - 0.5f + offset) * size;
            rwkv::kernels::encode_rows(format, layout, group.data(), count, cols, to);
        }
    }

    /// A matrix of the model. Keys of channel mixing are sums of weights times normed features, whose mean is 1 here:
    /// an offset makes them normally distributed about a number below 0.
    void fill(rwkv::WeightFormat format, rwkv::kernels::Layout layout, const rwkv::checkpoint::TensorSpec& spec,
              std::byte* to) {
        if (spec.role != rwkv::checkpoint::TensorRole::feed_forward_key || zero_keys_ == 0.5)
            return fill(format, layout, spec.rows, spec.cols, to);
        // Of a sum of uniform weights times features of mean square 2, in units of the largest weight.
        const double deviation = std::sqrt(2.0 / 12), mean = -deviation * quantile(zero_keys_);
        const double offset = mean / std::sqrt(static_cast<double>(spec.cols));
        fill(format, layout, spec.rows, spec.cols, to, 64, static_cast<float>(offset));
    }

  private:
    /// Below which numbers of a standard normal distribution are with that probability; by bisection.
    static double quantile(double probability) {
        double low = -8, high = 8;
        for (int i = 0; i < 60; ++i) {
            const double middle = (low + high) / 2;
            (std::erfc(-middle / std::sqrt(2.0)) / 2 < probability ? low : high) = middle;
        }
        return low;
    }

    float uniform() {
        state_ = state_ * 6364136223846793005u + 1442695040888963407u;
        return static_cast<float>(state_ >> 40) * 0x1p-24f;
    }

    double zero_keys_;
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
inline rwkv::Model model(const std::string& shape, rwkv::WeightFormat format, Index vocab_size = 0,
                         double zero_keys = 0.5) {
    using namespace rwkv::checkpoint;
    rwkv::model::Weights weights;
    weights.config = shape_of(shape);
    if (vocab_size > 0) weights.config.vocab_size = vocab_size;
    weights.blocks.resize(static_cast<std::size_t>(weights.config.num_hidden_layers));
    const auto planned = [&](const TensorSpec& spec) {
        const bool is_matrix = spec.kind == TensorKind::matrix;
        const bool is_value = spec.role == TensorRole::feed_forward_value;
        const auto layout = is_value    ? rwkv::kernels::layout_for_zeros(spec.rows)
                            : is_matrix ? rwkv::kernels::Layout::row_groups
                                        : rwkv::kernels::Layout::row_major;
        return PlannedTensor{spec,   nullptr, is_matrix ? format : rwkv::WeightFormat::f16,
                             layout, nullptr, {0, spec.rows}};
    };
    const std::vector<TensorSpec> specs = tensor_specs(weights.config, true);
    std::size_t bytes = 0;
    for (const TensorSpec& spec : specs)
        if (!spec.is_vector()) bytes += planned(spec).bytes_in_memory();
    const std::shared_ptr<std::byte[]> memory = rwkv::core::AlignedBuffer(bytes).share();
    std::byte* at = memory.get();
    Generator generator(zero_keys);
    for (const TensorSpec& spec : specs) {
        const WeightMember member = weight_member(weights, spec);
        if (auto* const* vector = std::get_if<rwkv::core::Array<float>*>(&member)) {
            generator.fill(**vector, spec);
            continue;
        }
        const PlannedTensor tensor = planned(spec);
        generator.fill(tensor.format, tensor.layout, spec, at);
        *std::get<rwkv::kernels::WeightMatrix*>(member) = rwkv::kernels::WeightMatrix(
            tensor.format, tensor.layout, spec.rows, spec.cols, std::shared_ptr<std::byte[]>(memory, at));
        at += tensor.bytes_in_memory();
    }
    set_epsilons(weights, true);
    return rwkv::Model(std::move(weights));
}

}  // namespace synthetic
