// Included by a fragment that is read by itself, in an editor or by a check of syntax: gives it a target, whose
// operations it then finds and whose namespace it opens.
#if defined(__aarch64__)
#define RWKV_NEON_WITHOUT_BODIES
#include <rwkv/kernels/simd/neon.hpp>
#else
#define RWKV_AVX2_WITHOUT_BODIES
#include <rwkv/kernels/simd/avx2.hpp>
#endif
