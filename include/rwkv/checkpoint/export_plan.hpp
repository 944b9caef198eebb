#pragma once

#include <algorithm>
#include <cstddef>
#include <span>
#include <string>
#include <vector>

#include <rwkv/checkpoint/checkpoint_plan.hpp>
#include <rwkv/checkpoint/parallel_read.hpp>
#include <rwkv/checkpoint/progress_meter.hpp>
#include <rwkv/core/progress.hpp>
#include <rwkv/core/tensor.hpp>
#include <rwkv/version.hpp>

namespace rwkv::inline RWKV_ABI::checkpoint {

/// A tensor of a model as a new file has it.
struct ExportTensor {
    PlannedTensor planned;
    TensorInfo info;  ///< name (Hugging Face's), type, shape and bytes
};

/// The tensors of a model as new files have them, in the order of the plan.
inline std::vector<ExportTensor> export_tensors(const CheckpointPlan& plan) {
    std::vector<ExportTensor> tensors;
    for (const PlannedTensor& planned : plan.tensors()) {
        const auto& [spec, source, format, layout, change, rows] = planned;
        // A base model without a head stays one: its names have no prefix.
        const bool prefixed = plan.head() != HeadKind::none && spec.role != TensorRole::head;
        TensorInfo info{
            .name = prefixed ? "rwkv." + spec.name : spec.name,
            .dtype = storage_dtype(format),
            .shape = kernels::is_quantized(format) ? quantized_shape(format, spec.rows, spec.cols) : spec.shape()};
        info.bytes = *core::element_count(info.shape, core::bits(info.dtype)) / 8;
        tensors.push_back({planned, std::move(info)});
    }
    return tensors;
}

/// Bytes of a tensor in memory while it is converted, at least those of a piece.
inline constexpr std::size_t window_bytes = std::size_t(16) << 20;

/// Reads and converts a tensor, by several threads, and gives its bytes to `sink` from the first to the last in spans
/// of about `window` bytes. Throws as read_in_parallel.
template <class Sink>
void stream_tensor(const CheckpointPlan& plan, const PlannedTensor& tensor, int threads, ProgressMeter& meter,
                   Sink&& sink, std::size_t window = window_bytes) {
    const auto& [spec, source, format, layout, change, held] = tensor;
    const RowConversion how = row_conversion(
        *source, format, kernels::is_quantized(format) ? kernels::Layout::row_groups : kernels::Layout::row_major,
        spec.rows, spec.cols, change);
    const auto piece_bytes = std::max<std::size_t>(1, how.target_bytes(how.rows_per_piece));
    const Index step = how.rows_per_piece * static_cast<Index>(std::max<std::size_t>(1, window / piece_bytes));
    std::vector<std::byte> bytes(how.target_bytes((std::min)(step, spec.rows)));
    for (Index first = 0; first < spec.rows; first += step) {
        const Index rows = (std::min)(step, spec.rows - first);
        const RowRange range{source, how, first, rows, bytes.data()};
        read_in_parallel(plan.checkpoint(), {&range, 1}, threads, meter);
        sink(std::span<const std::byte>(bytes).first(how.target_bytes(rows)));
    }
}

/// Reads every weight of the model without keeping any. Throws as loading does.
inline void check_weights(const CheckpointPlan& plan, const Progress& progress) {
    ProgressMeter meter("checking", progress, plan.bytes_to_read());
    for (const PlannedTensor& tensor : plan.tensors()) stream_tensor(plan, tensor, 0, meter, [](auto) {});
    meter.finish();
}

}  // namespace rwkv::inline RWKV_ABI::checkpoint
