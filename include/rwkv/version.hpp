#pragma once

// CMakeLists.txt reads these three lines: they are the one place the version is written.
#define RWKV_VERSION_MAJOR 0
#define RWKV_VERSION_MINOR 1
#define RWKV_VERSION_PATCH 0

// The inline namespace that everything is in, so that what may not be mixed in one program fails to link: another minor
// version, and the library compiled once (RWKV_COMPILED) beside the library in every source file.
#ifdef RWKV_COMPILED
#define RWKV_ABI v0_1_compiled
#else
#define RWKV_ABI v0_1
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
