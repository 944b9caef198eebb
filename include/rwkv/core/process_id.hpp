#pragma once

#include <cstdint>

#include <rwkv/version.hpp>

#if defined(_WIN32)
#include <process.h>
#else
#include <unistd.h>
#endif

namespace rwkv::inline RWKV_ABI::core {

/// The number of this process: a child of fork() has another.
inline std::int64_t process_id() noexcept {
#if defined(_WIN32)
    return ::_getpid();
#else
    return ::getpid();
#endif
}

}  // namespace rwkv::inline RWKV_ABI::core
