#pragma once

#include <algorithm>
#include <cstdint>
#include <string>
#include <utility>

#include <rwkv/checkpoint/checkpoint.hpp>
#include <rwkv/checkpoint/quantized_tensor.hpp>
#include <rwkv/checkpoint/tensor_source.hpp>
#include <rwkv/checkpoint/tensor_specs.hpp>
#include <rwkv/core/dtype.hpp>
#include <rwkv/core/error.hpp>
#include <rwkv/core/message.hpp>
#include <rwkv/core/tensor.hpp>
#include <rwkv/kernels/format.hpp>
#include <rwkv/version.hpp>

namespace rwkv::inline RWKV_ABI::checkpoint {

/// Whether a tensor of that shape holds what the spec asks for. Of vectors some programs keep dimensions of one, which
/// others drop: [size] and [1, 1, size] are the same.
inline bool fits_shape(const Shape& shape, const TensorSpec& spec) {
    if (!spec.is_vector()) return shape == spec.shape();
    if (shape.empty() || shape.back() != static_cast<std::uint64_t>(spec.cols)) return false;
    return std::all_of(shape.begin(), shape.end() - 1, [](std::uint64_t size) { return size == 1; });
}

/// Checks that the tensor holds floating-point numbers in the shape that the config calls for. Throws: ModelError.
inline void validate_dense(const TensorSource& source, const CheckpointTensor& tensor, const TensorSpec& spec) {
    const DType dtype = tensor.info.dtype;
    if (dtype != DType::f32 && dtype != DType::f16 && dtype != DType::bf16 && dtype != DType::f64) {
        std::string found(core::name(dtype));
        if (dtype == DType::u8 && !quantized_format(source.checkpoint(), tensor))
            found.append(" and no metadata ").append(weights_key);
        core::fail<ModelError>(source.file(tensor), {tensor.info.name}, {"dtype F32, F16, BF16 or F64"}, {found});
    }
    if (!fits_shape(tensor.info.shape, spec))
        core::fail<ModelError>(source.file(tensor), {tensor.info.name},
                               {"shape ", core::to_string(spec.shape()), " (by the config)"},
                               {core::to_string(tensor.info.shape)});
}

/// Checks that the tensor is what the spec asks for, and a quantized one also that it is stored in the requested
/// format. Throws: ModelError.
inline void validate_tensor(const TensorSource& source, const CheckpointTensor& tensor, const TensorSpec& spec,
                            WeightFormat requested) {
    const auto quantized = quantized_format(source.checkpoint(), tensor);
    if (spec.kind != TensorKind::matrix || !quantized) return validate_dense(source, tensor, spec);
    if (requested != WeightFormat::stored && requested != *quantized)
        core::fail<ModelError>(source.file(tensor), {tensor.info.name}, {"weights to convert to ", name(requested)},
                               {name(*quantized), " weights, which can only be loaded as they are stored"});
    validate_quantized(source.checkpoint(), tensor, *quantized, spec.rows, spec.cols);
}

}  // namespace rwkv::inline RWKV_ABI::checkpoint
