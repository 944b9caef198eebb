#pragma once

#include <string>

#include <rwkv/checkpoint/checkpoint.hpp>
#include <rwkv/checkpoint/quantized_tensor.hpp>
#include <rwkv/core/dtype.hpp>
#include <rwkv/kernels/format.hpp>
#include <rwkv/version.hpp>

namespace rwkv::inline RWKV_ABI::checkpoint {

/// The format that numbers stored in that type are converted to: the requested one, or for `stored` their own, F64
/// becoming f32.
inline WeightFormat target_format(DType stored, WeightFormat requested) noexcept {
    if (requested != WeightFormat::stored) return requested;
    return stored == DType::f16 ? WeightFormat::f16 : stored == DType::bf16 ? WeightFormat::bf16 : WeightFormat::f32;
}

/// The format that a matrix is held in: a quantized one stays as it is, others as above.
inline WeightFormat target_format(const Checkpoint& checkpoint, const CheckpointTensor& tensor,
                                  WeightFormat requested) {
    const auto quantized = quantized_format(checkpoint, tensor);
    return quantized ? *quantized : target_format(tensor.info.dtype, requested);
}

/// The type of a file's tensor that holds weights of that format, which is not `stored`.
inline DType storage_dtype(WeightFormat format) noexcept {
    return kernels::with_format(format, []<class Format>(Format) {
        if constexpr (kernels::DenseFormat<Format>)
            return Format::dtype;
        else
            return DType::u8;
    });
}

}  // namespace rwkv::inline RWKV_ABI::checkpoint
