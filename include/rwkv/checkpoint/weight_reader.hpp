#pragma once

#include <cmath>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <utility>
#include <variant>
#include <vector>

#include <rwkv/checkpoint/checkpoint_plan.hpp>
#include <rwkv/checkpoint/load_options.hpp>
#include <rwkv/checkpoint/parallel_read.hpp>
#include <rwkv/checkpoint/progress_meter.hpp>
#include <rwkv/checkpoint/weight_members.hpp>
#include <rwkv/core/aligned_buffer.hpp>
#include <rwkv/model/weights.hpp>
#include <rwkv/version.hpp>

namespace rwkv::inline RWKV_ABI::checkpoint {

/// Reads the weights of a model. Matrices lie in memory that is allocated once for all of them, or each by itself where
/// they are mapped and some cannot be.
class WeightReader {
  public:
    WeightReader(const CheckpointPlan& plan, const LoadOptions& options)
        : plan_(plan), options_(options), meter_("loading", options.progress, plan.bytes_to_read()) {
        if (!options.mapped) memory_ = core::AlignedBuffer(plan.bytes_in_memory()).share();
    }

    model::Weights read() {
        model::Weights weights;
        weights.config = plan_.config();
        weights.blocks.resize(static_cast<std::size_t>(weights.config.num_hidden_layers));
        for (const PlannedTensor& tensor : plan_.tensors()) {
            const WeightMember member = weight_member(weights, tensor.spec);
            if (auto* const* vector = std::get_if<core::Array<float>*>(&member))
                read_vector(tensor, **vector);
            else
                *std::get<kernels::WeightMatrix*>(member) = matrix(tensor);
        }
        read_in_parallel(plan_.checkpoint(), ranges_, options_.threads, meter_);
        meter_.finish();
        weights.ranks = options_.ranks;
        if (plan_.head() == HeadKind::shared) weights.head = weights.embeddings;
        set_epsilons(weights, options_.rescale);
        return weights;
    }

  private:
    void read_vector(const PlannedTensor& tensor, core::Array<float>& vector) {
        const Index size = tensor.spec.cols;
        vector = core::Array<float>(size);
        const RowConversion how =
            row_conversion(*tensor.source, WeightFormat::f32, kernels::Layout::row_major, 1, size, tensor.change);
        RowConverter(plan_.checkpoint(), how.stored_scratch(), how.float_scratch())
            .convert(*tensor.source, how, 0, 1, reinterpret_cast<std::byte*>(vector.data()));
        if (tensor.spec.role == TensorRole::attention_time_decay) {
            // Files hold time_decay, memory w = −exp(time_decay).
            for (Index i = 0; i < size; ++i) vector[i] = -std::exp(vector[i]);
        }
        meter_.add(tensor.source->info.bytes);
    }

    /// The matrix, mapped or with its rows still to be read.
    kernels::WeightMatrix matrix(const PlannedTensor& tensor) {
        const auto& [spec, source, format, layout, change, rows] = tensor;
        if (options_.mapped)
            if (auto mapped = map(tensor)) {
                meter_.add(tensor.bytes_to_read());
                return std::move(*mapped);
            }
        const std::shared_ptr<std::byte[]> memory = allocate(tensor.bytes_in_memory());
        RowConversion how = row_conversion(*source, format, layout, tensor.held_rows(), spec.cols, change);
        how.first_row = rows.begin;
        if (tensor.held_rows() > 0) ranges_.push_back({source, how, rows.begin, tensor.held_rows(), memory.get()});
        return kernels::WeightMatrix(format, layout, tensor.held_rows(), spec.cols, memory);
    }

    std::shared_ptr<std::byte[]> allocate(std::size_t bytes) {
        if (options_.mapped) return core::AlignedBuffer(bytes).share();
        std::shared_ptr<std::byte[]> part(memory_, memory_.get() + used_);
        used_ += bytes;
        return part;
    }

    /// The matrix in the file's own bytes, where these lie in memory, have its format and alignment, and no adapter
    /// changes it.
    std::optional<kernels::WeightMatrix> map(const PlannedTensor& tensor) const {
        const auto& [spec, source, format, layout, change, rows] = tensor;
        if (change) return std::nullopt;
        const TensorInfo& info = source->info;
        if (info.dtype != storage_dtype(format) || info.bytes == 0 || !info.strides.empty()) return std::nullopt;
        std::shared_ptr<const std::byte[]> bytes = plan_.checkpoint().map(*source);
        if (!bytes) return std::nullopt;
        const auto stored_layout =
            kernels::is_quantized(format) ? kernels::Layout::row_groups : kernels::Layout::row_major;
        bytes = {bytes, bytes.get() + kernels::weight_bytes(format, stored_layout, rows.begin, spec.cols)};
        const std::size_t alignment = kernels::is_quantized(format) ? quantized_alignment : core::bits(info.dtype) / 8;
        if (reinterpret_cast<std::uintptr_t>(bytes.get()) % alignment != 0) return std::nullopt;
        return kernels::WeightMatrix(format, stored_layout, tensor.held_rows(), spec.cols, bytes);
    }

    const CheckpointPlan& plan_;
    const LoadOptions& options_;
    ProgressMeter meter_;
    std::shared_ptr<std::byte[]> memory_;
    std::size_t used_ = 0;
    std::vector<RowRange> ranges_;
};

}  // namespace rwkv::inline RWKV_ABI::checkpoint
