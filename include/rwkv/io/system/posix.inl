// For system.hpp: Linux, macOS and other POSIX systems. Calls that a signal interrupts are made again.

#include <algorithm>
#include <memory>

#include <dirent.h>
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>
#include <cerrno>
#include <cstdio>

namespace rwkv::inline RWKV_ABI::io::system {

namespace detail {

/// Linux moves at most 2^31 − 4096 bytes in one call and macOS fails above 2^31 − 1.
inline constexpr std::size_t largest_transfer = std::size_t{1} << 30U;

/// What the call returns once no signal interrupts it.
template <class Call>
auto uninterrupted(Call&& call) noexcept {
    auto result = call();
    while (result < 0 && errno == EINTR) result = call();
    return result;
}

}  // namespace detail

RWKV_INLINE std::error_code last_error() noexcept {
    return {errno, std::generic_category()};
}

RWKV_INLINE File File::open(const std::filesystem::path& path) noexcept {
    // O_NONBLOCK: opening a pipe nobody writes to would otherwise wait for ever. Regular files do not mind it.
    return File(detail::uninterrupted([&] { return ::open(path.c_str(), O_RDONLY | O_NONBLOCK | O_CLOEXEC); }));
}

RWKV_INLINE File File::create(const std::filesystem::path& path) noexcept {
    return File(
        detail::uninterrupted([&] { return ::open(path.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0666); }));
}

RWKV_INLINE std::optional<FileStatus> File::status() const noexcept {
    struct stat found {};
    if (::fstat(static_cast<int>(handle_), &found) != 0) return std::nullopt;
    FileStatus status;
    if (!S_ISREG(found.st_mode))
        status.other_kind = S_ISDIR(found.st_mode)    ? "a directory"
                            : S_ISFIFO(found.st_mode) ? "a named pipe"
                                                      : "a device";
    status.size = static_cast<std::uint64_t>(found.st_size);
    status.modified = found.st_mtime;
    return status;
}

RWKV_INLINE std::ptrdiff_t File::read(std::uint64_t offset, std::span<std::byte> out) const noexcept {
    const std::size_t wanted = (std::min)(out.size(), detail::largest_transfer);
    return detail::uninterrupted(
        [&] { return ::pread(static_cast<int>(handle_), out.data(), wanted, static_cast<off_t>(offset)); });
}

RWKV_INLINE std::ptrdiff_t File::write(std::span<const std::byte> bytes) noexcept {
    const std::size_t wanted = (std::min)(bytes.size(), detail::largest_transfer);
    return detail::uninterrupted([&] { return ::write(static_cast<int>(handle_), bytes.data(), wanted); });
}

RWKV_INLINE bool File::flush() noexcept {
#if defined(__APPLE__)
    // fsync leaves it in the drive's own memory there. Not every file system has this.
    if (::fcntl(static_cast<int>(handle_), F_FULLFSYNC) == 0) return true;
#endif
    return detail::uninterrupted([&] { return ::fsync(static_cast<int>(handle_)); }) == 0;
}

RWKV_INLINE bool File::close() noexcept {
    // Interrupted, it has closed the file all the same.
    return ::close(static_cast<int>(std::exchange(handle_, none))) == 0 || errno == EINTR;
}

RWKV_INLINE void* File::map(std::uint64_t offset, std::size_t bytes) const noexcept {
    void* const memory =
        ::mmap(nullptr, bytes, PROT_READ, MAP_PRIVATE, static_cast<int>(handle_), static_cast<off_t>(offset));
    return memory == MAP_FAILED ? nullptr : memory;
}

RWKV_INLINE std::uint64_t mapping_granularity() noexcept {
    return static_cast<std::uint64_t>(::sysconf(_SC_PAGESIZE));
}

RWKV_INLINE void unmap(void* memory, std::size_t bytes) noexcept {
    ::munmap(memory, bytes);
}

RWKV_INLINE bool rename(const std::filesystem::path& from, const std::filesystem::path& to) noexcept {
    return ::rename(from.c_str(), to.c_str()) == 0;
}

RWKV_INLINE void remove(const std::filesystem::path& path) noexcept {
    ::unlink(path.c_str());
}

RWKV_INLINE std::optional<std::vector<std::string>> names_in(const std::filesystem::path& directory) {
    struct Close {
        void operator()(DIR* opened) const noexcept { ::closedir(opened); }
    };
    const std::unique_ptr<DIR, Close> opened(::opendir(directory.c_str()));
    if (!opened) return std::nullopt;
    std::vector<std::string> names;
    errno = 0;
    for (const dirent* entry = nullptr; (entry = ::readdir(opened.get())); errno = 0) names.emplace_back(entry->d_name);
    if (errno != 0) return std::nullopt;
    return names;
}

}  // namespace rwkv::inline RWKV_ABI::io::system
