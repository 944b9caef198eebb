#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <string_view>

#include <rwkv/core/finite.hpp>
#include <rwkv/core/tensor.hpp>
#include <rwkv/kernels/activations.hpp>
#include <rwkv/kernels/equations.hpp>
#include <rwkv/kernels/format.hpp>
#include <rwkv/kernels/weight_matrix.hpp>
#include <rwkv/version.hpp>

// Not gcc for Windows: it assumes a stack aligned to 32 and 64 bytes, which it is not (gcc bug 54412). Some
// distributions mend that, but nothing tells theirs apart.
#if defined(__x86_64__) && defined(__GNUC__) && (!defined(_WIN32) || defined(__clang__))
#define RWKV_X86_KERNELS 1
#elif defined(__aarch64__) && defined(__GNUC__)
#define RWKV_NEON_KERNELS 1
#endif

namespace rwkv::inline RWKV_ABI::kernels {

/// What kernels ask of a processor and its operating system.
enum CpuFeature : unsigned {
    cpu_avx2 = 1,
    cpu_fma = 2,
    cpu_f16c = 4,
    cpu_avx512 = 8,  ///< F, BW, DQ and VL
    cpu_avx512_vnni = 16,
    cpu_amx = 32,  ///< tiles of bytes and of BF16, and leave to use them
    cpu_neon = 64,
    cpu_avx_vnni = 128,  ///< dot products of bytes without AVX-512
    cpu_dotprod = 256,   ///< the same of AArch64
    cpu_i8mm = 512,      ///< matrix products of bytes
};

/// A matrix product for one instruction set, one weight format and a range of numbers of tokens.
struct Kernel {
    /// Packs up to Blocking::panel_tokens tokens into a panel.
    using Pack = void(const float* x, Index x_stride, Index tokens, Index cols, std::byte* panel) noexcept;
    /// Computes the rows [begin, end) of y = W x, whole row groups or to the last row.
    using MultiplyRows = void(const WeightMatrix& weights, Index begin, Index end, const Activations& x, Index tokens,
                              float* y, Index y_stride, float* scratch) noexcept;

    Index min_tokens = 0;  ///< used from this number of tokens on
    MultiplyRows* multiply_rows = nullptr;
    /// Of column-major weights, any number of rows, from a multiple of column_rows on; null: multiply_rows.
    MultiplyRows* multiply_columns = nullptr;
    Index rows_per_task = 0;  ///< rows that a thread takes at a time; 0: rows_per_gemv_task()
    bool in_slabs = false;    ///< whether it takes a slab of the features at a time
    Pack* pack = nullptr;     ///< null: reads the tokens where they are
    Index packed_bits = 0;    ///< of a packed activation, its part of the scales included

    /// Bytes of a panel of packed activations: whole cache lines.
    [[nodiscard]] constexpr Index panel_bytes(Index features) const noexcept {
        return (features + 63) / 64 * 64 * Blocking::panel_tokens * packed_bits / 8;
    }
};

/// The kernels of a format by rising min_tokens; unused places repeat the last.
using KernelList = std::array<Kernel, 3>;

/// For a block of weights · factor and their nearest entries in Q4::codebook: Σ weight · factor · entry and Σ entry².
struct Q4ErrorTerms {
    float product, square;
};

/// Everything that is compiled once for each instruction set.
struct Target {
    std::string_view name;  ///< "avx512_vnni"
    unsigned features;      ///< the CpuFeatures it needs
    std::array<KernelList, AllFormats::size> kernels;
    Equations<float> equations;
    /// The inner loop of the search for the scale of a Q4 block.
    Q4ErrorTerms (*q4_error_terms)(const float* weights, float factor) noexcept;
    /// The nearest entries in Q4::codebook of a block of weights · factor.
    void (*encode_q4)(const float* weights, float factor, std::uint8_t* indices) noexcept;
};

/// The kernel for a target, a format and a number of tokens.
[[nodiscard]] inline const Kernel& select_kernel(const Target& target, WeightFormat format, Index tokens) noexcept {
    const KernelList& kernels = target.kernels[format_index(format)];
    std::size_t i = kernels.size() - 1;
    while (i > 0 && tokens < kernels[i].min_tokens) --i;
    return kernels[i];
}

}  // namespace rwkv::inline RWKV_ABI::kernels
