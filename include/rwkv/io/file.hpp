#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <system_error>
#include <utility>
#include <vector>

#include <rwkv/core/checked.hpp>
#include <rwkv/core/error.hpp>
#include <rwkv/io/system.hpp>
#include <rwkv/version.hpp>

namespace rwkv::inline RWKV_ABI::io {

/// Whether there is something under that name. A link counts by itself: one that leads nowhere is to be reported, not
/// passed over.
inline bool is_present(const std::filesystem::path& path) {
    std::error_code ignored;
    return std::filesystem::exists(std::filesystem::symlink_status(path, ignored));
}

/// The names of what a directory holds, in no order. FileError where it cannot be read. (std::filesystem's iterator
/// ends the program where memory runs out.)
inline std::vector<std::string> names_in(const std::filesystem::path& directory) {
    auto names = system::names_in(directory);
    if (!names) throw FileError(directory.string(), "", "a readable directory", system::last_error().message());
    std::erase_if(*names, [](const std::string& name) { return name == "." || name == ".."; });
    return std::move(*names);
}

/// A regular file open for reading. `read` may be called by any number of threads at once; moving or
/// destroying the object while one reads is the caller's mistake.
class InputFile {
  public:
    /// Opens the file. Symbolic links are followed. Directories, pipes and devices are refused, and never
    /// waited for. Throws FileError.
    explicit InputFile(std::filesystem::path path) : path_(std::move(path)) {
        file_ = system::File::open(path_);
        const auto status = file_ ? file_.status() : std::nullopt;
        if (!status) fail("a readable file", system::last_error().message());
        if (!status->other_kind.empty()) fail("a regular file", std::string(status->other_kind));
        size_ = status->size;
        modified_ = status->modified;
    }

    /// Length in bytes when the file was opened.
    std::uint64_t size() const noexcept { return size_; }

    /// When the file was last changed, as of opening it: seconds since 1970.
    std::int64_t modified() const noexcept { return modified_; }

    const std::filesystem::path& path() const noexcept { return path_; }

    /// Fills `out` with the bytes that begin at `offset`; all of them, or FileError: on an I/O error, and
    /// where the file ends early (also when it has shrunk since it was opened).
    void read(std::uint64_t offset, std::span<std::byte> out) const {
        const auto end = core::checked_add(offset, out.size());
        if (!end || *end > system::largest_offset())
            fail("a position within the file", "byte " + std::to_string(offset));
        while (!out.empty()) {
            const std::ptrdiff_t got = file_.read(offset, out);
            if (got < 0) fail("to read byte " + std::to_string(offset), system::last_error().message());
            if (got == 0)
                fail("at least " + std::to_string(*end) + " bytes",
                     "the end of the file at or before byte " + std::to_string(offset));
            out = out.subspan(static_cast<std::size_t>(got));
            offset += static_cast<std::uint64_t>(got);
        }
    }

    /// The `bytes` bytes (at least one) that begin at `offset`, mapped: they stay there while the pointer lives, also
    /// when the file is closed or removed (Windows removes and replaces none that is mapped). If it is truncated or
    /// written to, they change under the reader, or reading them ends the program. FileError where the file has no such
    /// bytes or the system does not map it.
    std::shared_ptr<const std::byte[]> map(std::uint64_t offset, std::size_t bytes) const {
        const auto end = core::checked_add(offset, bytes);
        if (bytes == 0 || !end || *end > size_)
            fail("at least " + std::to_string(end.value_or(offset)) + " bytes to map", std::to_string(size_));
        const auto before = static_cast<std::size_t>(offset % system::mapping_granularity());
        void* const memory = file_.map(offset - before, before + bytes);
        if (!memory) fail("a file that can be mapped", system::last_error().message());
        std::shared_ptr<const std::byte[]> whole(
            static_cast<const std::byte*>(memory),
            [size = before + bytes](const std::byte* at) { system::unmap(const_cast<std::byte*>(at), size); });
        return {whole, whole.get() + before};
    }

  private:
    [[noreturn]] void fail(std::string expected, std::string found) const {
        throw FileError(path_.string(), "", std::move(expected), std::move(found));
    }

    std::filesystem::path path_;
    system::File file_;
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
        std::error_code error;
        const auto status = std::filesystem::status(path_, error);
        if (std::filesystem::exists(status) && !std::filesystem::is_regular_file(status))
            fail("a regular file or none", "something else of that name");
        static std::atomic<unsigned> counter{0};
        do {
            // Not derived from the target's name, which may already be as long as a name can be.
            temporary_ = path_.parent_path() / (".rwkv-" + std::to_string(system::process_id()) + "-" +
                                                std::to_string(counter.fetch_add(1)) + ".part");
            file_ = system::File::create(temporary_);
            error = system::last_error();
        } while (!file_ && error == std::errc::file_exists);
        if (!file_) {
            temporary_.clear();
            fail("a place where a file can be written", error.message());
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
        file_ = {};  // Windows removes no open file
        if (!temporary_.empty()) system::remove(temporary_);
    }

    /// The target's path.
    const std::filesystem::path& path() const noexcept { return path_; }

    /// Appends the bytes. Nothing is buffered: hand over large pieces. After an error the object is spent, as
    /// after `commit`.
    void write(std::span<const std::byte> bytes) {
        while (!bytes.empty()) {
            const std::ptrdiff_t put = file_.write(bytes);
            if (put <= 0) {
                // Nothing without an error was never seen of a file, but is not to be tried for ever.
                const auto error = put < 0 ? system::last_error() : std::make_error_code(std::errc::no_space_on_device);
                file_ = {};  // part of the bytes may be there: nothing may follow them
                fail("to write " + std::to_string(bytes.size()) + " bytes", error.message());
            }
            bytes = bytes.subspan(static_cast<std::size_t>(put));
        }
    }

    /// Brings the bytes to the disk, closes the file and gives it its name, replacing an older one. After
    /// this, and after an error, the object is spent: a further `write` or `commit` is a FileError.
    void commit() {
        system::File file = std::move(file_);  // what fails to reach the disk is reported once only
        if (!file.flush()) fail("to write the file out", system::last_error().message());
        // Some file systems report a full disk no sooner than this.
        if (!file.close()) fail("to close the file", system::last_error().message());
        if (!system::rename(temporary_, path_)) fail("to take this name", system::last_error().message());
        temporary_.clear();
    }

  private:
    [[noreturn]] void fail(std::string expected, std::string found) const {
        throw FileError(path_.string(), "", std::move(expected), std::move(found));
    }

    std::filesystem::path path_;
    std::filesystem::path temporary_;  ///< empty: nothing left to remove
    system::File file_;
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

}  // namespace rwkv::inline RWKV_ABI::io
