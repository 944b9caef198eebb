#pragma once

#include <string_view>

#include <Eigen/Core>

#include <rwkv/dtype.hpp>

namespace rwkv {

// Weight formats: how the elements of a weight matrix lie in memory. Everything that multiplies is a template over
// one of these; activations are float (or double, the oracle) whatever the format.

/// IEEE single precision.
struct F32 {
    using Storage = float;
    static constexpr DType dtype = DType::f32;
};

/// IEEE half precision, widened to float as it is read.
struct F16 {
    using Storage = Eigen::half;
    static constexpr DType dtype = DType::f16;
};

/// The upper half of a float, widened as it is read.
struct BF16 {
    using Storage = Eigen::bfloat16;
    static constexpr DType dtype = DType::bf16;
};

/// Each matrix in a format of its own, chosen at run time: what a file of mixed types becomes.
struct Mixed {};

}  // namespace rwkv
