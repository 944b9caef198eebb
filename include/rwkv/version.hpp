#pragma once

#if !(__cplusplus >= 202002L || (defined(_MSVC_LANG) && _MSVC_LANG >= 202002L))
#error "rwkv.hpp is written in C++20: compile with -std=c++20 or later"
#endif
#if defined(__GNUC__) && !defined(__EXCEPTIONS)
#error "rwkv.hpp reports errors by exceptions: compile without -fno-exceptions"
#endif
#if defined(__BYTE_ORDER__) && __BYTE_ORDER__ != __ORDER_LITTLE_ENDIAN__
#error "rwkv.hpp reads files as they lie in memory, and so runs on little-endian processors only"
#endif
#if defined(__SIZEOF_POINTER__) && __SIZEOF_POINTER__ < 8
#error "rwkv.hpp is for 64-bit systems: models are larger than what 32 bits can address"
#endif

// LLVM since 17, which is in Apple's clang 16: whatever passes an infinity to a function is undefined there.
#if defined(__clang__) && defined(__FINITE_MATH_ONLY__) && __FINITE_MATH_ONLY__
#if (defined(__apple_build_version__) && __clang_major__ >= 16) || \
    (!defined(__apple_build_version__) && __clang_major__ >= 17)
#error "rwkv.hpp computes with infinities: with this compiler add -fno-finite-math-only to -ffast-math or -Ofast"
#endif
#endif

// CMakeLists.txt reads these three lines: they are the one place the version is written.
#define RWKV_VERSION_MAJOR 0
#define RWKV_VERSION_MINOR 1
#define RWKV_VERSION_PATCH 0

// The instruction sets that kernels are compiled for, as a sum: AVX2 1, AVX-512 2, AVX-512 VNNI 4, AMX 8, NEON 16,
// AVX-VNNI 32, NEON with dotprod 64, with i8mm 128. The portable kernels are always there.
#ifndef RWKV_TARGETS
#define RWKV_TARGETS 255
#endif

// The attributes of each function in a shared library that is built with RWKV_COMPILED, such as
// __attribute__((visibility("default"))) where all else is hidden.
#ifndef RWKV_API
#define RWKV_API
#endif

// The inline namespace that contains everything. It makes builds that must not be mixed in one program fail to link:
// different minor versions, different instruction sets, and the compiled library (RWKV_COMPILED) beside the header-only
// one.
#define RWKV_ABI_OF(mode, targets) v0_1##mode##targets
#define RWKV_EXPANDED_ABI_OF(mode, targets) RWKV_ABI_OF(mode, targets)
#ifdef RWKV_COMPILED
#define RWKV_ABI RWKV_EXPANDED_ABI_OF(_compiled_, RWKV_TARGETS)
#else
#define RWKV_ABI RWKV_EXPANDED_ABI_OF(_, RWKV_TARGETS)
#endif

namespace rwkv::inline RWKV_ABI {

/// The library's version, as major.minor.patch; compatible within one minor version until 1.0.
struct Version {
    int major;  ///< 1 once the interface is promised
    int minor;  ///< the interface
    int patch;  ///< changes no interface
};

/// The version of the headers this translation unit was compiled with.
inline constexpr Version version{RWKV_VERSION_MAJOR, RWKV_VERSION_MINOR, RWKV_VERSION_PATCH};

}  // namespace rwkv::inline RWKV_ABI
