// For system.hpp: Windows.

#include <algorithm>

// The system's own header, though it is large and has macros: declarations of ours would be at odds with it where an
// application includes it, too.
#ifndef WIN32_LEAN_AND_MEAN
#define WIN32_LEAN_AND_MEAN
#endif
#ifndef NOMINMAX
#define NOMINMAX
#endif
#include <windows.h>

namespace rwkv::inline RWKV_ABI::io::system {

namespace detail {

/// Windows counts the bytes of one call in 32 bits.
inline DWORD transfer(std::size_t bytes) noexcept {
    return static_cast<DWORD>((std::min)(bytes, std::size_t{1} << 30U));
}

inline HANDLE handle(std::intptr_t value) noexcept {
    return reinterpret_cast<HANDLE>(value);  // File::none is INVALID_HANDLE_VALUE
}

inline constexpr std::uint64_t joined(DWORD high, DWORD low) noexcept {
    return std::uint64_t{high} << 32U | low;
}

inline constexpr DWORD low_half(std::uint64_t value) noexcept {
    return static_cast<DWORD>(value);
}

inline constexpr DWORD high_half(std::uint64_t value) noexcept {
    return static_cast<DWORD>(value >> 32U);
}

}  // namespace detail

RWKV_INLINE std::error_code last_error() noexcept {
    const std::error_code error(static_cast<int>(::GetLastError()), std::system_category());
    // In the words of other systems where they have them.
    const std::error_condition general = error.default_error_condition();
    return general.category() == std::generic_category() ? std::error_code(general.value(), general.category()) : error;
}

RWKV_INLINE File File::open(const std::filesystem::path& path) noexcept {
    // As elsewhere, others may write, rename and remove it meanwhile. BACKUP_SEMANTICS: opens directories, too.
    return File(reinterpret_cast<std::intptr_t>(
        ::CreateFileW(path.c_str(), GENERIC_READ, FILE_SHARE_READ | FILE_SHARE_WRITE | FILE_SHARE_DELETE, nullptr,
                      OPEN_EXISTING, FILE_FLAG_BACKUP_SEMANTICS, nullptr)));
}

RWKV_INLINE File File::create(const std::filesystem::path& path) noexcept {
    return File(reinterpret_cast<std::intptr_t>(::CreateFileW(path.c_str(), GENERIC_WRITE, FILE_SHARE_READ, nullptr,
                                                              CREATE_NEW, FILE_ATTRIBUTE_NORMAL, nullptr)));
}

RWKV_INLINE std::optional<FileStatus> File::status() const noexcept {
    FileStatus status;
    if (const DWORD type = ::GetFileType(detail::handle(handle_)); type != FILE_TYPE_DISK) {
        status.other_kind = type == FILE_TYPE_PIPE ? "a named pipe" : "a device";
        return status;
    }
    BY_HANDLE_FILE_INFORMATION found{};
    if (!::GetFileInformationByHandle(detail::handle(handle_), &found)) return std::nullopt;
    if (found.dwFileAttributes & FILE_ATTRIBUTE_DIRECTORY) status.other_kind = "a directory";
    status.size = detail::joined(found.nFileSizeHigh, found.nFileSizeLow);
    const std::uint64_t since_1601 =
        detail::joined(found.ftLastWriteTime.dwHighDateTime, found.ftLastWriteTime.dwLowDateTime);
    status.modified = static_cast<std::int64_t>(since_1601 / 10'000'000) - 11'644'473'600;  // from tenths of µs
    return status;
}

RWKV_INLINE std::ptrdiff_t File::read(std::uint64_t offset, std::span<std::byte> out) const noexcept {
    OVERLAPPED place{};
    place.Offset = detail::low_half(offset);
    place.OffsetHigh = detail::high_half(offset);
    DWORD count = 0;
    if (!::ReadFile(detail::handle(handle_), out.data(), detail::transfer(out.size()), &count, &place))
        return ::GetLastError() == ERROR_HANDLE_EOF ? 0 : -1;
    return static_cast<std::ptrdiff_t>(count);
}

RWKV_INLINE std::ptrdiff_t File::write(std::span<const std::byte> bytes) noexcept {
    DWORD count = 0;
    if (!::WriteFile(detail::handle(handle_), bytes.data(), detail::transfer(bytes.size()), &count, nullptr)) return -1;
    return static_cast<std::ptrdiff_t>(count);
}

RWKV_INLINE bool File::flush() noexcept {
    return ::FlushFileBuffers(detail::handle(handle_));
}

RWKV_INLINE bool File::close() noexcept {
    return ::CloseHandle(detail::handle(std::exchange(handle_, none)));
}

RWKV_INLINE void* File::map(std::uint64_t offset, std::size_t bytes) const noexcept {
    const HANDLE mapping = ::CreateFileMappingW(detail::handle(handle_), nullptr, PAGE_READONLY, 0, 0, nullptr);
    if (!mapping) return nullptr;
    void* const memory =
        ::MapViewOfFile(mapping, FILE_MAP_READ, detail::high_half(offset), detail::low_half(offset), bytes);
    ::CloseHandle(mapping);  // the view keeps what it needs of it
    return memory;
}

RWKV_INLINE std::uint64_t mapping_granularity() noexcept {
    SYSTEM_INFO info{};
    ::GetSystemInfo(&info);
    return info.dwAllocationGranularity;
}

RWKV_INLINE void unmap(void* memory, std::size_t) noexcept {
    ::UnmapViewOfFile(memory);
}

RWKV_INLINE bool rename(const std::filesystem::path& from, const std::filesystem::path& to) noexcept {
    return ::MoveFileExW(from.c_str(), to.c_str(), MOVEFILE_REPLACE_EXISTING | MOVEFILE_WRITE_THROUGH);
}

RWKV_INLINE void remove(const std::filesystem::path& path) noexcept {
    ::DeleteFileW(path.c_str());
}

RWKV_INLINE std::optional<std::vector<std::string>> names_in(const std::filesystem::path& directory) {
    struct Search {
        HANDLE handle;
        ~Search() {
            if (handle != INVALID_HANDLE_VALUE) ::FindClose(handle);
        }
    };
    WIN32_FIND_DATAW found{};
    const Search search{::FindFirstFileW((directory / "*").c_str(), &found)};
    std::vector<std::string> names;
    if (search.handle == INVALID_HANDLE_VALUE) return std::nullopt;
    do names.push_back(std::filesystem::path(found.cFileName).string());
    while (::FindNextFileW(search.handle, &found));
    if (::GetLastError() != ERROR_NO_MORE_FILES) return std::nullopt;
    return names;
}

}  // namespace rwkv::inline RWKV_ABI::io::system
