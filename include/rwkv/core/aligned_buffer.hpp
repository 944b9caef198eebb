#pragma once

#include <cstddef>
#include <memory>
#include <new>

#if defined(__linux__)
#include <sys/mman.h>

#include <rwkv/version.hpp>
#endif

namespace rwkv::inline RWKV_ABI::kernels {

/// Uninitialised memory for weights, aligned for any kernel, and on huge pages where the system grants them: reading
/// it through a hundred thousand small ones costs a tenth of the bandwidth and more. Throws std::bad_alloc.
inline std::shared_ptr<std::byte[]> allocate_weights(std::size_t bytes) {
    constexpr std::size_t huge_page = std::size_t(2) << 20, cache_line = 64;
    const std::size_t alignment = bytes >= huge_page ? huge_page : cache_line;
    if (bytes > static_cast<std::size_t>(-1) - alignment) throw std::bad_alloc();
    const std::size_t size = (bytes + alignment - 1) / alignment * alignment;
    auto* memory = static_cast<std::byte*>(::operator new(size, std::align_val_t(alignment)));
#if defined(__linux__)
    if (alignment == huge_page) ::madvise(memory, size, MADV_HUGEPAGE);  // a wish: refused, it changes nothing
#endif
    return {memory, [alignment](std::byte* p) { ::operator delete(p, std::align_val_t(alignment)); }};
}

}  // namespace rwkv::inline RWKV_ABI::kernels
