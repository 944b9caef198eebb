#pragma once

#include <algorithm>
#include <cstddef>
#include <memory>
#include <vector>

#include <rwkv/core/aligned_buffer.hpp>
#include <rwkv/kernels/target.hpp>
#include <rwkv/kernels/thread_pool.hpp>

#ifdef RWKV_X86_KERNELS
#include <immintrin.h>
#endif

// What the machine itself can do, measured beside everything else: reading memory, and multiplying.

namespace limits {

using rwkv::Index;
using rwkv::kernels::Target;

#ifdef RWKV_X86_KERNELS
/// Sums n floats (a multiple of 128): as many loads in flight as the core takes, with the prefetch that the kernels
/// use.
__attribute__((target("avx512f"))) inline float sum_avx512(const float* p, Index n) noexcept {
    __m512 sums[8];
    for (__m512& sum : sums) sum = _mm512_setzero_ps();
    for (Index i = 0; i < n; i += 128) {
#pragma GCC unroll 8
        for (int j = 0; j < 8; ++j) {
            _mm_prefetch(reinterpret_cast<const char*>(p + i + j * 16) + 2048, _MM_HINT_T0);
            sums[j] = _mm512_add_ps(sums[j], _mm512_loadu_ps(p + i + j * 16));
        }
    }
    alignas(64) float lanes[16];
    float total = 0;
    for (const __m512& sum : sums) {
        _mm512_store_ps(lanes, sum);
        for (float lane : lanes) total += lane;
    }
    return total;
}

__attribute__((target("avx2"))) inline float sum_avx2(const float* p, Index n) noexcept {
    __m256 sums[8];
    for (__m256& sum : sums) sum = _mm256_setzero_ps();
    for (Index i = 0; i < n; i += 64) {
#pragma GCC unroll 8
        for (int j = 0; j < 8; ++j) {
            if (j % 2 == 0) _mm_prefetch(reinterpret_cast<const char*>(p + i + j * 8) + 2048, _MM_HINT_T0);
            sums[j] = _mm256_add_ps(sums[j], _mm256_loadu_ps(p + i + j * 8));
        }
    }
    alignas(32) float lanes[8];
    float total = 0;
    for (const __m256& sum : sums) {
        _mm256_store_ps(lanes, sum);
        for (float lane : lanes) total += lane;
    }
    return total;
}

/// `rounds` × 16 multiply-adds of full registers, none waiting for another.
__attribute__((target("avx512f"), noinline)) inline float multiply_avx512(Index rounds) noexcept {
    __m512 sums[16];
    for (int j = 0; j < 16; ++j) sums[j] = _mm512_set1_ps(static_cast<float>(j));
    const __m512 factor = _mm512_set1_ps(0.999f);
    for (Index i = 0; i < rounds; ++i) {
#pragma GCC unroll 16
        for (int j = 0; j < 16; ++j) sums[j] = _mm512_fmadd_ps(sums[j], factor, factor);
    }
    alignas(64) float lanes[16];
    float total = 0;
    for (const __m512& sum : sums) {
        _mm512_store_ps(lanes, sum);
        total += lanes[0];
    }
    return total;
}

__attribute__((target("avx2,fma"), noinline)) inline float multiply_avx2(Index rounds) noexcept {
    __m256 sums[12];
    for (int j = 0; j < 12; ++j) sums[j] = _mm256_set1_ps(static_cast<float>(j));
    const __m256 factor = _mm256_set1_ps(0.999f);
    for (Index i = 0; i < rounds; ++i) {
#pragma GCC unroll 12
        for (int j = 0; j < 12; ++j) sums[j] = _mm256_fmadd_ps(sums[j], factor, factor);
    }
    alignas(32) float lanes[8];
    float total = 0;
    for (const __m256& sum : sums) {
        _mm256_store_ps(lanes, sum);
        total += lanes[0];
    }
    return total;
}
#endif

inline float sum_portable(const float* p, Index n) noexcept {
    float sums[32] = {};
    for (Index i = 0; i < n; i += 32)
        for (int j = 0; j < 32; ++j) sums[j] += p[i + j];
    float total = 0;
    for (float sum : sums) total += sum;
    return total;
}

inline float multiply_portable(Index rounds) noexcept {
    float sums[32] = {};
    for (Index i = 0; i < rounds; ++i)
        for (int j = 0; j < 32; ++j) sums[j] = sums[j] * 0.999f + 0.999f;
    float total = 0;
    for (float sum : sums) total += sum;
    return total;
}

/// Reads an array, on huge pages where there are any, shared out among the threads as weights are.
class Reader {
  public:
    /// An array of about `bytes` bytes, in whole pieces.
    explicit Reader(std::size_t bytes)
        : memory_(bytes + piece * sizeof(float)),
          floats_((static_cast<Index>(bytes / sizeof(float)) + piece - 1) / piece * piece) {
        std::fill_n(data(), floats_, 1.0f);
    }

    /// Bytes read by one call of `read`.
    double bytes() const noexcept { return static_cast<double>(floats_) * sizeof(float); }

    void read(rwkv::Executor& executor, const Target& target) noexcept {
        rwkv::kernels::parallel_for(executor, floats_ / piece, [&](Index i, int) {
            const float* const p = data() + i * piece;
            float total = 0;
#ifdef RWKV_X86_KERNELS
            if (target.features & rwkv::kernels::cpu_avx512)
                total = sum_avx512(p, piece);
            else if (target.features & rwkv::kernels::cpu_avx2)
                total = sum_avx2(p, piece);
            else
#endif
                total = sum_portable(p, piece);
            if (total < 0) sink_ = total;  // never: all are ones; but the compiler cannot know
        });
    }

  private:
    static constexpr Index piece = Index(1) << 13;

    float* data() noexcept {
        return reinterpret_cast<float*>(memory_.data());
    }

    rwkv::core::AlignedBuffer memory_;
    Index floats_;
    volatile float sink_ = 0;
};

/// Runs multiply-adds on every thread at once and returns how many floating-point operations that was.
inline double multiply(rwkv::Executor& executor, const Target& target, Index rounds) noexcept {
    std::vector<float> sinks(static_cast<std::size_t>(executor.threads()));
    double per_round = 2.0 * 32;
    rwkv::kernels::parallel_for(executor, executor.threads() * 8, [&](Index, int worker) {
        float total = 0;
#ifdef RWKV_X86_KERNELS
        if (target.features & rwkv::kernels::cpu_avx512)
            total = multiply_avx512(rounds);
        else if (target.features & rwkv::kernels::cpu_avx2)
            total = multiply_avx2(rounds);
        else
#endif
            total = multiply_portable(rounds);
        *static_cast<volatile float*>(&sinks[static_cast<std::size_t>(worker)]) = total;
    });
    if (target.features & rwkv::kernels::cpu_avx512)
        per_round = 2.0 * 16 * 16;
    else if (target.features & rwkv::kernels::cpu_avx2)
        per_round = 2.0 * 12 * 8;
    return per_round * static_cast<double>(rounds) * executor.threads() * 8;
}

}  // namespace limits
