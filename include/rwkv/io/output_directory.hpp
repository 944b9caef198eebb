#pragma once

#include <filesystem>
#include <string>
#include <system_error>
#include <utility>
#include <vector>

#include <rwkv/core/error.hpp>
#include <rwkv/io/file.hpp>
#include <rwkv/version.hpp>

namespace rwkv::inline RWKV_ABI::io {

/// A directory that is being filled. Unless `keep` is called, its destructor removes the files that were named, and the
/// directory, too, if it was created for them.
///
/// Thread safety: one thread at a time.
class OutputDirectory {
  public:
    /// Creates the directory, or uses an empty one: other files beside ours would be taken for a part of it. Throws
    /// FileError.
    explicit OutputDirectory(std::filesystem::path path) : path_(std::move(path)) {
        std::error_code error;
        created_ = std::filesystem::create_directory(path_, error);
        if (created_) return;
        const std::string where = path_.string();
        if (error) throw FileError(where, "cannot create the directory " + where, error);
        if (!names_in(path_).empty()) throw FileError(where, "", "an empty directory, or none", "one that holds files");
    }
    OutputDirectory(const OutputDirectory&) = delete;
    OutputDirectory& operator=(const OutputDirectory&) = delete;
    ~OutputDirectory() {
        std::error_code ignored;
        for (const std::filesystem::path& file : files_) std::filesystem::remove(file, ignored);
        if (created_) std::filesystem::remove(path_, ignored);
    }

    /// The path of a file of that name, which the caller is about to write.
    const std::filesystem::path& file(const std::string& name) { return files_.emplace_back(path_ / name); }

    /// Keeps all that was written.
    void keep() noexcept {
        files_.clear();
        created_ = false;
    }

  private:
    std::filesystem::path path_;
    std::vector<std::filesystem::path> files_;
    bool created_ = false;
};

}  // namespace rwkv::inline RWKV_ABI::io
