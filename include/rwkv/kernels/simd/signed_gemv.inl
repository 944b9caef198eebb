// A single token with quantized weights by AVX2, in bytes: fewer instructions than in 16-bit numbers where weights are
// looked up, as those of 4 bits.
#ifndef RWKV_TARGET
#define RWKV_AVX2_WITHOUT_BODIES
#include <rwkv/kernels/simd/avx2.hpp>

#include <rwkv/kernels/simd/token_runs.inl>

#include <rwkv/kernels/simd/gemv.inl>

#include <rwkv/kernels/simd/quantized_gemv.inl>
#endif
#include <rwkv/kernels/simd/begin_target.inl>

namespace rwkv::inline RWKV_ABI::kernels::RWKV_TARGET {

/// Dot products of a column step as by IntDot: magnitudes of activations times weights that have taken their signs. No
/// pair of products saturates, since no entry of the codebook is −128. An activation is two bytes: a column step has
/// four values, then their magnitudes.
struct SignedDot : IntDot {
    struct Prepared {
        __m256i v[2];
    };

    static Prepared prepare(const Prepared& step) noexcept { return step; }
    static Prepared lower_nibbles(const Quantized& pairs) noexcept {
        return {{look_up(pairs.v[0]), look_up(pairs.v[1])}};
    }
    static Prepared upper_nibbles(const Quantized& pairs) noexcept {
        return {{look_up(_mm256_srli_epi16(pairs.v[0], 4)), look_up(_mm256_srli_epi16(pairs.v[1], 4))}};
    }
    static void accumulate(Sum& sum, const Prepared& step, const std::int16_t* token) noexcept {
        const __m256i x = broadcast(token), magnitudes = broadcast(token + 2), ones = _mm256_set1_epi16(1);
#pragma GCC unroll 2
        for (int i = 0; i < 2; ++i) {
            const __m256i pairs = _mm256_maddubs_epi16(magnitudes, _mm256_sign_epi8(step.v[i], x));
            sum.v[i] = _mm256_add_epi32(sum.v[i], _mm256_madd_epi16(pairs, ones));
        }
    }
    /// Copies activations as this wants them from where they lie as IntDot does; a multiple of 16.
    static void copy(const std::int16_t* values, Index count, std::int16_t* token) noexcept {
        const __m256i order =
            _mm256_broadcastsi128_si256(_mm_setr_epi8(0, 4, 2, 6, 8, 12, 10, 14, -1, -1, -1, -1, -1, -1, -1, -1));
        for (Index i = 0; i < count; i += 16) {
            const __m256i words = _mm256_loadu_si256(reinterpret_cast<const __m256i*>(values + i));
            const __m256i bytes = _mm256_shuffle_epi8(words, order);
            _mm256_storeu_si256(reinterpret_cast<__m256i*>(token + i),
                                _mm256_unpacklo_epi32(bytes, _mm256_abs_epi8(bytes)));
        }
    }

  private:
    static constexpr std::array<std::int8_t, 16> codebook = [] {
        std::array<std::int8_t, 16> bytes{};
        for (std::size_t i = 0; i < 16; ++i) bytes[i] = static_cast<std::int8_t>(Q4::codebook[i]);
        return bytes;
    }();

    static __m256i look_up(__m256i nibbles) noexcept {
        const __m256i table =
            _mm256_broadcastsi128_si256(_mm_loadu_si128(reinterpret_cast<const __m128i*>(codebook.data())));
        return _mm256_shuffle_epi8(table, _mm256_and_si256(nibbles, _mm256_set1_epi8(15)));
    }
};

/// Packs a single token as IntDot wants it and, where a second would lie, as SignedDot does.
template <QuantizedFormat Format>
void quantize_with_signs(const float* x, Index x_stride, Index, Index cols, std::byte* panel) noexcept {
    quantize_activations<Format>(x, x_stride, 1, cols, panel);
    const QuantizedPanel<std::int16_t> quantized(panel, cols, Format::block_cols);
    SignedDot::copy(quantized.values(0), quantized.blocks() * Format::block_cols, quantized.values(1));
    for (Index b = 0; b < quantized.blocks(); ++b) quantized.scales(1)[b] = {quantized.scales(0)[b].scale, 0};
}

/// Rows [begin, end), whole row groups, of y = W x for a token packed by quantize_with_signs.
template <QuantizedFormat Format>
void signed_gemv(const WeightMatrix& matrix, Index begin, Index end, const Activations& x, Index, float* y,
                 Index y_stride, float*) noexcept {
    const WeightView<Format> weights(matrix);
    const QuantizedPanel<std::int16_t> panel(x.panels, weights.cols(), Format::block_cols);
    for (Index g = begin / group_rows; g * group_rows < end; ++g)
        dot_group<Format, SignedDot, 1>(weights, g, panel, 1, y, y_stride);
}

}  // namespace rwkv::inline RWKV_ABI::kernels::RWKV_TARGET

#include <rwkv/kernels/simd/end_target.inl>
