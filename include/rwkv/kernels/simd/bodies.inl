// What is written once over the `Simd` and `IntDot` of a target and compiled for each: included by the target's header,
// which defines RWKV_TARGET, its namespace, and RWKV_TARGET_FLAGS.
#include <rwkv/kernels/simd/exp.inl>

#include <rwkv/kernels/simd/equations.inl>

#include <rwkv/kernels/simd/token_runs.inl>

#include <rwkv/kernels/simd/gemv.inl>

#include <rwkv/kernels/simd/quantized_gemv.inl>

#include <rwkv/kernels/simd/dequantize.inl>

#include <rwkv/kernels/simd/gemm.inl>

#include <rwkv/kernels/simd/quantize_q4.inl>
