// The system calls and allocations of this program, which fail where faults.hpp says so. Memory is what operator new
// gives, which is replaced as the language provides for, and malloc where a header calls it; that and the system calls
// are renamed by the linker (--wrap): `f` becomes __wrap_f, and __real_f is the system's own.

#include "faults.hpp"

#include <cstdarg>
#include <cstdlib>

#include <fcntl.h>
#include <malloc.h>
#include <sys/mman.h>
#include <sys/types.h>
#include <unistd.h>
#include <cerrno>

using rwkv::test::Calls;
using rwkv::test::faults;

extern "C" {
void* __real_malloc(std::size_t size);
void __real_free(void* memory);
void* __real_mmap(void* where, std::size_t size, int protection, int flags, int file, off_t offset);
int __real_open(const char* path, int flags, ...);
ssize_t __real_pread(int file, void* out, std::size_t size, off_t offset);
ssize_t __real_write(int file, const void* bytes, std::size_t size);
int __real_close(int file);
int __real_rename(const char* from, const char* to);
}

namespace {

void* counted(void* memory) {
    if (!memory) return nullptr;
    const std::size_t live = faults.live_bytes += ::malloc_usable_size(memory);
    std::size_t most = faults.most_bytes;
    while (live > most && !faults.most_bytes.compare_exchange_weak(most, live)) {
    }
    return memory;
}

void* allocate(std::size_t size) {
    if (faults.allocations.next_fails()) return nullptr;
    return counted(__real_malloc(size ? size : 1));
}

void* allocate(std::size_t size, std::align_val_t alignment) {
    if (faults.allocations.next_fails()) return nullptr;
    const auto align = static_cast<std::size_t>(alignment);
    return counted(std::aligned_alloc(align, (size + align - 1) / align * align));
}

void release(void* memory) {
    if (memory) faults.live_bytes -= ::malloc_usable_size(memory);
    __real_free(memory);
}

void* or_throw(void* memory) {
    if (!memory) throw std::bad_alloc();
    return memory;
}

/// Whether the next of these calls fails, with errno set.
bool fails(Calls& calls) {
    if (!calls.next_fails()) return false;
    errno = calls.error();
    return true;
}

std::size_t allowed(std::size_t size) {
    return faults.largest_transfer > 0 ? std::min(size, faults.largest_transfer) : size;
}

}  // namespace

extern "C" {

void* __wrap_malloc(std::size_t size) {
    return allocate(size);
}
void __wrap_free(void* memory) {
    release(memory);
}

void* __wrap_mmap(void* where, std::size_t size, int protection, int flags, int file, off_t offset) {
    if (fails(faults.maps)) return MAP_FAILED;
    return __real_mmap(where, size, protection, flags, file, offset);
}

int __wrap_open(const char* path, int flags, ...) {
    std::va_list rest;
    va_start(rest, flags);
    const mode_t mode = (flags & O_CREAT) != 0 ? va_arg(rest, mode_t) : 0;
    va_end(rest);
    if (fails(faults.opens)) return -1;
    return __real_open(path, flags, mode);
}

ssize_t __wrap_pread(int file, void* out, std::size_t size, off_t offset) {
    if (fails(faults.reads)) return errno == 0 ? 0 : -1;
    return __real_pread(file, out, allowed(size), offset);
}

ssize_t __wrap_write(int file, const void* bytes, std::size_t size) {
    if (fails(faults.writes)) return errno == 0 ? 0 : -1;
    return __real_write(file, bytes, allowed(size));
}

// No file of these tests is to outlive a loss of power: nothing is brought to the disk, which would take long.
int __wrap_fsync(int) {
    return fails(faults.syncs) ? -1 : 0;
}

// The descriptor is gone, whatever close says.
int __wrap_close(int file) {
    const int result = __real_close(file);
    return fails(faults.closes) ? -1 : result;
}

int __wrap_rename(const char* from, const char* to) {
    return fails(faults.renames) ? -1 : __real_rename(from, to);
}

}  // extern "C"

void* operator new(std::size_t size) {
    return or_throw(allocate(size));
}
void* operator new[](std::size_t size) {
    return or_throw(allocate(size));
}
void* operator new(std::size_t size, std::align_val_t alignment) {
    return or_throw(allocate(size, alignment));
}
void* operator new[](std::size_t size, std::align_val_t alignment) {
    return or_throw(allocate(size, alignment));
}
void* operator new(std::size_t size, const std::nothrow_t&) noexcept {
    return allocate(size);
}
void* operator new[](std::size_t size, const std::nothrow_t&) noexcept {
    return allocate(size);
}
void operator delete(void* memory) noexcept {
    release(memory);
}
void operator delete[](void* memory) noexcept {
    release(memory);
}
void operator delete(void* memory, std::size_t) noexcept {
    release(memory);
}
void operator delete[](void* memory, std::size_t) noexcept {
    release(memory);
}
void operator delete(void* memory, std::align_val_t) noexcept {
    release(memory);
}
void operator delete[](void* memory, std::align_val_t) noexcept {
    release(memory);
}
void operator delete(void* memory, std::size_t, std::align_val_t) noexcept {
    release(memory);
}
void operator delete[](void* memory, std::size_t, std::align_val_t) noexcept {
    release(memory);
}
void operator delete(void* memory, const std::nothrow_t&) noexcept {
    release(memory);
}
void operator delete[](void* memory, const std::nothrow_t&) noexcept {
    release(memory);
}
