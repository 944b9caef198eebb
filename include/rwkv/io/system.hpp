#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <system_error>
#include <utility>
#include <vector>

#include <rwkv/version.hpp>

/// Everything that io/ asks of the operating system: declared here, defined for each system in a file of system/. A
/// function that fails says so by its result, and `last_error` then has the reason.
namespace rwkv::inline RWKV_ABI::io::system {

/// Why the last call of this thread failed.
std::error_code last_error() noexcept;

/// What the system knows of an open file.
struct FileStatus {
    std::string_view other_kind;  ///< "a directory", "a named pipe" or "a device"; empty for a regular file
    std::uint64_t size = 0;
    std::int64_t modified = 0;  ///< seconds since 1970
};

/// An open file that closes itself, or none.
class File {
  public:
    File() = default;
    File(File&& other) noexcept : handle_(std::exchange(other.handle_, none)) {}
    File& operator=(File&& other) noexcept {
        std::swap(handle_, other.handle_);
        return *this;
    }
    File(const File&) = delete;
    File& operator=(const File&) = delete;
    ~File() {
        if (*this) close();
    }

    /// Opens a file for reading, also one that is not regular, without waiting for anybody.
    static File open(const std::filesystem::path& path) noexcept;

    /// Creates a file for writing. Fails with errc::file_exists where there is one.
    static File create(const std::filesystem::path& path) noexcept;

    explicit operator bool() const noexcept { return handle_ != none; }

    std::optional<FileStatus> status() const noexcept;

    /// Reads bytes from `offset` on. Returns their number, which may be less than was asked for: 0 at the end of the
    /// file, −1 on failure. Thread safety: any number of threads may call it at once.
    std::ptrdiff_t read(std::uint64_t offset, std::span<std::byte> out) const noexcept;

    /// Appends bytes. Returns the number written, which may be less than was given; −1 on failure.
    std::ptrdiff_t write(std::span<const std::byte> bytes) noexcept;

    /// Waits until what was written is on the disk.
    bool flush() noexcept;

    /// Closes the file. False where the system finds only now that it cannot keep what was written.
    bool close() noexcept;

    /// Maps the bytes from `offset` on, a multiple of `mapping_granularity()`, for reading; null on failure.
    void* map(std::uint64_t offset, std::size_t bytes) const noexcept;

  private:
    explicit File(std::intptr_t handle) noexcept : handle_(handle) {}

    static constexpr std::intptr_t none = -1;  ///< of descriptors and of HANDLEs
    std::intptr_t handle_ = none;
};

std::uint64_t mapping_granularity() noexcept;

/// Ends a mapping.
void unmap(void* memory, std::size_t bytes) noexcept;

/// Renames a file, replacing one of the new name.
bool rename(const std::filesystem::path& from, const std::filesystem::path& to) noexcept;

void remove(const std::filesystem::path& path) noexcept;

/// The names of what a directory holds, "." and ".." among them; nothing on failure.
std::optional<std::vector<std::string>> names_in(const std::filesystem::path& directory);

}  // namespace rwkv::inline RWKV_ABI::io::system

#ifndef RWKV_COMPILED
#include <rwkv/io/system.inl>
#endif
