#pragma once

#include <array>
#include <cstdlib>
#include <string>
#include <string_view>

#include <rwkv/error.hpp>

#if defined(__x86_64__) && defined(__GNUC__)
#define RWKV_X86_KERNELS 1
#include <cpuid.h>
#endif

namespace rwkv::kernels {

/// The instruction sets kernels are written for, each including those before it.
enum class Isa {
    portable,  ///< Eigen, as fast as the flags of the translation unit
    avx2,      ///< AVX2, FMA and F16C
    avx512,    ///< AVX-512 F, BW, DQ and VL
};

inline constexpr std::array<std::string_view, 3> isa_names{"portable", "avx2", "avx512"};

inline std::string_view name(Isa isa) noexcept {
    return isa_names[static_cast<std::size_t>(isa)];
}

/// The widest instruction set this processor and its operating system have.
inline Isa best_isa() noexcept {
#ifdef RWKV_X86_KERNELS
    static const Isa best = [] {
        unsigned eax = 0, ebx = 0, ecx = 0, edx = 0;
        const bool f16c = __get_cpuid(1, &eax, &ebx, &ecx, &edx) && (ecx & (1u << 29));
        if (!f16c || !__builtin_cpu_supports("avx2") || !__builtin_cpu_supports("fma")) return Isa::portable;
        const bool avx512 = __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
                            __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512vl");
        return avx512 ? Isa::avx512 : Isa::avx2;
    }();
    return best;
#else
    return Isa::portable;
#endif
}

/// The best instruction set, or the one the environment variable RWKV_ISA names (for tests and comparisons).
/// Throws ArgumentError if that is unknown, or more than the processor has.
inline Isa chosen_isa() {
    const char* forced = std::getenv("RWKV_ISA");
    if (!forced || !*forced) return best_isa();
    std::string available;
    for (std::size_t i = 0; i <= static_cast<std::size_t>(best_isa()); ++i) {
        if (forced == isa_names[i]) return static_cast<Isa>(i);
        available.append(i ? ", " : "").append(isa_names[i]);
    }
    throw ArgumentError("environment", "RWKV_ISA", "one of " + available, forced);
}

}  // namespace rwkv::kernels
