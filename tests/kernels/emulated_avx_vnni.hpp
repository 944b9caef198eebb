#pragma once

#if defined(__x86_64__) && defined(__GNUC__)

#include <immintrin.h>

// The one instruction of AVX-VNNI that the kernels use by means of AVX2, in place of the compiler's intrinsic: so that
// these kernels are tested on any processor that has AVX2. Include it before the kernels, in every file of the program.

namespace rwkv::test {

/// sum [n] += Σ over i of the unsigned byte a [4 n + i] · the signed byte b [4 n + i].
__attribute__((target("avx2"))) inline __m256i dot_bytes(__m256i sum, __m256i a, __m256i b) noexcept {
    const __m256i even_a = _mm256_and_si256(a, _mm256_set1_epi16(255)), odd_a = _mm256_srli_epi16(a, 8),
                  even_b = _mm256_srai_epi16(_mm256_slli_epi16(b, 8), 8), odd_b = _mm256_srai_epi16(b, 8);
    const __m256i dots = _mm256_add_epi32(_mm256_madd_epi16(even_a, even_b), _mm256_madd_epi16(odd_a, odd_b));
    return _mm256_add_epi32(sum, dots);
}

}  // namespace rwkv::test

#define RWKV_EMULATED_AVX_VNNI
#undef _mm256_dpbusd_avx_epi32
#define _mm256_dpbusd_avx_epi32(sum, a, b) rwkv::test::dot_bytes(sum, a, b)

#endif
