#pragma once

#include <algorithm>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <limits>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <system_error>
#include <utility>
#include <vector>

#include <dirent.h>
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>
#include <cerrno>

#include <rwkv/checked.hpp>
#include <rwkv/error.hpp>

namespace rwkv::io {

namespace detail {

// Everything that asks the operating system is in this namespace.

/// The system's words for an errno value, safe to call from any thread.
inline std::string system_message(int error) {
    return std::generic_category().message(error);
}

/// A file descriptor that closes itself.
class Descriptor {
  public:
    Descriptor() = default;
    explicit Descriptor(int value) noexcept : value_(value) {}
    Descriptor(Descriptor&& other) noexcept : value_(std::exchange(other.value_, -1)) {}
    Descriptor& operator=(Descriptor&& other) noexcept {
        std::swap(value_, other.value_);
        return *this;
    }
    Descriptor(const Descriptor&) = delete;
    Descriptor& operator=(const Descriptor&) = delete;
    ~Descriptor() {
        if (value_ >= 0) ::close(value_);
    }

    int get() const noexcept { return value_; }
    /// Gives the descriptor up to the caller, who closes it.
    int release() noexcept { return std::exchange(value_, -1); }

  private:
    int value_ = -1;
};

/// open(2), tried again when a signal interrupts it; -1 with errno set on failure.
inline Descriptor open_descriptor(const std::filesystem::path& path, int flags, mode_t mode = 0) noexcept {
    int value = -1;
    do value = ::open(path.c_str(), flags | O_CLOEXEC, mode);
    while (value < 0 && errno == EINTR);
    return Descriptor(value);
}

/// "a directory", "a named pipe" or "a device", for a message: nothing else can be opened beside files.
inline std::string kind_of(mode_t mode) {
    return S_ISDIR(mode) ? "a directory" : S_ISFIFO(mode) ? "a named pipe" : "a device";
}

/// Linux moves at most 2^31 − 4096 bytes in one call and macOS fails above 2^31 − 1.
inline constexpr std::size_t largest_transfer = std::size_t{1} << 30U;

}  // namespace detail

/// The names of what a directory holds, in no order. FileError where it cannot be read. (std::filesystem's iterator
/// ends the program where memory runs out.)
inline std::vector<std::string> names_in(const std::filesystem::path& directory) {
    struct Close {
        void operator()(DIR* opened) const noexcept { ::closedir(opened); }
    };
    const std::unique_ptr<DIR, Close> opened(::opendir(directory.c_str()));
    std::vector<std::string> names;
    errno = opened ? 0 : errno;
    for (const dirent* entry = nullptr; opened && (entry = ::readdir(opened.get())); errno = 0)
        if (const std::string_view name = entry->d_name; name != "." && name != "..") names.emplace_back(name);
    if (errno != 0) throw FileError(directory.string(), "", "a readable directory", detail::system_message(errno));
    return names;
}

/// A regular file open for reading. `read` may be called by any number of threads at once; moving or
/// destroying the object while one reads is the caller's mistake.
class InputFile {
  public:
    /// Opens the file. Symbolic links are followed. Directories, pipes and devices are refused, and never
    /// waited for. Throws FileError.
    explicit InputFile(std::filesystem::path path) : path_(std::move(path)) {
        // O_NONBLOCK: opening a pipe nobody writes to would otherwise wait for ever. Regular files do not
        // mind it.
        file_ = detail::open_descriptor(path_, O_RDONLY | O_NONBLOCK);
        if (file_.get() < 0) fail("a readable file", detail::system_message(errno));
        struct stat status {};
        if (::fstat(file_.get(), &status) != 0) fail("a readable file", detail::system_message(errno));
        if (!S_ISREG(status.st_mode)) fail("a regular file", detail::kind_of(status.st_mode));
        size_ = static_cast<std::uint64_t>(status.st_size);
        modified_ = static_cast<std::int64_t>(status.st_mtime);
    }

    /// Length in bytes when the file was opened.
    std::uint64_t size() const noexcept { return size_; }

    /// When the file was last changed, as of opening it: seconds since 1970.
    std::int64_t modified() const noexcept { return modified_; }

    const std::filesystem::path& path() const noexcept { return path_; }

    /// Fills `out` with the bytes that begin at `offset`; all of them, or FileError: on an I/O error, and
    /// where the file ends early (also when it has shrunk since it was opened).
    void read(std::uint64_t offset, std::span<std::byte> out) const {
        const auto end = checked_add(offset, out.size());
        if (!end || *end > static_cast<std::uint64_t>(std::numeric_limits<off_t>::max()))
            fail("a position within the file", "byte " + std::to_string(offset));
        while (!out.empty()) {
            const std::size_t wanted = std::min(out.size(), detail::largest_transfer);
            const ssize_t got = ::pread(file_.get(), out.data(), wanted, static_cast<off_t>(offset));
            if (got < 0) {
                if (errno == EINTR) continue;
                fail("to read byte " + std::to_string(offset), detail::system_message(errno));
            }
            if (got == 0)
                fail("at least " + std::to_string(*end) + " bytes",
                     "the end of the file at or before byte " + std::to_string(offset));
            out = out.subspan(static_cast<std::size_t>(got));
            offset += static_cast<std::uint64_t>(got);
        }
    }

