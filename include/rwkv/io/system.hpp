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

/// Everything that io/ asks the operating system: declared here, and defined for each system in a file of system/.
/// What fails says so in its result; `last_error` then says why.
namespace rwkv::inline RWKV_ABI::io::system {

/// Why the last call of this thread failed, with the system's words for it.
inline std::error_code last_error() noexcept;

/// What an open file is like.
struct Status {
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

    /// Opens what has this name for reading, also where it is no regular file, and waits for nobody.
    static File open(const std::filesystem::path& path) noexcept;

    /// Creates a file for writing. One that exists is a failure, errc::file_exists.
    static File create(const std::filesystem::path& path) noexcept;

    explicit operator bool() const noexcept { return handle_ != none; }

    std::optional<Status> status() const noexcept;

    /// Reads bytes that begin at `offset`, perhaps fewer than asked for. How many; 0 at the file's end, −1 on failure.
    /// Any number of threads may call it at once.
    std::ptrdiff_t read(std::uint64_t offset, std::span<std::byte> out) const noexcept;

    /// Appends bytes, perhaps fewer than given. How many; −1 on failure.
    std::ptrdiff_t write(std::span<const std::byte> bytes) noexcept;

    /// Brings what was written to the disk.
    bool flush() noexcept;

    /// False where the system finds only now that it cannot keep what was written; it is closed all the same.
    bool close() noexcept;

    /// The bytes from `offset` on, a multiple of `mapping_granularity`, mapped for reading; null on failure.
    void* map(std::uint64_t offset, std::size_t bytes) const noexcept;

  private:
    explicit File(std::intptr_t handle) noexcept : handle_(handle) {}

    static constexpr std::intptr_t none = -1;  ///< of descriptors and of HANDLEs
    std::intptr_t handle_ = none;
};

/// The largest offset a file can have.
inline std::uint64_t largest_offset() noexcept;

inline std::uint64_t mapping_granularity() noexcept;

/// Ends a mapping.
inline void unmap(void* memory, std::size_t bytes) noexcept;

/// Gives a file another name, replacing the one that has it.
inline bool rename(const std::filesystem::path& from, const std::filesystem::path& to) noexcept;

inline void remove(const std::filesystem::path& path) noexcept;

inline std::uint64_t process_id() noexcept;

/// The names of what a directory holds, "." and ".." among them; nothing on failure.
inline std::optional<std::vector<std::string>> names_in(const std::filesystem::path& directory);

}  // namespace rwkv::inline RWKV_ABI::io::system

#if defined(_WIN32)
#include <rwkv/io/system/windows.inl>
#else
#include <rwkv/io/system/posix.inl>
#endif
