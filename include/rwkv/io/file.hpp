#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <rwkv/io/byte_source.hpp>
#include <rwkv/io/system.hpp>
#include <rwkv/version.hpp>

namespace rwkv::inline RWKV_ABI::io {

/// Whether the name exists. A broken link counts, so that it is reported, not ignored.
[[nodiscard]] bool is_present(const std::filesystem::path& path);

/// The names of the entries of a directory, in no order. Throws FileError where it cannot be read. (The iterator of
/// std::filesystem ends the program where memory runs out.)
[[nodiscard]] std::vector<std::string> names_in(const std::filesystem::path& directory);

/// A regular file open for reading. Its size is that when it was opened, and its name its path.
///
/// `read` also throws where the disk fails, and where the file was truncated since it was opened. What `map` returns
/// stays mapped when the file is closed or removed (Windows neither removes nor replaces a mapped file). If the file is
/// written to, the bytes change; if it is truncated, reading them ends the program.
///
/// Throws: FileError.
class InputFile final : public ByteSource {
  public:
    /// Opens the file. Symbolic links are followed. Directories, pipes and devices are refused without waiting for
    /// them.
    explicit InputFile(const std::filesystem::path& path) : InputFile(path, open(path)) {}

    /// When it was last changed, as of opening it: seconds since 1970.
    std::int64_t modified() const noexcept { return modified_; }

  private:
    struct Opened {
        system::File file;
        system::FileStatus status;
    };
    static Opened open(const std::filesystem::path& path);
    InputFile(const std::filesystem::path& path, Opened opened)
        : ByteSource(path.string(), opened.status.size),
          file_(std::move(opened.file)),
          modified_(opened.status.modified) {}

    std::size_t do_read(std::uint64_t offset, std::span<std::byte> out) const override;
    std::shared_ptr<const std::byte[]> do_map(std::uint64_t offset, std::size_t bytes) const override;

    system::File file_;
    std::int64_t modified_;
};

/// The prefix of the names of files that are being written.
inline constexpr std::string_view temporary_prefix = ".rwkv-";

/// A file that is written under a temporary name in the target's directory and takes the target's place only in
/// `commit`: a reader sees the old file or the whole new one, never a part.
///
/// Throws: FileError. Thread safety: one thread at a time.
class OutputFile {
  public:
    /// Creates the temporary file. A target that exists and is not a regular file is refused.
    explicit OutputFile(std::filesystem::path path);

    OutputFile(OutputFile&& other) noexcept;
    OutputFile& operator=(OutputFile&& other) noexcept;
    OutputFile(const OutputFile&) = delete;
    OutputFile& operator=(const OutputFile&) = delete;

    /// Removes the temporary file unless it was committed.
    ~OutputFile();

    /// The target's path.
    const std::filesystem::path& path() const noexcept { return path_; }

    /// Appends the bytes. Nothing is buffered, so large spans are better than small ones. After an error the object
    /// is spent, as after `commit`.
    void write(std::span<const std::byte> bytes);

    /// Waits until the bytes are on the disk, closes the file and renames it to the target, replacing an older one.
    /// After this, and after an error, the object is spent: a further `write` or `commit` throws FileError.
    void commit();

  private:
    std::filesystem::path path_;
    std::filesystem::path temporary_;  ///< empty: nothing left to remove
    system::File file_;
};

/// The whole of a file, as `read_text` of a ByteSource. Throws FileError besides.
[[nodiscard]] inline std::string read_text(const std::filesystem::path& path, std::uint64_t max_bytes) {
    return read_text(InputFile(path), max_bytes);
}

/// Writes a whole file, by an OutputFile. Throws FileError.
void write_text(const std::filesystem::path& path, std::string_view text);

}  // namespace rwkv::inline RWKV_ABI::io

#ifndef RWKV_COMPILED
#include <rwkv/io/file.inl>
#endif
