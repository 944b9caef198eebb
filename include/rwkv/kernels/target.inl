#pragma once

#include <atomic>
#include <cstdlib>
#include <string>
#include <string_view>
#include <vector>

#include <rwkv/core/error.hpp>
#include <rwkv/core/inline.hpp>
#include <rwkv/core/message.hpp>
#include <rwkv/kernels/simd/amx.hpp>
#include <rwkv/kernels/simd/avx2.hpp>
#include <rwkv/kernels/simd/avx512.hpp>
#include <rwkv/kernels/simd/avx512_vnni.hpp>
#include <rwkv/kernels/simd/avx_vnni.hpp>
#include <rwkv/kernels/simd/neon.hpp>
#include <rwkv/kernels/simd/neon_dotprod.hpp>
#include <rwkv/kernels/simd/neon_i8mm.hpp>
#include <rwkv/kernels/simd/portable.hpp>
#include <rwkv/kernels/target.hpp>

#ifdef RWKV_X86_KERNELS
#include <cpuid.h>
#if defined(__linux__)
#include <sys/syscall.h>
#include <unistd.h>
#endif
#elif defined(RWKV_NEON_KERNELS)
#if defined(__linux__)
#include <sys/auxv.h>
#elif defined(__APPLE__)
#include <sys/sysctl.h>
#endif
#endif

namespace rwkv::inline RWKV_ABI::kernels {

namespace detail {

template <class... Descriptions>
struct TargetList {};

// Every target that can be compiled for this architecture, each faster than those before it where a processor has
// several (none has AVX-VNNI and AVX-512 but not AVX-512's VNNI). A new one is
// a file of simd/ with a Description, which must name a kernel for every format, and a place in this list.
#if defined(RWKV_X86_KERNELS)
using AllTargets = TargetList<portable::Description, avx2::Description, avx_vnni::Description, avx512::Description,
                              avx512_vnni::Description, amx::Description>;
#elif defined(RWKV_NEON_KERNELS)
using AllTargets =
    TargetList<portable::Description, neon::Description, neon_dotprod::Description, neon_i8mm::Description>;
#else
using AllTargets = TargetList<portable::Description>;
#endif

template <class Description, class... Formats>
constexpr Target make_target(FormatList<Formats...>) noexcept {
    return {Description::name,      Description::features,       {Description::template kernels<Formats>()...},
            Description::equations, Description::q4_error_terms, Description::encode_q4};
}

template <class Description>
inline constexpr Target target_of = make_target<Description>(AllFormats{});

/// Calls use(target) for the targets that RWKV_TARGETS selects; the others are not compiled.
template <class Use, class... Descriptions>
void for_each_compiled_target(TargetList<Descriptions...>, Use&& use) {
    const auto use_if_selected = [&]<class Description>() {
        if constexpr (Description::bit == 0 || (unsigned(RWKV_TARGETS) & Description::bit) != 0)
            use(target_of<Description>);
    };
    (use_if_selected.template operator()<Descriptions>(), ...);
}

#if defined(RWKV_X86_KERNELS)
/// Whether the processor has tiles of bytes and of BF16, and Linux lets this process use them. It must be asked for:
/// tiles are 8 kB of registers more for every thread that uses them.
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
#elif defined(RWKV_NEON_KERNELS)
/// The features beyond ARMv8.0 that the operating system reports, or for which this file is compiled anyway.
inline unsigned detect_arm_features() noexcept {
    unsigned features = 0;
#if defined(__linux__)
    constexpr unsigned long dotprod = 1ul << 20, i8mm = 1ul << 13;  // HWCAP_ASIMDDP, HWCAP2_I8MM
    if (::getauxval(AT_HWCAP) & dotprod) features |= cpu_dotprod;
    if (::getauxval(AT_HWCAP2) & i8mm) features |= cpu_i8mm;
#elif defined(__APPLE__)
    const auto has = [](const char* name) {
        int value = 0;
        std::size_t size = sizeof value;
        return ::sysctlbyname(name, &value, &size, nullptr, 0) == 0 && value != 0;
    };
    if (has("hw.optional.arm.FEAT_DotProd")) features |= cpu_dotprod;
    if (has("hw.optional.arm.FEAT_I8MM")) features |= cpu_i8mm;
#endif
#ifdef __ARM_FEATURE_DOTPROD
    features |= cpu_dotprod;
#endif
#ifdef __ARM_FEATURE_MATMUL_INT8
    features |= cpu_i8mm;
#endif
    return features;
}
#endif

inline unsigned detect_cpu_features() noexcept {
    unsigned features = 0;
#if defined(RWKV_X86_KERNELS)
    unsigned eax = 0, ebx = 0, ecx = 0, edx = 0;
    if (__get_cpuid(1, &eax, &ebx, &ecx, &edx) && (ecx & (1u << 29))) features |= cpu_f16c;
    if (__builtin_cpu_supports("avx2")) features |= cpu_avx2;
    if (__builtin_cpu_supports("fma")) features |= cpu_fma;
    if (__builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") && __builtin_cpu_supports("avx512dq") &&
        __builtin_cpu_supports("avx512vl"))
        features |= cpu_avx512;
    if (__builtin_cpu_supports("avx512vnni")) features |= cpu_avx512_vnni;
    if (__get_cpuid_count(7, 0, &eax, &ebx, &ecx, &edx) && eax >= 1 &&
        __get_cpuid_count(7, 1, &eax, &ebx, &ecx, &edx) && (eax & (1u << 4)))
        features |= cpu_avx_vnni;
    if (may_use_tiles()) features |= cpu_amx;
#elif defined(RWKV_NEON_KERNELS)
    features |= cpu_neon | detect_arm_features();
#endif
    return features;
}

}  // namespace detail

RWKV_INLINE unsigned cpu_features() noexcept {
    static const unsigned features = detail::detect_cpu_features();
    return features;
}

RWKV_INLINE const std::vector<const Target*>& available_targets() {
    static const std::vector<const Target*> available = [] {
        std::vector<const Target*> targets;
        detail::for_each_compiled_target(detail::AllTargets{}, [&](const Target& target) {
            if ((target.features & ~cpu_features()) == 0) targets.push_back(&target);
        });
        return targets;
    }();
    return available;
}

RWKV_INLINE const Target& best_target() {
    return *available_targets().back();
}

RWKV_INLINE const Target& target_named(std::string_view name) {
    std::string names;
    for (const Target* target : available_targets()) {
        if (name == target->name) return *target;
        names.append(names.empty() ? "" : ", ").append(target->name);
    }
    core::fail<ArgumentError>("environment", {"RWKV_TARGET"}, {"one of ", names}, {name});
}

namespace detail {

/// What choose_target() was last given.
inline std::atomic<const Target*>& chosen() noexcept {
    static std::atomic<const Target*> target{nullptr};
    return target;
}

}  // namespace detail

RWKV_INLINE void choose_target(const Target* target) noexcept {
    detail::chosen() = target;
}

RWKV_INLINE const Target& chosen_target() {
    if (const Target* const target = detail::chosen()) return *target;
    static const Target& target = []() -> const Target& {
        const char* const name = std::getenv("RWKV_TARGET");
        return name && *name ? target_named(name) : best_target();
    }();
    return target;
}

}  // namespace rwkv::inline RWKV_ABI::kernels
