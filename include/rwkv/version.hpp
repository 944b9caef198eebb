#pragma once

// CMakeLists.txt reads these three lines: they are the one place the version is written.
#define RWKV_VERSION_MAJOR 0
#define RWKV_VERSION_MINOR 1
#define RWKV_VERSION_PATCH 0

namespace rwkv {

/// The library's version, as major.minor.patch; compatible within one minor version until 1.0.
struct Version {
    int major;  ///< 1 from the day the interface is promised
    int minor;  ///< the interface
    int patch;  ///< what changes no interface
};

/// The version of the headers this translation unit was compiled with.
inline constexpr Version version{RWKV_VERSION_MAJOR, RWKV_VERSION_MINOR, RWKV_VERSION_PATCH};

}  // namespace rwkv
