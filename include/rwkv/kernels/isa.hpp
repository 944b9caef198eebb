#pragma once

#include <array>
#include <cstdlib>
#include <string>
#include <string_view>
#include <vector>

#include <rwkv/core/error.hpp>
#include <rwkv/version.hpp>

// Not gcc for Windows: it takes the stack to be aligned to 32 and 64 bytes, which it is not (its bug 54412). Some
// distributions mend that, but nothing tells theirs apart.
#if defined(__x86_64__) && defined(__GNUC__) && (!defined(_WIN32) || defined(__clang__))
#define RWKV_X86_KERNELS 1
#include <cpuid.h>
#if defined(__linux__)
#include <sys/syscall.h>
#include <unistd.h>
#endif
#elif defined(__aarch64__) && defined(__GNUC__)
#define RWKV_NEON_KERNELS 1
#endif

namespace rwkv::inline RWKV_ABI::kernels {

/// The instruction sets kernels are written for. Those of one processor family include each other in this order.
enum class Isa {
    portable,     ///< Eigen, as fast as the flags of the translation unit
    avx2,         ///< AVX2, FMA and F16C
    avx512,       ///< AVX-512 F, BW, DQ and VL
    avx512_vnni,  ///< and dot products of bytes
    amx,          ///< and tiles (AMX) of bytes and of BF16
    neon,         ///< AArch64
};

inline constexpr std::array<std::string_view, 6> isa_names{"portable", "avx2", "avx512", "avx512_vnni", "amx", "neon"};

inline std::string_view name(Isa isa) noexcept {
    return isa_names[static_cast<std::size_t>(isa)];
}

#if defined(RWKV_X86_KERNELS)
/// Whether the processor has tiles of bytes and of BF16, and Linux lets this process use them. It must be asked: they
/// are 8 kB of registers more for every thread that does.
inline bool may_use_tiles() noexcept {
#if defined(__linux__)
    unsigned eax = 0, ebx = 0, ecx = 0, edx = 0;
    constexpr unsigned tiles_of_both = 1u << 22 | 1u << 24 | 1u << 25;
    if (!__get_cpuid_count(7, 0, &eax, &ebx, &ecx, &edx) || (edx & tiles_of_both) != tiles_of_both) return false;
    constexpr long request_permission = 0x1023, tile_data = 18;  // ARCH_REQ_XCOMP_PERM, XFEATURE_XTILEDATA
    return ::syscall(SYS_arch_prctl, request_permission, tile_data) == 0;
#else
    return false;
#endif
}
#endif

/// The widest instruction set this processor and its operating system have.
inline Isa best_isa() noexcept {
#if defined(RWKV_X86_KERNELS)
    static const Isa best = [] {
        unsigned eax = 0, ebx = 0, ecx = 0, edx = 0;
        const bool f16c = __get_cpuid(1, &eax, &ebx, &ecx, &edx) && (ecx & (1u << 29));
        if (!f16c || !__builtin_cpu_supports("avx2") || !__builtin_cpu_supports("fma")) return Isa::portable;
        const bool avx512 = __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
                            __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512vl");
        if (!avx512) return Isa::avx2;
        if (!__builtin_cpu_supports("avx512vnni")) return Isa::avx512;
        return may_use_tiles() ? Isa::amx : Isa::avx512_vnni;
    }();
    return best;
#elif defined(RWKV_NEON_KERNELS)
    return Isa::neon;
#else
    return Isa::portable;
#endif
}

/// All that this processor has, the best last.
inline std::vector<Isa> available_isas() {
    std::vector<Isa> isas{Isa::portable};
    if (best_isa() == Isa::neon) isas.push_back(Isa::neon);
    for (const Isa isa : {Isa::avx2, Isa::avx512, Isa::avx512_vnni, Isa::amx})
        if (isa <= best_isa() && best_isa() != Isa::neon) isas.push_back(isa);
    return isas;
}

/// The best instruction set, or the one the environment variable RWKV_ISA names (for tests and comparisons).
/// Throws ArgumentError if that is unknown, or more than the processor has.
inline Isa chosen_isa() {
    const char* forced = std::getenv("RWKV_ISA");
    if (!forced || !*forced) return best_isa();
    std::string available;
    for (const Isa isa : available_isas()) {
        if (forced == name(isa)) return isa;
        available.append(available.empty() ? "" : ", ").append(name(isa));
    }
    throw ArgumentError("environment", "RWKV_ISA", "one of " + available, forced);
}

}  // namespace rwkv::inline RWKV_ABI::kernels
