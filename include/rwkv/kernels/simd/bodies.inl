// What is written once over the `Simd` and `IntDot` of a target and compiled for each: included by the target's header,
// which defines RWKV_TARGET, its namespace, and RWKV_TARGET_FLAGS.
#ifndef RWKV_TARGET
#include <rwkv/kernels/simd/alone.inl>
#endif

#include <rwkv/kernels/simd/exp.inl>

#include <rwkv/kernels/simd/equations.inl>

#include <rwkv/kernels/simd/token_runs.inl>

#include <rwkv/kernels/simd/gemv.inl>

#include <rwkv/kernels/simd/quantized_gemv.inl>

#include <rwkv/kernels/simd/column_gemv.inl>

#include <rwkv/kernels/simd/dequantize.inl>

#include <rwkv/kernels/simd/gemm.inl>

#include <rwkv/kernels/simd/quantize_q4.inl>

namespace rwkv::inline RWKV_ABI::kernels::RWKV_TARGET {

/// What a target's Description takes from these files: gemv and gemm for every format, equations, quantization.
struct Bodies {
    template <DenseFormat Format>
    static constexpr KernelList kernels() {
        constexpr Kernel skinny{.multiply_rows = gemv<Format>, .multiply_columns = column_gemv<Format>};
        return {skinny, blocked<Format>(), blocked<Format>()};
    }
    template <QuantizedFormat Format>
    static constexpr KernelList kernels() {
        constexpr Kernel skinny{.multiply_rows = gemv<Format>,
                                .multiply_columns = column_gemv<Format>,
                                .pack = quantize_activations<Format>,
                                .packed_bits = quantized_bits};
        return {skinny, blocked<Format>(), blocked<Format>()};
    }
    template <class Format>
    static constexpr Kernel blocked() {
        return {.min_tokens = Blocking::gemm_min_tokens,
                .multiply_rows = gemm<Format>,
                .rows_per_task = Blocking::mc,
                .in_slabs = true};
    }
    static constexpr Equations<float> equations = RWKV_TARGET::equations;
    static constexpr auto q4_error_terms = RWKV_TARGET::q4_error_terms;
    static constexpr auto encode_q4 = RWKV_TARGET::encode_q4;
};

}  // namespace rwkv::inline RWKV_ABI::kernels::RWKV_TARGET
