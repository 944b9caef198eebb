// The list of a target's kernels for quantized weights and packed activations.
#ifndef RWKV_TARGET
#include <rwkv/kernels/simd/alone.inl>

#include <rwkv/kernels/simd/token_runs.inl>

#include <rwkv/kernels/simd/gemv.inl>

#include <rwkv/kernels/simd/quantized_gemv.inl>

#include <rwkv/kernels/simd/column_gemv.inl>
#endif
#include <rwkv/kernels/simd/begin_target.inl>

namespace rwkv::inline RWKV_ABI::kernels::RWKV_TARGET {

// The kernels of a quantized format where activations are packed for any number of tokens: `multiply_blocks` for blocks
// of them.
template <QuantizedFormat Format>
constexpr KernelList integer_kernels(Kernel::MultiplyRows* multiply_blocks) noexcept {
    constexpr Kernel skinny{.multiply_rows = gemv<Format>,
                            .multiply_columns = column_gemv<Format>,
                            .pack = quantize_activations<Format>,
                            .packed_bits = quantized_bits};
    const Kernel blocked{.min_tokens = Blocking::gemm_min_tokens,
                         .multiply_rows = multiply_blocks,
                         .rows_per_task = Blocking::mc,
                         .pack = quantize_activations<Format>,
                         .packed_bits = quantized_bits};
    return {skinny, blocked, blocked};
}

}  // namespace rwkv::inline RWKV_ABI::kernels::RWKV_TARGET

#include <rwkv/kernels/simd/end_target.inl>
