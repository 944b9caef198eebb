#pragma once

#include <cstdint>

#include <rwkv/version.hpp>

#if defined(__unix__) || defined(__APPLE__)
#include <unistd.h>
#endif

namespace rwkv::inline RWKV_ABI::core {

/// The number of this process: a child of fork() has another.
inline std::int64_t process_id() noexcept {
#if defined(__unix__) || defined(__APPLE__)
    return ::getpid();
#else
    return 1;
#endif
}

}  // namespace rwkv::inline RWKV_ABI::core
