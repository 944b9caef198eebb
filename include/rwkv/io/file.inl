#pragma once

#include <atomic>
#include <optional>
#include <system_error>
#include <utility>

#include <rwkv/core/error.hpp>
#include <rwkv/core/inline.hpp>
#include <rwkv/core/message.hpp>
#include <rwkv/core/process_id.hpp>
#include <rwkv/io/file.hpp>
#include <rwkv/version.hpp>

namespace rwkv::inline RWKV_ABI::io {

namespace detail {

/// Throws a FileError that says what the system refused: "cannot open PATH: No such file or directory".
[[noreturn]] inline void fail_system(std::error_code code, const std::string& where, std::string_view verb,
                                     std::string_view rest = "") {
    throw FileError(where, core::join({"cannot ", verb, " ", where.empty() ? "\"\"" : where, rest}), code);
}

[[noreturn]] inline void fail_system(std::error_code code, const std::filesystem::path& path, std::string_view verb,
                                     std::string_view rest = "") {
    fail_system(code, path.string(), verb, rest);
}

/// Throws a FileError about what was expected of the path.
[[noreturn]] inline void fail_file(const std::filesystem::path& path, core::MessageParts expected,
                                   core::MessageParts found) {
    core::fail<FileError>(path.string(), {}, expected, found);
}

}  // namespace detail

RWKV_INLINE bool is_present(const std::filesystem::path& path) {
    std::error_code ignored;
    return std::filesystem::exists(std::filesystem::symlink_status(path, ignored));
}

RWKV_INLINE std::vector<std::string> names_in(const std::filesystem::path& directory) {
    auto names = system::names_in(directory);
    if (!names) detail::fail_system(system::last_error(), directory, "list the directory");
    std::erase_if(*names, [](const std::string& name) { return name == "." || name == ".."; });
    return std::move(*names);
}

RWKV_INLINE InputFile::Opened InputFile::open(const std::filesystem::path& path) {
    system::File file = system::File::open(path);
    const auto status = file ? file.status() : std::nullopt;
    if (!status) {
        const std::error_code error = system::last_error();
        std::error_code no_link;
        const std::filesystem::path target = std::filesystem::read_symlink(path, no_link);
        // The Hub's cache is made of links, and has some that lead nowhere after a download that failed.
        detail::fail_system(error, path, "open", no_link ? "" : core::join({", a symbolic link to ", target.string()}));
    }
    if (!status->other_kind.empty()) detail::fail_file(path, {"a regular file"}, {status->other_kind});
    return {std::move(file), *status};
}

RWKV_INLINE std::size_t InputFile::do_read(std::uint64_t offset, std::span<std::byte> out) const {
    const std::ptrdiff_t count = file_.read(offset, out);
    if (count < 0) {
        const std::error_code error = system::last_error();
        detail::fail_system(error, name(), "read", core::join({" at byte ", offset}));
    }
    return static_cast<std::size_t>(count);
}

RWKV_INLINE std::shared_ptr<const std::byte[]> InputFile::do_map(std::uint64_t offset, std::size_t bytes) const {
    const std::size_t before = offset % system::mapping_granularity();
    void* const memory = file_.map(offset - before, before + bytes);
    if (!memory) detail::fail_system(system::last_error(), name(), "map");
    std::shared_ptr<const std::byte[]> whole(
        static_cast<const std::byte*>(memory),
        [size = before + bytes](const std::byte* at) { system::unmap(const_cast<std::byte*>(at), size); });
    return {whole, whole.get() + before};
}

RWKV_INLINE OutputFile::OutputFile(std::filesystem::path path) : path_(std::move(path)) {
    std::error_code error;
    const auto status = std::filesystem::status(path_, error);
    if (std::filesystem::exists(status) && !std::filesystem::is_regular_file(status))
        detail::fail_file(path_, {"a regular file or none"}, {"something else of that name"});
    static std::atomic<unsigned> counter{0};
    do {
        // Not derived from the target's name, which may already be as long as a name can be.
        temporary_ = path_.parent_path() /
                     core::join({temporary_prefix, core::process_id(), "-", counter.fetch_add(1), ".part"});
        file_ = system::File::create(temporary_);
        error = system::last_error();
    } while (!file_ && error == std::errc::file_exists);
    if (!file_) {
        temporary_.clear();
        detail::fail_system(error, path_, "create");
    }
}

RWKV_INLINE OutputFile::OutputFile(OutputFile&& other) noexcept
    : path_(std::move(other.path_)), temporary_(std::exchange(other.temporary_, {})), file_(std::move(other.file_)) {}

RWKV_INLINE OutputFile& OutputFile::operator=(OutputFile&& other) noexcept {
    std::swap(path_, other.path_);
    std::swap(temporary_, other.temporary_);
    std::swap(file_, other.file_);
    return *this;
}

RWKV_INLINE OutputFile::~OutputFile() {
    file_ = {};  // Windows removes no open file
    if (!temporary_.empty()) system::remove(temporary_);
}

RWKV_INLINE void OutputFile::write(std::span<const std::byte> bytes) {
    while (!bytes.empty()) {
        const std::ptrdiff_t count = file_.write(bytes);
        if (count <= 0) {
            // A write of 0 bytes without an error was never seen of a file, but must not be repeated for ever.
            const auto error = count < 0 ? system::last_error() : std::make_error_code(std::errc::no_space_on_device);
            file_ = {};  // part of the bytes may be there: nothing may follow them
            detail::fail_system(error, path_, core::join({"write ", bytes.size(), " bytes to"}));
        }
        bytes = bytes.subspan(static_cast<std::size_t>(count));
    }
}

RWKV_INLINE void OutputFile::commit() {
    system::File file = std::move(file_);  // what fails to reach the disk is reported once only
    if (!file.flush()) detail::fail_system(system::last_error(), path_, "write", " to the disk");
    // Some file systems report a full disk no sooner than this.
    if (!file.close()) detail::fail_system(system::last_error(), path_, "close");
    if (!system::rename(temporary_, path_)) {
        const std::error_code error = system::last_error();
        detail::fail_system(error, path_, core::join({"rename ", temporary_.string(), " to"}));
    }
    temporary_.clear();
}

RWKV_INLINE void write_text(const std::filesystem::path& path, std::string_view text) {
    OutputFile file(path);
    file.write(std::as_bytes(std::span(text)));
    file.commit();
}

}  // namespace rwkv::inline RWKV_ABI::io