    /// The `bytes` bytes (at least one) that begin at `offset`, mapped: they stay there while the pointer lives, also
    /// when the file is closed or removed. If it is truncated or written to, they change under the reader, or reading
    /// them ends the program. FileError where the file has no such bytes or the system does not map it.
    std::shared_ptr<const std::byte[]> map(std::uint64_t offset, std::size_t bytes) const {
        const auto end = checked_add(offset, bytes);
        if (bytes == 0 || !end || *end > size_)
            fail("at least " + std::to_string(end.value_or(offset)) + " bytes to map", std::to_string(size_));
        const auto page = static_cast<std::uint64_t>(::sysconf(_SC_PAGESIZE));
        const auto before = static_cast<std::size_t>(offset % page);
        void* const memory =
            ::mmap(nullptr, before + bytes, PROT_READ, MAP_PRIVATE, file_.get(), static_cast<off_t>(offset - before));
        if (memory == MAP_FAILED) fail("a file that can be mapped", detail::system_message(errno));
        std::shared_ptr<const std::byte[]> whole(
            static_cast<const std::byte*>(memory),
            [size = before + bytes](const std::byte* at) { ::munmap(const_cast<std::byte*>(at), size); });
        return {whole, whole.get() + before};
    }

  private:
    [[noreturn]] void fail(std::string expected, std::string found) const {
        throw FileError(path_.string(), "", std::move(expected), std::move(found));
    }

    std::filesystem::path path_;
    detail::Descriptor file_;
    std::uint64_t size_ = 0;
    std::int64_t modified_ = 0;
};

/// A file being written under a temporary name in the target's directory, which takes the target's place only
/// in `commit`: a reader sees the old file or the whole new one, never a part. One thread at a time. Throws
/// FileError.
class OutputFile {
  public:
    /// Creates the temporary file. A target that exists and is not a regular file is refused.
    explicit OutputFile(std::filesystem::path path) : path_(std::move(path)) {
        std::error_code ignored;
        const auto status = std::filesystem::status(path_, ignored);
        if (std::filesystem::exists(status) && !std::filesystem::is_regular_file(status))
            fail("a regular file or none", "something else of that name");
        static std::atomic<unsigned> counter{0};
        do {
            // Not derived from the target's name, which may already be as long as a name can be.
            temporary_ = path_.parent_path() /
                         (".rwkv-" + std::to_string(::getpid()) + "-" + std::to_string(counter.fetch_add(1)) + ".part");
            file_ = detail::open_descriptor(temporary_, O_WRONLY | O_CREAT | O_EXCL, 0666);
        } while (file_.get() < 0 && errno == EEXIST);
        if (file_.get() < 0) {
            const int error = errno;
            temporary_.clear();
            fail("a place where a file can be written", detail::system_message(error));
        }
    }

    OutputFile(OutputFile&& other) noexcept
        : path_(std::move(other.path_)),
          temporary_(std::exchange(other.temporary_, {})),
          file_(std::move(other.file_)) {}
    OutputFile& operator=(OutputFile&& other) noexcept {
        std::swap(path_, other.path_);
        std::swap(temporary_, other.temporary_);
        std::swap(file_, other.file_);
        return *this;
    }
    OutputFile(const OutputFile&) = delete;
    OutputFile& operator=(const OutputFile&) = delete;

    /// Removes the temporary file unless it was committed.
    ~OutputFile() {
        if (!temporary_.empty()) ::unlink(temporary_.c_str());
    }

    /// The target's path.
    const std::filesystem::path& path() const noexcept { return path_; }

    /// Appends the bytes. Nothing is buffered: hand over large pieces. After an error the object is spent, as
    /// after `commit`.
    void write(std::span<const std::byte> bytes) {
        while (!bytes.empty()) {
            const ssize_t put = ::write(file_.get(), bytes.data(), std::min(bytes.size(), detail::largest_transfer));
            if (put <= 0) {
                const int error = put == 0 ? ENOSPC : errno;  // never seen of a file, but not to be tried for ever
                if (error == EINTR) continue;
                file_ = {};  // part of the bytes may be there: nothing may follow them
                fail("to write " + std::to_string(bytes.size()) + " bytes", detail::system_message(error));
            }
            bytes = bytes.subspan(static_cast<std::size_t>(put));
        }
    }

    /// Brings the bytes to the disk, closes the file and gives it its name, replacing an older one. After
    /// this, and after an error, the object is spent: a further `write` or `commit` is a FileError.
    void commit() {
        detail::Descriptor file = std::move(file_);  // what fails to reach the disk is reported once only
        int failed = 0;
        do failed = ::fsync(file.get());
        while (failed != 0 && errno == EINTR);
        if (failed != 0) fail("to write the file out", detail::system_message(errno));
        // Some file systems report a full disk no sooner than this. Interrupted, it has closed the file all the same.
        if (::close(file.release()) != 0 && errno != EINTR) fail("to close the file", detail::system_message(errno));
        if (::rename(temporary_.c_str(), path_.c_str()) != 0) fail("to take this name", detail::system_message(errno));
        temporary_.clear();
    }

  private:
    [[noreturn]] void fail(std::string expected, std::string found) const {
        throw FileError(path_.string(), "", std::move(expected), std::move(found));
    }

    std::filesystem::path path_;
    std::filesystem::path temporary_;  ///< empty: nothing left to remove
    detail::Descriptor file_;
};

/// The whole of a file. One longer than `max_bytes` is a FormatError, found out before anything is read.
inline std::string read_text(const std::filesystem::path& path, std::uint64_t max_bytes) {
    const InputFile file(path);
    if (file.size() > max_bytes)
        throw FormatError(path.string(), "", "at most " + std::to_string(max_bytes) + " bytes",
                          std::to_string(file.size()));
    std::string text(static_cast<std::size_t>(file.size()), '\0');
    file.read(0, std::as_writable_bytes(std::span(text)));
    return text;
}

/// Writes a whole file, which appears as OutputFile says. Throws FileError.
inline void write_text(const std::filesystem::path& path, std::string_view text) {
    OutputFile file(path);
    file.write(std::as_bytes(std::span(text)));
    file.commit();
}

}  // namespace rwkv::io
